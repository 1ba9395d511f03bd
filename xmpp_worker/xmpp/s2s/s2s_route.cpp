#include "xmpp_worker/xmpp/s2s/s2s_route.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::xmpp {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kConnect = seconds(10);  // of all addresses of one target
constexpr Duration kFirstRetry = seconds(1), kLastRetry = seconds(60), kRefusedRetry = seconds(60);
constexpr Duration kLasting = seconds(10);  // a stream that was up so long had worked
constexpr Duration kForget = minutes(10);   // then a route is that had a stream
constexpr Duration kForgetFailure = minutes(1);
constexpr Duration kIdle = seconds(30);      // whoever writes has given up waiting for answers
constexpr Duration kQuestion = seconds(60);  // of dialback
constexpr unsigned kMaxRedirects = 2;        // one after the other
constexpr std::size_t kMaxAsked = 100;
constexpr std::size_t kMaxUnsent = 4'194'304;

const StanzaError kNotFound{"cancel", "remote-server-not-found"};
const StanzaError kTimeout{"wait", "remote-server-timeout"};

}  // namespace

S2sRoute::S2sRoute(S2sSite& site, S2sRouteUser& user, std::string own_domain, std::string domain)
    : site_(site),
      user_(user),
      own_domain_(std::move(own_domain)),
      domain_(std::move(domain)),
      alarm_(site.loop,
             [this] {
               if (wanted_ || !asked_.empty()) return begin();
               state_ = State::kIdle;
               reason_ = last_failure_;
               is_forgettable_ = true;
             }),
      lookup_(site),
      connector_(site.loop),
      used_(site.loop.now()),
      down_since_(site.loop.now()),
      reason_("not connected") {}

S2sRoute::~S2sRoute() {
  if (out_) out_->forget();
  if (carrier_ != nullptr) carrier_->remove(*this);
}

void S2sRoute::want() {
  used_ = loop().now();
  wanted_ = true;
  if (state_ == State::kIdle && carrier_ == nullptr) begin_anew();
}

void S2sRoute::begin_anew() {
  down_since_ = loop().now();
  refused_ = false;
  begin();
}

void S2sRoute::begin() {
  begin_attempt();
  redirects_ = 0;
  reason_ =
      last_failure_.empty() ? "connecting to the server of " + domain_ : last_failure_ + "; trying again";
  if (told_.condition.empty()) told_ = kTimeout;
  lookup_.domain(domain_, [this](ServerLookup::Found answer) { found(std::move(answer)); });
}

void S2sRoute::begin_attempt() {
  wanted_ = is_forgettable_ = false;
  attempt_ = std::make_shared<char>();
  targets_.clear();
  failure_.reset();
  failures_text_.clear();
  lookup_failure_.clear();
  no_such_host_ = true;
  use_external_ = true;
  state_ = State::kResolving;
}

// --- where is the server?

void S2sRoute::found(ServerLookup::Found found) {
  lookup_failure_ = std::move(found.failure);
  if (found.is_not_offered) {
    no_such_host_ = false;
    return target_failed({fmt::format("{} says in DNS that it has no XMPP server (SRV \".\")", domain_),
                          {"cancel", "remote-server-not-found", "The domain has no XMPP server"},
                          true});
  }
  if (found.targets.empty()) return target_failed({std::exchange(lookup_failure_, {}), kNotFound});
  targets_.insert(targets_.begin(), found.targets.begin(), found.targets.end());
  next_target();
}

// The domain stays the one that certificates are checked against, and that we ask for.
bool S2sRoute::follow(StreamEnd& end) {
  if (end.other_host.empty()) return false;
  if (redirects_ >= kMaxRedirects) {
    end.reason += ", which is not followed: it has sent us on too often";
    return false;
  }
  ++redirects_;
  no_such_host_ = false;
  state_ = State::kResolving;
  reason_ = end.reason;
  site_.events.stream_event(end.reason);
  lookup_.host(end.other_host, [this](ServerLookup::Found answer) { found(std::move(answer)); });
  return true;
}

