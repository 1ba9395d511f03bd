#include "xmpp_worker/xmpp/s2s/s2s_server.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "common/base/heap.h"
#include "common/base/sip_uri.h"

namespace stox::xmpp {
namespace {

constexpr Duration kTick = std::chrono::seconds(5);
constexpr Duration kIdle = std::chrono::minutes(1);  // so idle is who may have to go for others
constexpr std::size_t kDescriptorsForOthers = 64;
constexpr std::size_t kManyRested = 64;  // they give back a megabyte

// Streams are fewer than descriptors.
std::size_t streams_in(std::size_t wanted) {
  rlimit descriptors{};
  if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0) return wanted;
  const auto all = static_cast<std::size_t>(descriptors.rlim_cur);
  const std::size_t each = (all > 2 * kDescriptorsForOthers ? all - kDescriptorsForOthers : all / 2) / 2;
  return std::min(wanted, each);
}

S2sRoutes::Limits route_limits() {
  S2sRoutes::Limits limits;
  limits.all = streams_in(limits.all);
  limits.asking = std::min(limits.asking, limits.all / 4);
  return limits;
}

S2sAdmission::Limits admission_limits() {
  S2sAdmission::Limits limits;
  limits.connections = streams_in(limits.connections);
  limits.unproved = std::min(limits.unproved, limits.connections / 4);
  return limits;
}

Result<std::shared_ptr<const net::TlsContext>> make_tls(const net::TlsFiles& files) {
  auto made = net::TlsContext::create(files);
  if (!made) return tl::make_unexpected(made.error());
  return std::make_shared<const net::TlsContext>(std::move(*made));
}

}  // namespace

Result<std::unique_ptr<S2sServer>> S2sServer::create(net::Loop& loop, net::Resolver& resolver,
                                                     S2sOptions options, PathsUser& user, S2sEvents& events) {
  auto tls = make_tls(options.tls);
  if (!tls) return tl::make_unexpected(tls.error());
  return std::unique_ptr<S2sServer>(
      new S2sServer(loop, resolver, std::move(options), std::move(*tls), user, events));
}

S2sServer::S2sServer(net::Loop& loop, net::Resolver& resolver, S2sOptions options,
                     std::shared_ptr<const net::TlsContext> tls, PathsUser& user, S2sEvents& events)
    : site_{loop,           resolver,
            user,           events,
            options,        DialbackKeys(options.dialback_secret),
            std::move(tls), std::minstd_rand(static_cast<unsigned>(loop.clock().wall_us()))},
      routes_(site_, *this, route_limits()),
      admission_(admission_limits()),
      domains_(admission_.limits().connections),
      end_of_turn_(loop,
                   [this] {
                     routes_.clear_away();
                     graves_.clear();
                   }),
      tick_(loop, [this] { tick(); }) {
  tick_.set(loop.now() + kTick);
}

S2sServer::~S2sServer() {
  routes_.drop_all();
  accepted_.clear();
}

Result<void> S2sServer::listen() {
  const net::Address at{site_.options.address, site_.options.port};
  auto listener = net::Listener::create(site_.loop, at, {.with_others = true, .takes_ipv4 = true},
                                        [this](int descriptor, const net::Address& peer) {
                                          if (descriptor >= 0) accept(descriptor, peer);
                                        });
  if (!listener)
    return error(net::describe_listen_failure(host_port(at.ip, at.port), listener.error(),
                                              {"xmpp_port", "xmpp_host"}));
  listener_ = std::move(*listener);
  return {};
}

Result<void> S2sServer::reload(S2sOptions options) {
  auto tls = make_tls(options.tls);
  if (!tls) return tl::make_unexpected(tls.error());
  site_.tls = std::move(*tls);
  site_.keys = DialbackKeys(options.dialback_secret);
  site_.options.tls = options.tls;
  site_.options.dialback_secret = std::move(options.dialback_secret);
  site_.options.require_tls = options.require_tls;
  site_.options.insecure_domains = std::move(options.insecure_domains);
  site_.options.static_servers = std::move(options.static_servers);
  return {};
}

// --- routes

Path* S2sServer::path(std::string_view from_domain, std::string_view to_domain) {
  if (stopped_) return nullptr;
  const std::size_t before = routes_.size();
  S2sRoute* found = routes_.wanted(from_domain, to_domain);
  if (found == nullptr) return nullptr;
  if (routes_.size() != before) made(*found);
  found->want();
  return found;
}

void S2sServer::made(S2sRoute& route) {
  const auto carrier = carriers_.find(Key(route.own_domain(), route.domain()));
  if (carrier != carriers_.end()) route.set_carrier(carrier->second);
  if (routes_.is_crowded()) end_of_turn_.ask();
}

