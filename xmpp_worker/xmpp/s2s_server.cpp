#include "xmpp_worker/xmpp/s2s_server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace stox::xmpp {
namespace {

constexpr Duration kTick = std::chrono::seconds(5);
constexpr std::size_t kMaxRoutes = 10'000;
constexpr std::size_t kMaxInbound = 10'000;
constexpr std::size_t kMaxInboundOfAddress = 200;
constexpr std::size_t kMaxUnauthenticated = 1'000;

Result<std::shared_ptr<const net::TlsContext>> make_tls(const net::TlsFiles& files) {
  auto made = net::TlsContext::create(files);
  if (!made) return tl::make_unexpected(made.error());
  return std::make_shared<const net::TlsContext>(std::move(*made));
}

}  // namespace

Result<std::unique_ptr<S2sServer>> S2sServer::create(net::Loop& loop, net::Resolver& resolver,
                                                     S2sOptions options, LinksUser& user, S2sEvents& events) {
  auto tls = make_tls(options.tls);
  if (!tls) return tl::make_unexpected(tls.error());
  return std::unique_ptr<S2sServer>(
      new S2sServer(loop, resolver, std::move(options), std::move(*tls), user, events));
}

S2sServer::S2sServer(net::Loop& loop, net::Resolver& resolver, S2sOptions options,
                     std::shared_ptr<const net::TlsContext> tls, LinksUser& user, S2sEvents& events)
    : site_{loop,           resolver,
            user,           events,
            options,        DialbackKeys(options.dialback_secret),
            std::move(tls), std::minstd_rand(static_cast<unsigned>(loop.clock().wall_us()))},
      end_of_turn_(loop, [this] { graves_.clear(); }),
      tick_(loop, [this] { tick(); }) {
  tick_.set(loop.now() + kTick);
}

S2sServer::~S2sServer() {
  routes_.clear();
  accepted_.clear();
}