void S2sRoute::next_target() {
  if (targets_.empty()) return attempt_failed();
  target_ = std::move(targets_.front());
  targets_.erase(targets_.begin());
  state_ = State::kResolving;
  site_.resolver.addresses(target_.host, [this, attempt = std::weak_ptr<char>(attempt_)](
                                             net::Resolved<std::vector<std::string>> found) {
    if (attempt.expired()) return;
    if (found) return connect(target_, *found);
    const bool unknown = found.error().kind != net::ResolveError::Kind::kFailed;
    no_such_host_ = no_such_host_ && unknown;
    target_failed({found.error().text, unknown ? kNotFound : kTimeout});
  });
}

void S2sRoute::connect(const ServerTarget& target, const std::vector<std::string>& ips) {
  no_such_host_ = false;
  state_ = State::kConnecting;
  std::vector<net::Address> addresses;
  for (const std::string& ip : net::interleaved(ips)) addresses.push_back({ip, target.port});
  connector_.connect(std::move(addresses), kConnect, [this](int descriptor, const std::string& text) {
    if (descriptor >= 0) return negotiate(descriptor, text);
    target_failed(
        {fmt::format("cannot connect to {}; is a server for {} running there, and may it be reached?", text,
                     domain_),
         kTimeout});
  });
}

void S2sRoute::negotiate(int descriptor, const std::string& server) {
  state_ = State::kNegotiating;
  OutboundOptions options;
  options.from = own_domain_;
  options.to = domain_;
  options.server = server;
  options.direct_tls = target_.direct_tls;
  options.use_external = use_external_ && site_.tls->has_certificate();
  options.insecure = site_.is_insecure(domain_);
  out_ = std::make_shared<S2sConnection>(site_, static_cast<S2sConnectionUser&>(*this), std::move(options));
  for (const Asked& each : asked_) out_->machine.verify(each.question);
  out_->start(descriptor);
}

void S2sRoute::target_failed(StreamEnd end) {
  failures_text_ += (failures_text_.empty() ? "" : "; ") + end.reason;
  // What a server said counts more than that another could not be reached.
  if (!failure_ || end.refused || !failure_->refused) failure_ = std::move(end);
  next_target();
}

void S2sRoute::attempt_failed() {
  attempt_.reset();
  if (no_such_host_) {
    failure_->refused = true;
    failure_->told = {"cancel", "remote-server-not-found", "There is no such domain"};
  }
  refused_ = failure_->refused;
  told_ = failure_->told;
  last_failure_ = one_line(failures_text_, 1000);
  if (!lookup_failure_.empty()) last_failure_ += "; " + lookup_failure_;
  answer_asked(no_such_host_ ? "remote-server-not-found" : "remote-connection-failed");
  const unsigned doublings = std::min(failures_++, 10u);
  const Duration next = std::min<Duration>(kFirstRetry * (1u << doublings), kLastRetry);
  wait(refused_ ? kRefusedRetry : std::max(next, failure_->rest));
  site_.events.stream_trouble(fmt::format("no stream to {} as {}: {}", domain_, own_domain_, reason_));
}

void S2sRoute::wait(Duration time) {
  time = time * std::uniform_int_distribution<int>(1000, 1250)(site_.random) / 1000;
  state_ = State::kWaiting;
  failed_at_ = loop().now();
  alarm_.set(loop().now() + time);
  reason_ = fmt::format("{}; next try in {} s", last_failure_, (to_ms(time) + 500) / 1000);
}

// --- the stream

void S2sRoute::negotiating() {
  if (state_ != State::kNegotiating) return;
  const std::string before = last_failure_.empty() ? "" : last_failure_ + "; trying again: ";
  reason_ = before + out_->machine.waits_for();
}

void S2sRoute::stream_up() {
  const bool was_up = is_up();
  state_ = State::kUp;
  failures_ = 0;
  up_since_ = used_ = loop().now();
  refused_ = false;
  site_.events.stream_event(fmt::format(
      "stream to {} ({}) as {} is up, by {}, {}", domain_, out_->machine.options().server, own_domain_,
      out_->machine.authentication(), out_->machine.is_encrypted() ? out_->machine.tls() : "no TLS"));
  if (out_->machine.is_bidi()) site_.user.peer_came(domain_);
  check_up(was_up);
}