void S2sServer::tick() {
  const Time now = site_.loop.now();
  tick_.set(now + kTick);
  routes_.tick();
  for (const auto& [number, stream] : accepted_) site_.rested += stream->rest_if_idle() ? 1 : 0;
  if (site_.rested >= kManyRested) {
    return_freed_memory();
    site_.rested = 0;
  }
  admission_.forget_sources(now);
  leave_idle(now);
}

std::size_t S2sServer::routes_up() const {
  const auto all = routes_.all();
  return static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [](const S2sRoute* each) { return each->is_up(); }));
}

bool S2sServer::may_hold(S2sRoute& route, std::size_t bytes) {
  if (route.place.source.empty()) route.place.source = S2sRoutes::owner_of(route.domain());
  return admission_.hold(route.place, bytes, site_.loop.now());
}

void S2sServer::bury(std::shared_ptr<void> dead) {
  graves_.push_back(std::move(dead));
  end_of_turn_.ask();
}

// --- streams of others

void S2sServer::accept(int descriptor, const net::Address& peer) {
  S2sAdmission::Place place = admission_.place_of(peer.ip);
  if (stopped_ || !admission_.comes_in_time(place, site_.loop.now()) || !make_room(place)) {
    refuse("a connection of " + peer.ip);
    ::close(descriptor);
    return;
  }
  admission_.take(place);
  auto made = std::make_shared<S2sAccepted>(site_, *this, descriptor, peer, std::move(place));
  unproved_.emplace(made->number(), made.get());
  accepted_.emplace(made->number(), std::move(made));
}

void S2sServer::refuse(const std::string& what) {
  if (refused_++ % 1000 == 0)
    site_.events.stream_trouble(
        fmt::format("{} is refused: there are too many, or they come too fast", what));
}

bool S2sServer::make_room(const S2sAdmission::Place& place) {
  using Among = S2sAdmission::Verdict::Among;
  const Time now = site_.loop.now();
  const auto verdict = admission_.judge(place, now);
  if (verdict.among == Among::kNobody) return true;
  const auto is_one = [&](const S2sAccepted& each) {
    if (verdict.among == Among::kAll) return true;
    return verdict.among == Among::kSource ? each.place.source == place.source
                                           : each.place.network == place.network;
  };
  std::shared_ptr<S2sAccepted> goes;
  const auto oldest = std::find_if(unproved_.begin(), unproved_.end(),
                                   [&](const auto& each) { return is_one(*each.second); });
  if (oldest != unproved_.end()) {
    goes = accepted_.at(oldest->first);
  } else if (!verdict.unproved_only) {
    for (const auto& [number, stream] : accepted_) {
      const bool is_idle = now - stream->machine().used() >= kIdle && is_one(*stream);
      if (is_idle && (!goes || stream->machine().used() < goes->machine().used())) goes = stream;
    }
  }
  if (!goes) return false;
  ++refused_;
  goes->close({"resource-constraint", "others wait for its place"});
  return true;
}

// Whoever has said goodbye comes again when there is something to say.
void S2sServer::leave_idle(Time now) {
  std::vector<std::pair<Time, std::shared_ptr<S2sAccepted>>> idle;
  for (const auto& [number, stream] : accepted_) {
    if (stream->machine().is_authenticated() && now - stream->machine().used() >= kIdle)
      idle.emplace_back(stream->machine().used(), stream);
  }
  const std::size_t most = admission_.limits().connections * 3 / 4;
  std::size_t over = accepted_.size() > most ? accepted_.size() - most : 0;
  std::sort(idle.begin(), idle.end());
  for (const auto& [used, stream] : idle) {
    if (now - used < site_.options.idle_inbound && over == 0) break;
    over -= over > 0 ? 1 : 0;
    drop_carrier(*stream);
    stream->leave();
  }
}

void S2sServer::ask(S2sAccepted& stream, const DialbackQuestion& question) {
  S2sRoute* asked = nullptr;
  const std::size_t before = routes_.size();
  if (!stopped_ && admission_.asks_in_time(stream.place, site_.loop.now()))
    asked = routes_.asking(question.from, question.to, stream.place);
  if (asked == nullptr) {
    refuse("a question of dialback of " + stream.machine().address());
    return stream.answered(question, {DialbackVerdict::Kind::kError, "resource-constraint"});
  }
  if (routes_.size() != before) made(*asked);
  asked->ask(question, stream.number());
}

void S2sServer::answered(uint64_t inbound, const DialbackQuestion& question, const DialbackVerdict& verdict) {
  if (verdict.kind != DialbackVerdict::Kind::kValid) {
    routes_.answered(Key(question.from, question.to));
    end_of_turn_.ask();
  }
  const auto found = accepted_.find(inbound);
  if (found == accepted_.end()) return;
  if (verdict.kind == DialbackVerdict::Kind::kError) {
    site_.events.stream_trouble(
        fmt::format("the stream of {} ({}) cannot be verified: {}; see the stream to {}", question.to,
                    found->second->machine().address(), verdict.condition, question.to));
  }
  const auto stream = found->second;
  stream->answered(question, verdict);
}

