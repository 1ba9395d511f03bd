#include "sip_front/presence/watchers.h"

#include <algorithm>
#include <utility>

#include "common/base/addressing.h"
#include "common/base/hash.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"

namespace stox {
namespace {

using sip::Notifier;
using Reason = sip::SubscriptionState::Reason;

constexpr Duration kTick = std::chrono::seconds(1);
constexpr uint32_t kGiveupRetryAfter = 600;
constexpr const char* kUnreachableNote = "not reachable at present";

// A user without port (whichever of ours he was written to), parameters and password; what is no SIP URI
// stays.
std::string address_of(std::string_view text, bool with_port) {
  const auto uri = parse_sip_uri(text);
  if (!uri || uri->host.empty()) return std::string(text);
  std::string out = "sip:";
  if (uri->has_user) out.append(uri->user).append("@");
  return out + host_port(uri->host, with_port ? uri->port : uint16_t{0});
}

// RFC 8048 5.2.1: there is no such user, and never will be by that name.
bool says_nobody(std::string_view condition) {
  return condition == "item-not-found" || condition == "jid-malformed" || condition == "gone";
}
// A domain that is not found has a 404, too, and may be there again.
bool says_nobody(const pb::SipStatus& status) {
  const uint32_t code = status.code();
  return !status.unresolvable() && (code == 404 || code == 410 || code == 484 || code == 604);
}

// But for the time since when it is so.
bool says_the_same(const pb::PresenceState& a, pb::PresenceState b) {
  b.set_since_s(a.since_s());
  return a.SerializeAsString() == b.SerializeAsString();
}

}  // namespace

Watchers::Watchers(std::size_t max, char domain_separator, const Clock& clock, Outlet& outlet)
    : separator_(domain_separator),
      clock_(clock),
      outlet_(outlet),
      notifier_("presence", kPidfType, max, *this) {}

// --- dialogs

sip::Notifier::Taken Watchers::subscribe(const sip::Message& request, std::string_view local_tag,
                                         std::string_view sender, std::string_view source) {
  const bool is_new = request.to.tag.empty();
  std::string watcher, presentity, key, resource;
  if (is_new) {
    if (!sip::accepts(request, kPidfType))
      return {Notifier::Kind::kRefused, {}, 406, {}, "Accept: " + std::string(kPidfType) + "\r\n"};
    watcher = address_of(sender, true);
    presentity = address_of(request.request_uri, false);
    resource = address_key(presentity);
    key = conversation_key(watcher, presentity);
  }
  Notifier::Taken taken =
      notifier_.take(request, local_tag, {resource, address_key(watcher), source}, clock_.now());
  switch (taken.kind) {
    case Notifier::Kind::kNew: {
      Pair& pair = pair_of(key, watcher, presentity);
      add(taken.id, key, pair);
      if (pair.state == State::kApproved) notifier_.activate(taken.id, clock_.now());
      if (pair.state == State::kPending) ask_to_let_in(key, pair);
      if (pair.state == State::kRefused) {
        notifier_.terminate(taken.id, Reason::kRejected, clock_.now());
      } else {
        keep(taken.id, pair);
      }
      break;
    }
    case Notifier::Kind::kRefreshed:
      if (Pair* pair = find(taken.id)) {
        if (pair->state == State::kPending) ask_to_let_in(key_of_[taken.id.slot], *pair);
        keep(taken.id, *pair);
      }
      break;
    case Notifier::Kind::kFetched:
      key_of_.resize(std::max<std::size_t>(key_of_.size(), taken.id.slot + 1));
      key_of_[taken.id.slot] = key;  // there may be no such pair
      break;
    default:
      break;
  }
  commit();  // before its 200 goes out
  return taken;
}

Result<void> Watchers::keep_in(const std::string& path) {
  auto file = std::make_unique<KeptTable>(path);
  const auto left = file->open();
  if (!left) return tl::make_unexpected(left.error());
  file_ = std::move(file);
  Time at = clock_.now();
  for (const std::string& record : *left) {
    auto one = read_kept(record, clock_);
    if (!one) continue;
    const std::string key = conversation_key(one->watcher, one->presentity);
    one->subscription.resource = address_key(one->presentity);
    const bool approved = one->subscription.active;
    Pair& pair = pair_of(key, one->watcher, one->presentity);
    if (approved) pair.state = State::kApproved;
    const sip::Id id = notifier_.restore(std::move(one->subscription), address_key(one->watcher));
    add(id, key, pair);
    keep(id, pair);  // with its higher CSeq, for who comes after us
    if (pair.ask_at == kNever) ask_at(key, pair, at += kApart);
  }
  commit();
  return {};
}

Watchers::Pair& Watchers::pair_of(const std::string& key, std::string_view watcher,
                                  std::string_view presentity) {
  const auto [found, is_new] = pairs_.try_emplace(key);
  Pair& pair = found->second;
  if (!is_new) return pair;
  pair.watcher = watcher;
  pair.presentity = presentity;
  pair.domain = xmpp_domain_in(address_key(presentity), separator_);
  pair.since_us = clock_.wall_us();
  Domain& domain = domains_[pair.domain];
  if (domain.pairs.empty()) look_at_domain(pair.domain, domain);
  domain.pairs.insert(key);
  return pair;
}

void Watchers::add(sip::Id id, const std::string& key, Pair& pair) {
  key_of_.resize(std::max<std::size_t>(key_of_.size(), id.slot + 1));
  key_of_[id.slot] = key;
  pair.subscriptions.push_back(id);
  if (pair.give_up_at == kNever && !domains_[pair.domain].reach.there) give_up_later(key, pair);
}

void Watchers::give_up_later(const std::string& key, Pair& pair) {
  if (pair.state != State::kPending) return;
  pair.give_up_at = clock_.now() + kGivenUp;
  set_alarm(key, pair);
}

Watchers::Pair* Watchers::find(sip::Id id) {
  const auto found = id.slot < key_of_.size() ? pairs_.find(key_of_[id.slot]) : pairs_.end();
  return found == pairs_.end() ? nullptr : &found->second;
}

void Watchers::gone(sip::Id id, std::string_view) {
  const auto found = pairs_.find(key_of_[id.slot]);
  key_of_[id.slot].clear();
  if (file_) file_->remove(id.number());
  if (found == pairs_.end()) return;
  std::erase(found->second.subscriptions, id);
  erase_if_idle(found);
}

// Nobody watches, and there is no refusal to be remembered: what XMPP has in its roster is asked for anew
// then.
void Watchers::erase_if_idle(Pairs::iterator at) {
  Pair& pair = at->second;
  if (!pair.subscriptions.empty()) return;
  if (pair.state == State::kRefused && pair.forget_at > clock_.now()) return set_alarm(at->first, pair);
  if (pair.state == State::kRefused) --refused_;
  by_number_.erase(pair.under_way);
  alarms_.set(at->first, pair.wake_at, kNever);
  const auto domain = domains_.find(pair.domain);
  domain->second.pairs.erase(at->first);
  if (domain->second.pairs.empty()) domains_.erase(domain);
  pairs_.erase(at);
}

void Watchers::keep(sip::Id id, const Pair& pair) {
  if (file_)
    file_->put(id.number(), write_kept({*notifier_.find(id), pair.watcher, pair.presentity}, clock_));
}

void Watchers::commit() {
  if (!file_ || clock_.now() < keep_again_at_) return;
  const auto done = file_->commit();
  if (!done && keep_again_at_ == Time()) outlet_.not_kept(done.error().text);
  keep_again_at_ = done ? Time() : clock_.now() + kTick;
}

std::string Watchers::body_of(sip::Id id, sip::Occasion occasion) {
  const Pair* pair = find(id);
  std::string entity =
      pair != nullptr ? pair->presentity : address_of(notifier_.find(id)->dialog.local_uri, false);
  if (pair == nullptr || pair->state != State::kApproved || occasion == sip::Occasion::kUnsubscribed)
    return write_pidf(entity, {});
  std::vector<Device> devices;
  if (pair->unreachable) {
    devices.push_back({entity, {}});
    devices.back().state.add_notes()->set_text(kUnreachableNote);
  } else if (pair->known) {
    for (const Seen& seen : pair->devices) devices.push_back(seen.device);
  } else if (occasion == sip::Occasion::kState) {
    return {};
  }
  return write_pidf(entity, devices);
}

// --- what XMPP says

bool Watchers::take(const pb::Presence& presence) {
  const auto found = pairs_.find(conversation_key(presence.to(), address_of(presence.from(), false)));
  if (found == pairs_.end()) return false;
  switch (presence.kind()) {
    case pb::Presence::SUBSCRIBED:
      approve(found);
      break;
    case pb::Presence::UNSUBSCRIBED:
      refuse(found);
      break;
    case pb::Presence::FAILED:
      failed(found, presence.condition(), presence.text());
      break;
    case pb::Presence::STATE:
      take_state(found, presence);
      break;
    default:
      return false;
  }
  commit();
  return true;
}

void Watchers::approve(Pairs::iterator at) {
  Pair& pair = at->second;
  if (pair.state == State::kApproved) return;
  if (pair.state == State::kRefused) {
    --refused_;
    pair.forget_at = kNever;
    pair.state = State::kPending;
    if (pair.subscriptions.empty()) return erase_if_idle(at);
  }
  pair.state = State::kApproved;
  pair.since_us = clock_.wall_us();
  pair.back_off = Duration{0};
  pair.error.clear();
  for (const sip::Id id : pair.subscriptions) {
    notifier_.activate(id, clock_.now());
    keep(id, pair);
  }
  ask_at(at->first, pair, clock_.now());  // in which state he is
}

void Watchers::refuse(Pairs::iterator at) {
  Pair& pair = at->second;
  if (pair.state == State::kRefused) return;
  pair.since_us = clock_.wall_us();
  pair.devices.clear();
  pair.known = false;
  pair.ask_at = pair.silent_at = kNever;
  if (refused_ < kMaxRefused) {
    ++refused_;
    pair.state = State::kRefused;
    pair.forget_at = clock_.now() + kRefusedFor;
  }
  set_alarm(at->first, pair);
  terminate_all(pair, Reason::kRejected);
}

// They go in the next turn(), one by one.
void Watchers::terminate_all(Pair& pair, Reason reason, uint32_t retry_after_s) {
  for (const sip::Id id : pair.subscriptions) notifier_.terminate(id, reason, clock_.now(), retry_after_s);
}

void Watchers::failed(Pairs::iterator at, std::string_view condition, std::string_view text) {
  Pair& pair = at->second;
  if (pair.state == State::kRefused) return;
  std::string error(condition);
  if (!text.empty()) error.append(": ").append(text);
  if (pair.state == State::kPending && says_nobody(condition)) {
    pair.ask_at = kNever;
    return terminate_all(pair, Reason::kNoresource);
  }
  try_again(at->first, pair, std::move(error));
}

void Watchers::take_state(Pairs::iterator at, const pb::Presence& presence) {
  Pair& pair = at->second;
  // COMPAT(Prosody 0.12): acknowledges `subscribe` by `unavailable`.
  if (pair.state == State::kRefused || (pair.state == State::kPending && !presence.state().available()))
    return;
  approve(at);
  const bool is_first = !pair.known || pair.unreachable;
  pair.known = true;
  pair.unreachable = false;
  pair.back_off = Duration{0};
  pair.error.clear();
  if (update(pair, presence) || is_first) tell(pair);
}

// Whether that is news.
bool Watchers::update(Pair& pair, const pb::Presence& presence) {
  const std::string& address = presence.from();
  const auto at = std::find_if(pair.devices.begin(), pair.devices.end(),
                               [&](const Seen& seen) { return seen.device.address == address; });
  const bool is_known = at != pair.devices.end();
  if (!presence.state().available()) {
    const auto uri = parse_sip_uri(address);
    if (uri && !uri->param("gr")) return !std::exchange(pair.devices, {}).empty();  // all of them
    if (is_known) pair.devices.erase(at);
    return is_known;
  }
  pb::PresenceState state = presence.state();
  if (state.since_s() == 0) state.set_since_s(clock_.wall_us() / 1'000'000);
  if (is_known && says_the_same(at->device.state, state)) {
    at->at = clock_.now();
    return false;
  }
  if (is_known) pair.devices.erase(at);
  pair.devices.push_back({{address, std::move(state)}, clock_.now()});
  if (pair.devices.size() > kMaxDevices) pair.devices.erase(pair.devices.begin());
  return true;
}

void Watchers::tell(Pair& pair) {
  for (const sip::Id id : pair.subscriptions) notifier_.notify(id, clock_.now());
}

// Who has not said a word since the probe is not there (any more).
void Watchers::silence(Pair& pair) {
  pair.silent_at = kNever;
  const bool is_first = !pair.known || pair.unreachable;
  pair.known = true;
  pair.unreachable = false;
  pair.back_off = Duration{0};
  const auto left = std::erase_if(pair.devices, [&](const Seen& seen) { return seen.at < pair.probed; });
  if (left > 0 || is_first) tell(pair);
}

// --- what XMPP is asked

void Watchers::ask_at(const std::string& key, Pair& pair, Time at) {
  pair.ask_at = at;
  set_alarm(key, pair);
}

void Watchers::ask_to_let_in(const std::string& key, Pair& pair) {
  if (pair.ask_at != kNever || pair.under_way != 0) return;
  if (pair.asked == Time::min() || clock_.now() >= pair.asked + kAskedAgain) ask_at(key, pair, clock_.now());
}

void Watchers::ask(const std::string& key, Pair& pair) {
  pair.ask_at = kNever;
  if (pair.state == State::kRefused || pair.subscriptions.empty()) return;
  if (!domains_[pair.domain].reach.there) return;  // asked when it is
  if (by_number_.size() >= kMaxUnderWay) return ask_at(key, pair, clock_.now() + kTick);
  const bool probes = pair.state == State::kApproved;
  pb::Envelope envelope;
  pb::Presence& presence = probes ? *envelope.mutable_sip_state() : *envelope.mutable_sip_presence();
  presence.set_kind(probes ? pb::Presence::PROBE : pb::Presence::SUBSCRIBE);
  presence.set_from(pair.watcher);
  presence.set_to(pair.presentity);
  std::string conversation = is_utf8(key) ? key : to_hex(key);
  // No state may take the place of a probe, nor the other way round.
  envelope.set_conversation(probes ? conversation.append(" probe") : conversation);
  const auto number = outlet_.submit(envelope);
  if (!number) return try_again(key, pair, number.error().text);
  pair.under_way = *number;
  by_number_[*number] = key;
  pair.probing = probes;
  (probes ? pair.probed : pair.asked) = clock_.now();
}

void Watchers::try_again(const std::string& key, Pair& pair, std::string error) {
  pair.error = one_line(error, 200);
  const Time now = clock_.now();
  // However often it fails meanwhile.
  if (pair.ask_at != kNever && pair.ask_at > now) return;
  pair.back_off = std::clamp(pair.back_off * 2, kFirstRetry, kLastRetry);
  const auto jitter =
      Duration(static_cast<int64_t>(hash64(key) % static_cast<uint64_t>(pair.back_off.count() / 4)));
  ask_at(key, pair, now + pair.back_off + jitter);
}

bool Watchers::ended(uint64_t number, const pb::Outcome& outcome) {
  const auto by_number = by_number_.find(number);
  if (by_number == by_number_.end()) return false;
  const std::string key = std::move(by_number->second);
  by_number_.erase(by_number);
  const auto found = pairs_.find(key);
  if (found == pairs_.end()) return true;
  Pair& pair = found->second;
  pair.under_way = 0;
  if (outcome.verdict() == pb::FAILED && outcome.reason() != pb::SUPERSEDED) {
    const std::string why = outcome.text().empty() ? pb::Reason_Name(outcome.reason()) : outcome.text();
    const bool is_nobody = outcome.reason() == pb::NOT_GIVEN && says_nobody(outcome.sip_status());
    failed(found, is_nobody ? "item-not-found" : "", why);
  } else if (pair.state == State::kApproved && pair.probing) {
    pair.silent_at = clock_.now() + (pair.devices.empty() ? kSilence : kLongerSilence);
  }
  set_alarm(key, pair);
  return true;
}

// --- time, and the way to XMPP

void Watchers::members_changed() { look_at_domains(); }

void Watchers::look_at_domains() {
  for (auto& [name, domain] : domains_) look_at_domain(name, domain);
}

void Watchers::look_at_domain(const std::string& name, Domain& domain) {
  const Time now = clock_.now();
  const XmppReach before = std::exchange(domain.reach, outlet_.reach(name));
  if (!domain.reach.there) return look_at_gone(domain);
  const bool is_back = domain.gone_at != kNever || domain.reach.has_more_than(before);
  domain.gone_at = kNever;
  domain.told = false;
  if (!is_back) return;
  // Servers do not say again what was lost on the way to us.
  Time at = now;
  for (const std::string& key : domain.pairs) {
    Pair& pair = pairs_.at(key);
    const bool may_ask =
        pair.asked == Time::min() || pair.back_off > Duration{0} || now >= pair.asked + kAskedAgain;
    pair.back_off = Duration{0};
    if (pair.state == State::kApproved || (pair.state == State::kPending && may_ask))
      ask_at(key, pair, at += kApart);
  }
}

void Watchers::look_at_gone(Domain& domain) {
  const Time now = clock_.now();
  if (domain.gone_at == kNever) {
    domain.gone_at = now;
    for (const std::string& key : domain.pairs) give_up_later(key, pairs_.at(key));
  }
  look_at_domains_at_ = std::min(look_at_domains_at_, now + kTick);
  if (now - domain.gone_at >= kUnreachable && !std::exchange(domain.told, true)) {
    for (const std::string& key : domain.pairs) {
      Pair& pair = pairs_.at(key);
      if (pair.state != State::kApproved) continue;
      pair.unreachable = true;
      tell(pair);
    }
  }
}

void Watchers::set_alarm(const std::string& key, Pair& pair) {
  const Time ask_at = pair.under_way == 0 ? pair.ask_at : kNever;
  const Time forget_at = pair.subscriptions.empty() ? pair.forget_at : kNever;
  alarms_.set(key, pair.wake_at, std::min({ask_at, pair.silent_at, pair.give_up_at, forget_at}));
}

void Watchers::look_at(Pairs::iterator at) {
  const Time now = clock_.now();
  Pair& pair = at->second;
  pair.wake_at = kNever;
  if (pair.ask_at <= now && pair.under_way == 0) ask(at->first, pair);
  if (pair.silent_at <= now) silence(pair);
  if (pair.give_up_at <= now) {
    pair.give_up_at = kNever;
    const Time gone_at = domains_[pair.domain].gone_at;
    if (pair.state == State::kPending && gone_at != kNever && now - gone_at >= kGivenUp)
      terminate_all(pair, Reason::kGiveup, kGiveupRetryAfter);
  }
  if (pair.forget_at <= now && pair.subscriptions.empty()) return erase_if_idle(at);
  set_alarm(at->first, pair);
}

Time Watchers::turn() {
  const Time now = clock_.now();
  if (look_at_domains_at_ <= now) {
    look_at_domains_at_ = kNever;
    look_at_domains();
  }
  while (const auto key = alarms_.pop_due(now)) look_at(pairs_.find(*key));
  const Time next = notifier_.turn(now);
  commit();
  return std::min({next, alarms_.next(), look_at_domains_at_});
}

std::vector<Watchers::Listed> Watchers::list(std::string_view address, std::size_t max) const {
  std::vector<Listed> out;
  const std::string of = address_key(address);
  for (const auto& [key, pair] : pairs_) {
    if (out.size() >= max) break;
    if (!is_of(pair, of)) continue;
    Time expires = Time::min();
    for (const sip::Id id : pair.subscriptions) {
      if (const sip::Subscription* one = notifier_.find(id)) expires = std::max(expires, one->expires);
    }
    const int64_t expires_us =
        expires == Time::min() ? 0 : clock_.wall_us() + (expires - clock_.now()).count();
    out.push_back({pair.watcher, pair.presentity, kStates.at(static_cast<std::size_t>(pair.state)),
                   pair.since_us, expires_us, pair.error});
  }
  return out;
}

bool Watchers::is_of(const Pair& pair, std::string_view key) {
  return key.empty() || address_key(pair.watcher) == key || address_key(pair.presentity) == key;
}

std::size_t Watchers::forget(std::string_view address) {
  const std::string of = address_key(address);
  std::size_t forgotten = 0;
  for (auto at = pairs_.begin(); at != pairs_.end();) {
    const auto one = at++;
    Pair& pair = one->second;
    if (!is_of(pair, of)) continue;
    ++forgotten;
    if (pair.state == State::kRefused) --refused_;
    pair.state = State::kPending;
    pair.asked = Time::min();
    pair.ask_at = pair.silent_at = pair.forget_at = kNever;
    pair.known = false;
    pair.devices.clear();
    set_alarm(one->first, pair);
    terminate_all(pair, Reason::kDeactivated);
    erase_if_idle(one);
  }
  return forgotten;
}

void Watchers::add_metrics(std::vector<service::Metric>& out) const {
  using Kind = service::Metric::Kind;
  std::array<std::size_t, kStates.size()> counts{};
  for (const auto& [key, pair] : pairs_) ++counts.at(static_cast<std::size_t>(pair.state));
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    out.push_back({Kind::kGauge,
                   "stox_presence_watchers",
                   "SIP users who watch an XMPP user, pairs, by what the XMPP user says",
                   static_cast<double>(counts.at(i)),
                   {{"state", kStates.at(i)}}});
  }
  out.push_back({Kind::kGauge,
                 "stox_presence_subscriptions",
                 "Subscriptions of SIP users to XMPP users",
                 static_cast<double>(notifier_.size()),
                 {}});
}

}  // namespace stox