void S2sRoute::stream_ended(const StreamEnd& why, bool external_refused) {
  StreamEnd end = why;
  const bool was_up = is_up();
  const State state = std::exchange(state_, State::kIdle);
  const bool was_external = use_external_;
  std::shared_ptr<S2sConnection> out = std::move(out_);
  user_.may_hold(*this, 0);
  out->leave();
  user_.bury(std::move(out));
  if (state != State::kUp) {
    if (external_refused && was_external) {  // COMPAT: some close the stream instead of going on to dialback
      use_external_ = false;
      targets_.insert(targets_.begin(), target_);
    }
    return follow(end) ? void() : target_failed(std::move(end));
  }
  attempt_.reset();
  answer_asked("remote-server-timeout");
  const bool had_worked = loop().now() - up_since_ >= kLasting;
  up_since_ = loop().now();  // a way back that is left did not carry what was sent before
  if (had_worked) redirects_ = 0;
  last_failure_ = end.reason;
  reason_ = end.reason;
  told_ = end.told;
  site_.events.stream_event(fmt::format("stream to {} as {} ended: {}", domain_, own_domain_, end.reason));
  if (!end.other_host.empty()) begin_attempt();
  // Whoever accepts us only to send us away is not asked again and again.
  if (!follow(end) && (!had_worked || end.rest > Duration{} || !end.other_host.empty()))
    wait(std::max(kFirstRetry, end.rest));
  check_up(was_up);
  if (is_up()) go_on_elsewhere();
}

void S2sRoute::check_up(bool was_up) {
  if (is_up() == was_up) return;
  if (is_up()) {
    down_since_ = kNever;
    reason_.clear();
    last_failure_.clear();
    told_ = {};
    site_.user.path_up(*this);
  } else {
    down_since_ = loop().now();
    site_.user.path_down(*this);
  }
}

void S2sRoute::set_carrier(S2sCarrier* carrier) {
  if (carrier == carrier_) return;
  const bool was_up = is_up();
  // A peer that died and is back may have another before we have noticed.
  const bool was_used = carrier_ != nullptr && carrier != nullptr && !is_out_up();
  if (carrier_ != nullptr) carrier_->remove(*this);
  carrier_ = carrier;
  if (carrier_ != nullptr) carrier_->add(*this);
  if (carrier_ == nullptr && !is_out_up()) reason_ = last_failure_ = "the stream of " + domain_ + " ended";
  check_up(was_up);
  if (was_used) go_on_elsewhere();
}

// There is a way still, but what answers come by it say nothing of what the other one took with it.
void S2sRoute::go_on_elsewhere() {
  site_.user.path_down(*this);
  site_.user.path_up(*this);
}

void S2sRoute::close(const std::string& reason) {
  const bool was_up = is_up();
  attempt_.reset();
  lookup_.cancel();
  connector_.cancel();
  alarm_.set(kNever);
  answer_asked("remote-server-timeout");
  wanted_ = false;
  state_ = State::kIdle;
  if (out_) {
    std::shared_ptr<S2sConnection> out = std::move(out_);
    user_.may_hold(*this, 0);
    out->machine.close(loop().now());
    out->leave();
    user_.bury(std::move(out));
  }
  reason_ = reason;
  last_failure_.clear();
  check_up(was_up);
}

void S2sRoute::reconnect() {
  close("an operator wanted a new stream");
  failures_ = 0;
  if (state_ == State::kIdle) begin_anew();  // unless what waits has asked for it already
}

bool S2sRoute::look_idle() {
  const Time now = loop().now();
  while (!asked_.empty() && now - asked_.front().at >= kQuestion) {
    const Asked late = std::move(asked_.front());
    asked_.erase(asked_.begin());
    user_.answered(late.inbound, late.question, {DialbackVerdict::Kind::kError, "remote-server-timeout"});
  }
  if (out_ && out_->machine.rest_if_idle(now)) ++site_.rested;
  bool was_closed = false;
  if (is_out_up() && asked_.empty()) {
    const Time carried = out_->machine.last_traffic();
    const Duration idle = carried == Time{} ? site_.options.idle_unused : site_.options.idle;
    was_closed = now - std::max(carried, used_) >= idle;
    if (was_closed) close("idle");
  }
  const Duration idle = now - used_;
  return state_ == State::kIdle && carrier_ == nullptr &&
         (was_closed || idle >= kForget || (is_forgettable_ && idle >= kForgetFailure));
}

Time S2sRoute::used() const { return out_ ? std::max(used_, out_->machine.last_traffic()) : used_; }

S2sRoute::Need S2sRoute::need(Time now) const {
  if (is_asked()) return Need::kSome;
  const bool has_failed = !is_up() && (state_ == State::kIdle || state_ == State::kWaiting);
  if (has_failed) return Need::kFailed;
  return now - used() >= kIdle ? Need::kIdle : Need::kSome;
}