void S2sServer::authenticated(S2sAccepted& stream, const std::string& from, const std::string& to) {
  const S2sInbound& machine = stream.machine();
  if (unproved_.erase(stream.number()) != 0) {
    admission_.prove(stream.place);
    stream.peer = domains_.claim({S2sRoutes::owner_of(from)});
    if (!domains_.allows(stream.peer, accepted_.size() - 1)) {
      stream.peer = {};
      return stream.close({"resource-constraint", "too many streams of this domain"});
    }
    domains_.take(stream.peer);
  }
  site_.events.stream_event(fmt::format("stream of {} ({}) to {} is up, by {}, {}", from, machine.address(),
                                        to, machine.authentication(),
                                        machine.is_encrypted() ? machine.tls() : "no TLS"));
  site_.user.peer_came(from);
  if (!stream.carries(to, from)) return;
  const Key key(to, from);
  carriers_[key] = &stream;
  if (S2sRoute* route = routes_.find(key)) route->set_carrier(&stream);
}

bool S2sServer::may_hold(S2sAccepted& stream, std::size_t bytes) {
  return admission_.hold(stream.place, bytes, site_.loop.now());
}

void S2sServer::ended(S2sAccepted& stream, const StreamEnd& end) {
  const bool was_proved = unproved_.erase(stream.number()) == 0;
  if (was_proved && !end.complete) {
    ++broken_;
    site_.user.state_changed();
  }
  site_.events.stream_event(fmt::format(
      "stream of {} ended: {}",
      stream.machine().from().empty() ? stream.machine().address() : stream.machine().from(), end.reason));
  drop_carrier(stream);
  admission_.release(stream.place);
  domains_.release(stream.peer);
  const auto found = accepted_.find(stream.number());
  if (found == accepted_.end()) return;
  bury(std::move(found->second));
  accepted_.erase(found);
}

void S2sServer::drop_carrier(const S2sAccepted& stream) {
  for (auto each = carriers_.begin(); each != carriers_.end();) {
    if (each->second != &stream) {
      ++each;
      continue;
    }
    S2sRoute* route = routes_.find(each->first);
    each = carriers_.erase(each);
    if (route != nullptr) route->set_carrier(nullptr);
  }
}

// --- all of them

void S2sServer::stop() {
  if (stopped_) return;
  stopped_ = true;
  listener_.reset();
  for (S2sRoute* route : routes_.all()) route->close("stopped");
  std::vector<std::shared_ptr<S2sAccepted>> all;
  for (const auto& [number, stream] : accepted_) all.push_back(stream);
  for (const auto& stream : all) stream->close({"system-shutdown", "stopped"});
}

std::size_t S2sServer::close(std::string_view domain, const std::string& reason) {
  std::size_t count = 0;
  for (S2sRoute* route : routes_.to(domain)) {
    route->close(reason);
    ++count;
  }
  std::vector<std::shared_ptr<S2sAccepted>> theirs;
  for (const auto& [number, stream] : accepted_) {
    const auto& pairs = stream->machine().pairs();
    const bool is = stream->machine().from() == domain ||
                    std::any_of(pairs.begin(), pairs.end(), [&](const auto& p) { return p.first == domain; });
    if (is) theirs.push_back(stream);
  }
  for (const auto& stream : theirs) stream->close({"reset", reason});
  return count + theirs.size();
}

std::size_t S2sServer::reconnect(std::string_view domain) {
  std::size_t count = 0;
  for (S2sRoute* route : routes_.to(domain)) {
    route->reconnect();
    ++count;
  }
  return count;
}

std::size_t S2sServer::retry_all() {
  std::size_t count = 0;
  for (S2sRoute* route : routes_.all()) {
    if (route->retry_at() == kNever) continue;
    route->reconnect();
    ++count;
  }
  return count;
}

std::vector<StreamInfo> S2sServer::list() const {
  std::vector<StreamInfo> out;
  for (const S2sRoute* route : routes_.all()) out.push_back(route->info());
  for (const auto& [number, stream] : accepted_) {
    for (StreamInfo& each : stream->info()) out.push_back(std::move(each));
  }
  std::sort(out.begin(), out.end(), [](const StreamInfo& a, const StreamInfo& b) {
    return std::tie(a.domain, a.own_domain, a.direction) < std::tie(b.domain, b.own_domain, b.direction);
  });
  return out;
}

}  // namespace stox::xmpp