Result<void> S2sServer::listen() {
  auto listener = Listener::create(
      site_.loop, site_.options.address, site_.options.port,
      [this](int descriptor, const std::string& ip, uint16_t port) { accept(descriptor, ip, port); });
  if (!listener) return tl::make_unexpected(listener.error());
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

S2sRoute* S2sServer::route(std::string_view own_domain, std::string_view domain) {
  if (stopped_ || !site_.serves(own_domain) || domain.empty() || site_.serves(domain)) return nullptr;
  auto found = routes_.find(Key(own_domain, domain));
  if (found != routes_.end()) return found->second.get();
  // As another server may have written it: in how many ways that is must not be how many routes there are.
  const std::string prepared = prepared_domain(domain);
  const Key key(own_domain, prepared.empty() ? domain : prepared);
  if (site_.serves(key.second)) return nullptr;
  found = routes_.find(key);
  if (found != routes_.end()) return found->second.get();
  if (routes_.size() >= kMaxRoutes) return nullptr;
  auto& made = routes_[key];
  made = std::make_unique<S2sRoute>(site_, *this, key.first, key.second);
  const auto carrier = carriers_.find(key);
  if (carrier != carriers_.end()) made->set_carrier(carrier->second);
  return made.get();
}

Link* S2sServer::link(std::string_view from_domain, std::string_view to_domain) {
  S2sRoute* found = route(from_domain, to_domain);
  if (found != nullptr) found->want();
  return found;
}

void S2sServer::tick() {
  tick_.set(site_.loop.now() + kTick);
  for (auto each = routes_.begin(); each != routes_.end();) {
    if (!each->second->look_idle()) {
      ++each;
      continue;
    }
    site_.user.link_gone(*each->second);
    each = routes_.erase(each);
  }
}

std::size_t S2sServer::routes_up() const {
  return static_cast<std::size_t>(
      std::count_if(routes_.begin(), routes_.end(), [](const auto& each) { return each.second->is_up(); }));
}

void S2sServer::bury(std::shared_ptr<void> dead) {
  graves_.push_back(std::move(dead));
  end_of_turn_.ask();
}

// --- streams of others

void S2sServer::accept(int descriptor, const std::string& ip, uint16_t port) {
  auto& of_address = by_ip_[ip];
  if (stopped_ || accepted_.size() >= kMaxInbound || of_address >= kMaxInboundOfAddress ||
      unauthenticated_ >= kMaxUnauthenticated) {
    if (of_address == 0) by_ip_.erase(ip);
    if (refused_++ % 1000 == 0)
      site_.events.stream_trouble(fmt::format("a connection of {} is refused: too many there are", ip));
    ::close(descriptor);
    return;
  }
  ++of_address;
  ++unauthenticated_;
  auto made = std::make_shared<S2sAccepted>(site_, *this, descriptor, ip, port);
  accepted_.emplace(made->number(), made);
}

void S2sServer::ask(S2sAccepted& stream, const DialbackQuestion& question) {
  S2sRoute* asked = route(question.from, question.to);
  if (asked == nullptr)
    return stream.answered(question, {DialbackVerdict::Kind::kError, "resource-constraint"});
  asked->ask(question, stream.number());
}

void S2sServer::answered(uint64_t inbound, const DialbackQuestion& question, const DialbackVerdict& verdict) {
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
  unauthenticated_ -= std::exchange(stream.is_counted, false);
  site_.events.stream_event(fmt::format("stream of {} ({}) to {} is up, by {}, {}", from, machine.address(),
                                        to, machine.authentication(),
                                        machine.is_encrypted() ? machine.tls() : "no TLS"));
  site_.user.peer_came(from);
  if (!stream.carries(to, from)) return;
  const Key key(to, from);
  carriers_[key] = &stream;
  const auto found = routes_.find(key);
  if (found != routes_.end()) found->second->set_carrier(&stream);
}

void S2sServer::ended(S2sAccepted& stream, const StreamEnd& end) {
  const bool was_proved = !std::exchange(stream.is_counted, false);
  if (!was_proved) --unauthenticated_;
  if (was_proved && !end.complete) {
    ++broken_;
    site_.user.state_changed();
  }
  site_.events.stream_event(fmt::format(
      "stream of {} ended: {}",
      stream.machine().from().empty() ? stream.machine().address() : stream.machine().from(), end.reason));
  for (auto each = carriers_.begin(); each != carriers_.end();) {
    if (each->second != &stream) {
      ++each;
      continue;
    }
    const auto found = routes_.find(each->first);
    each = carriers_.erase(each);
    if (found != routes_.end()) found->second->set_carrier(nullptr);
  }
  const auto of_address = by_ip_.find(stream.ip());
  if (of_address != by_ip_.end() && --of_address->second == 0) by_ip_.erase(of_address);
  const auto found = accepted_.find(stream.number());
  if (found == accepted_.end()) return;
  bury(std::move(found->second));
  accepted_.erase(found);
}

// --- all of them

void S2sServer::stop() {
  if (stopped_) return;
  stopped_ = true;
  listener_.reset();
  for (auto& [key, route] : routes_) route->close("stopped");
  std::vector<std::shared_ptr<S2sAccepted>> all;
  for (const auto& [number, stream] : accepted_) all.push_back(stream);
  for (const auto& stream : all) stream->close({"system-shutdown", "stopped"});
}

std::size_t S2sServer::close(std::string_view domain, const std::string& reason) {
  std::size_t count = 0;
  for (auto& [key, route] : routes_) {
    if (key.second != domain) continue;
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
  for (auto& [key, route] : routes_) {
    if (key.second != domain) continue;
    route->reconnect();
    ++count;
  }
  return count;
}

std::vector<StreamInfo> S2sServer::list() const {
  std::vector<StreamInfo> out;
  for (const auto& [key, route] : routes_) out.push_back(route->info());
  for (const auto& [number, stream] : accepted_) {
    for (StreamInfo& each : stream->info()) out.push_back(std::move(each));
  }
  std::sort(out.begin(), out.end(), [](const StreamInfo& a, const StreamInfo& b) {
    return std::tie(a.domain, a.own_domain, a.direction) < std::tie(b.domain, b.own_domain, b.direction);
  });
  return out;
}

}  // namespace stox::xmpp