// --- questions

void S2sRoute::ask(const DialbackQuestion& question, uint64_t inbound) {
  if (asked_.size() >= kMaxAsked)
    return user_.answered(inbound, question, {DialbackVerdict::Kind::kError, "resource-constraint"});
  used_ = loop().now();
  asked_.push_back({question, inbound, used_});
  if (out_) {
    out_->machine.verify(question);
    return out_->arrange();
  }
  // Whoever just connected to us is likely to be reachable again.
  if (state_ == State::kWaiting) alarm_.set(std::min(alarm_.at(), failed_at_ + kFirstRetry));
  if (state_ == State::kIdle) begin_anew();
}

void S2sRoute::verified(const DialbackQuestion& question, const DialbackVerdict& verdict) {
  const auto found = std::find_if(asked_.begin(), asked_.end(),
                                  [&](const Asked& each) { return each.question.is_for(question); });
  if (found == asked_.end()) return;
  const Asked asked = std::move(*found);
  asked_.erase(found);
  user_.answered(asked.inbound, asked.question, verdict);
}

void S2sRoute::answer_asked(const std::string& condition) {
  for (const Asked& each : std::exchange(asked_, {}))
    user_.answered(each.inbound, each.question, {DialbackVerdict::Kind::kError, condition});
}

// --- Path

Path::Sent S2sRoute::send(std::string_view from, std::string_view xml) {
  if (!is_up()) return Sent::kNotUp;
  if (domain_of(from) != own_domain_) return Sent::kForeignFrom;
  if (xml.size() > site_.options.max_stanza_bytes) return Sent::kTooLarge;
  if (!is_out_up()) {
    carrier_->carry(xml);
    return Sent::kWritten;
  }
  out_->machine.send(xml);
  out_->write_soon();
  return Sent::kWritten;
}

void S2sRoute::write_soon() {
  if (is_out_up()) {
    out_->write_soon();
  } else if (carrier_ != nullptr) {
    carrier_->write_soon();
  }
}

void S2sRoute::about_to_write() { site_.user.about_to_write(*this); }

void S2sRoute::hurry(bool hurry, Time now) {
  if (!is_out_up()) return;
  out_->machine.hurry(hurry, now);
  out_->arrange();
}

bool S2sRoute::has_room() const {
  if (!is_out_up()) return carrier_ != nullptr && carrier_->has_room();
  return out_->unsent() < kMaxUnsent;
}

Time S2sRoute::proved_until() const {
  const bool is_told = is_out_up() && out_->machine.can_prove();
  return is_told ? out_->machine.proved_until() : Path::proved_until();
}

void S2sRoute::ask_for_proof(Time now) {
  if (is_out_up()) out_->machine.ask_for_proof(now);
}

Time S2sRoute::last_proof_of_life() const {
  if (is_out_up()) return out_->machine.last_proof_of_life();
  return carrier_ != nullptr ? carrier_->last_proof_of_life() : Time{};
}

std::string_view S2sRoute::state_name(State state) {
  switch (state) {
    case State::kIdle:
      return "idle";
    case State::kWaiting:
      return "waiting";
    case State::kResolving:
      return "resolving";
    case State::kConnecting:
      return "connecting";
    case State::kNegotiating:
      return "negotiating";
    case State::kUp:
      return "up";
  }
  return "";
}

StreamInfo S2sRoute::info() const {
  StreamInfo out;
  out.own_domain = own_domain_;
  out.domain = domain_;
  out.direction = "out";
  out.state = state_name(state_);
  out.reason = is_out_up() ? "" : reason_;
  out.retry_at = retry_at();
  if (state_ == State::kIdle && carrier_ != nullptr) out.reason = "their bidirectional stream is used";
  if (!out_) return out;
  const S2sOutbound& machine = out_->machine;
  out.address = machine.options().server;
  out.tls = machine.tls();
  out.authentication = machine.authentication();
  out.bidi = machine.is_bidi();
  out.management = machine.management().is_on();
  out.unacked = machine.management().unacked();
  out.stanzas_in = machine.stanzas_in();
  out.stanzas_out = machine.stanzas_out();
  out.last_traffic = machine.last_traffic();
  return out;
}

}  // namespace stox::xmpp
