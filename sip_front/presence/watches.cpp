#include "sip_front/presence/watches.h"

#include <algorithm>
#include <utility>

#include "common/base/addressing.h"
#include "common/base/hash.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "sip_front/presence/device_uri.h"

namespace stox {
namespace {

using std::chrono::seconds;

constexpr const char* kNothingKnown = "no presence known";
constexpr Duration kAskedJustNow = seconds(30);
constexpr Duration kLongestRetryAfter = std::chrono::hours(24);
constexpr const char* kOnlyDevice = ";gr=sip";  // as of a document without devices of its own

enum class Meaning { kRefused, kNobody, kNoService, kLater };

// Of a final response to the first SUBSCRIBE; 0: there was none.
Meaning meaning_of(uint16_t status, uint32_t retry_after_s) {
  switch (status) {
    case 403:
    case 600:
    case 603:
      return Meaning::kRefused;
    case 404:
    case 410:
    case 484:
    case 485:
    case 604:
      return Meaning::kNobody;
    case 405:
    case 406:
    case 420:
    case 489:
    case 501:
      return Meaning::kNoService;
    case 500:
    case 503:
      return retry_after_s == 0 ? Meaning::kNoService : Meaning::kLater;
    default:
      return Meaning::kLater;
  }
}

std::string why_nobody(uint16_t status) {
  switch (status) {
    case 410:
      return "This SIP user is gone";
    case 484:
      return "This SIP address is incomplete";
    case 485:
      return "This SIP address is ambiguous";
    default:
      return "There is no such SIP user";
  }
}

// Of a state, without the time since when it holds; the last bit says whether it is available. Never that of
// a state of which it is not known whether it arrived: 0 or 1.
uint64_t mark_of(pb::PresenceState state) {
  state.clear_since_s();
  const uint64_t hash = hash64(state.SerializeAsString(), 1) | 3;
  return state.available() ? hash : hash - 1;
}

bool is_available(uint64_t mark) { return (mark & 1) != 0; }

// They are told again, whatever they are.
void doubt(std::map<std::string, uint64_t>& told) {
  for (auto& [device, mark] : told) mark &= 1;
}

bool is_pidf(std::string_view type) { return ascii_iequal(trim(type.substr(0, type.find(';'))), kPidfType); }

std::string_view host_of(std::string_view uri) {
  const auto parsed = parse_sip_uri(uri);
  return parsed ? parsed->host : std::string_view();
}

}  // namespace

Watches::Watches(const WatchOptions& options, const Clock& clock, service::Log& log, sip::Random& random,
                 sip::SubscribeSender& sender, PresenceOutbox::Outlet& outlet)
    : options_(options),
      clock_(clock),
      log_(log),
      random_(random),
      subscriber_(2 * options.max_watches, random, sender, *this),  // with those that are being ended
      outbox_(outlet, *this),
      shares_(options.max_watches),
      new_by_user_(random.next()),
      new_by_domain_(random.next()) {}

// --- the table

Watches::Watch* Watches::find(std::string_view user, std::string_view contact, uint64_t* id) {
  const auto found = by_pair_.find(conversation_key(user, contact));
  if (found == by_pair_.end()) return nullptr;
  *id = found->second;
  return &watches_.find(*id)->second;
}

Watches::Watch* Watches::of_subscription(uint64_t number, uint64_t* id) {
  const auto found = by_subscription_.find(number);
  if (found == by_subscription_.end()) return nullptr;
  *id = found->second;
  return &watches_.find(*id)->second;
}

// The subscription is no more.
Watches::Watch* Watches::without_subscription(uint64_t number, uint64_t* id, uint16_t status) {
  Watch* const w = of_subscription(number, id);
  if (w == nullptr) return nullptr;
  by_subscription_.erase(number);
  w->subscription = 0;
  w->failed = true;
  w->status = status;
  return w;
}

std::string Watches::domain_of(std::string_view user) const {
  const std::string key = address_key(user);
  const std::string_view on_xmpp = xmpp_domain_in(key, options_.domain_separator);
  return std::string(on_xmpp.empty() ? std::string_view(key).substr(key.rfind('@') + 1) : on_xmpp);
}

Watches::Watch& Watches::add(uint64_t id, std::string user, std::string contact) {
  last_id_ = std::max(last_id_, id);
  Watch& w = watches_[id];
  w.key = conversation_key(user, contact);
  w.user = std::move(user);
  w.contact = std::move(contact);
  w.heard = clock_.now();
  w.since_us = clock_.wall_us();
  by_pair_[w.key] = id;
  ++of_user_[address_key(w.user)];
  shares_.take(share_of(w.user));
  return w;
}

Watches::Watch* Watches::make(const std::string& user, const std::string& contact, uint64_t* id) {
  const Time now = clock_.now();
  const std::string key = address_key(user);
  const auto own = of_user_.find(key);
  if (watches_.size() >= options_.max_watches ||
      (own != of_user_.end() && own->second >= options_.max_watches_per_user) ||
      !shares_.allows(share_of(user), watches_.size()) ||
      !new_by_user_.take(key, options_.new_per_user, now) ||
      !new_by_domain_.take(ascii_lower(host_of(contact)), options_.new_per_domain, now)) {
    ++overloaded_;
    return nullptr;
  }
  *id = last_id_ + 1;
  Watch& w = add(*id, user, contact);
  ask(*id, w);
  return &w;
}

void Watches::erase(uint64_t id) {
  const auto found = watches_.find(id);
  stop_asking(found->second);
  alarms_.set(id, found->second.wake_at, kNever);
  by_pair_.erase(found->second.key);
  shares_.release(share_of(found->second.user));
  const auto own = of_user_.find(address_key(found->second.user));
  if (--own->second == 0) of_user_.erase(own);
  if (file_) file_->remove(id);
  watches_.erase(found);
}

Result<void> Watches::keep_in(const std::string& path) {
  auto file = std::make_unique<KeptTable>(path);
  const auto left = file->open();
  if (!left) return tl::make_unexpected(left.error());
  file_ = std::move(file);
  const Time now = clock_.now();
  const Duration spread = std::min<Duration>(kSpread, kApart * left->size());
  for (const std::string& bytes : *left) {
    pb::KeptWatch kept;
    uint64_t twin = 0;
    if (!kept.ParseFromString(bytes) || find(kept.user(), kept.contact(), &twin) != nullptr) continue;
    const Duration silent = seconds(clock_.wall_us() / 1'000'000 - kept.heard_s());
    if (silent >= kForget) continue;
    const uint64_t id = last_id_ + 1;
    Watch& w = add(id, kept.user(), kept.contact());
    w.asked = kept.asked();
    w.worked = kept.worked();
    w.heard = now - std::max(silent, Duration{0});
    for (const auto& told : kept.told()) w.arrived[told.device()] = told.mark();
    w.told = w.arrived;
    ask(id, w, now + Duration(random_.between(0, static_cast<uint32_t>(spread.count()))));
    keep(id, w);
  }
  keep_only();
  return {};
}

pb::KeptWatch Watches::record_of(const Watch& w) const {
  constexpr int64_t kDay = 86'400;
  pb::KeptWatch record;
  record.set_user(w.user);
  record.set_contact(w.contact);
  record.set_asked(w.asked || w.granting);
  record.set_worked(w.worked);
  const int64_t heard_us = clock_.wall_us() - Duration(clock_.now() - w.heard).count();
  record.set_heard_s(heard_us / 1'000'000 / kDay * kDay);
  for (const auto& [device, mark] : w.arrived) {
    auto& told = *record.add_told();
    told.set_device(device);
    told.set_mark(mark);
  }
  return record;
}

void Watches::keep(uint64_t id, Watch& w) {
  if (!file_) return;
  std::string record = record_of(w).SerializeAsString();
  const uint64_t hash = hash64(record, 1);
  if (hash != std::exchange(w.kept, hash)) file_->put(id, std::move(record));
}

// --- what XMPP says

Watches::Took Watches::take(const pb::Presence& presence) {
  const std::string user = without_device(presence.from()), contact = without_device(presence.to());
  switch (presence.kind()) {
    case pb::Presence::SUBSCRIBE:
      return subscribe(user, contact);
    case pb::Presence::UNSUBSCRIBE:
      unsubscribe(user, contact);
      return Took::kTaken;
    case pb::Presence::PROBE:
      return probe(presence, user, contact);
    case pb::Presence::STATE:
      state(presence, user, contact);
      return Took::kTaken;
    default:
      return Took::kNotMine;
  }
}

Watches::Took Watches::subscribe(const std::string& user, const std::string& contact) {
  uint64_t id = 0;
  Watch* w = find(user, contact, &id);
  const bool is_new = w == nullptr;
  if (is_new) w = make(user, contact, &id);
  if (w == nullptr) return Took::kOverloaded;
  const Time now = clock_.now();
  w->heard = now;
  w->pause_at = kNever;
  w->asked = true;
  const bool asked_just_now = now - w->tried < kAskedJustNow;
  if (w->standing == Standing::kActive) {
    grant(*w);
  } else if (w->standing == Standing::kUnsupported && asked_just_now) {
    if (options_.unsupported == WatchOptions::Unsupported::kStrict) {
      refuse(id, *w, kNothingKnown);
      return Took::kTaken;
    }
    unsupported(*w);
  } else if (w->standing == Standing::kPaused || w->standing == Standing::kUnsupported ||
             (w->standing == Standing::kWaiting && !asked_just_now)) {
    ask(id, *w);
  }
  keep(id, *w);
  return Took::kTaken;
}

void Watches::unsubscribe(const std::string& user, const std::string& contact) {
  uint64_t id = 0;
  Watch* const w = find(user, contact, &id);
  if (w != nullptr) refuse(id, *w, {});
}

Watches::Took Watches::probe(const pb::Presence& presence, const std::string& user,
                             const std::string& contact) {
  uint64_t id = 0;
  Watch* w = find(user, contact, &id);
  // That his server asks is proof that he is let see the contact, or was.
  if (w == nullptr) {
    w = make(user, contact, &id);
    if (w == nullptr) return Took::kOverloaded;
    keep(id, *w);
    return Took::kTaken;
  }
  w->heard = clock_.now();
  w->pause_at = kNever;
  const bool old = clock_.now() - w->tried >= kAskAgain;
  if (w->standing == Standing::kPaused || (w->standing == Standing::kUnsupported && old)) ask(id, *w);
  answer_probe(*w, presence.from());
  keep(id, *w);
  return Took::kTaken;
}

void Watches::answer_probe(Watch& w, const std::string& prober) {
  if (w.asked || w.granting) return;   // nobody has let him see anything
  if (!w.known) return doubt(w.told);  // what is so is told to all his devices, as soon as it is known
  for (const Device& device : w.devices) say_state(device.address, prober, device.state);
  if (w.devices.empty()) say_state(w.contact, prober, {});
}

// Which of his devices are there is known only if his presence comes to the contact.
void Watches::state(const pb::Presence& presence, const std::string& user, const std::string& contact) {
  uint64_t id = 0;
  Watch* const w = find(user, contact, &id);
  if (w == nullptr) return;
  w->heard = clock_.now();
  const std::string device(device_in(presence.from()));
  const auto left =
      std::erase_if(w->online, [&](const std::string& one) { return device.empty() || one == device; });
  if (presence.state().available()) {
    if (w->online.size() < kMaxOnline) w->online.push_back(device);
    w->pause_at = kNever;
    if (w->standing == Standing::kPaused) ask(id, *w);
  } else if (left == 0 && device.empty()) {
    // COMPAT(Prosody 0.12): so it acknowledges that the contact asks to see him, and a probe would be
    // answered by `unsubscribed`, as if he had refused.
  } else if (w->online.empty() && w->pause_at == kNever) {
    // He may have devices that we have not heard of since the start.
    say(*w, pb::Presence::PROBE);
    w->pause_at = clock_.now() + kPause;
    set_alarm(id, *w);
  }
  keep(id, *w);
}

// --- what is said to XMPP

void Watches::say(const Watch& w, pb::Presence::Kind kind, std::string text) {
  pb::Presence presence;
  presence.set_kind(kind);
  presence.set_from(w.contact);
  presence.set_to(w.user);
  presence.set_text(std::move(text));
  outbox_.send(std::move(presence), domain_of(w.user));
}

void Watches::say_state(const std::string& device, const std::string& to, const pb::PresenceState& state) {
  pb::Presence presence;
  presence.set_kind(pb::Presence::STATE);
  presence.set_from(device);
  presence.set_to(to);
  *presence.mutable_state() = state;
  outbox_.send(std::move(presence), domain_of(to));
}

void Watches::grant(Watch& w) {
  w.asked = false;
  w.granting = true;
  doubt(w.told);  // all of it follows once more
  say(w, pb::Presence::SUBSCRIBED);
}

// The difference between what is so and what was told.
void Watches::tell(Watch& w) {
  if (w.asked || w.granting || !w.known) return;
  std::map<std::string, uint64_t> before = std::exchange(w.told, {});
  for (const Device& device : w.devices) {
    const uint64_t mark = mark_of(device.state);
    w.told[device.address] = mark;
    const auto known = before.extract(device.address);
    if (known.empty() || known.mapped() != mark) say_state(device.address, w.user, device.state);
  }
  if (w.said < clock_.now() - kUnnoticed) w.gone.clear();
  for (const auto& [device, mark] : before) {
    if (!is_available(mark)) {
      w.arrived.erase(device);
      continue;
    }
    say_state(device, w.user, {});
    if (w.gone.size() < kMaxGone) w.gone.push_back(device);
  }
}

void Watches::members_changed(const std::vector<pb::Member>& members) {
  XmppReach reach = reach_of({}, members);
  const bool is_less = reach_.has_more_than(reach);
  reach_ = std::move(reach);
  if (!is_less || say_again_at_ != kNever) return;
  say_again_at_ = clock_.now() + kOnTheWay;
  say_again_since_ = clock_.now() - kUnnoticed;
}

void Watches::say_again() {
  say_again_at_ = kNever;
  for (auto& [id, w] : watches_) {
    if (w.said < say_again_since_) continue;
    for (const std::string& device : w.gone) {
      if (!w.told.contains(device)) say_state(device, w.user, {});
    }
    doubt(w.told);
    tell(w);
  }
}

void Watches::delivered(const pb::Presence& presence) {
  uint64_t id = 0;
  Watch* const w = find(presence.to(), presence.from(), &id);
  if (w == nullptr) return;
  if (presence.kind() == pb::Presence::STATE) w->said = clock_.now();
  if (presence.kind() == pb::Presence::SUBSCRIBED) {
    w->granting = false;
    tell(*w);
  } else if (presence.kind() == pb::Presence::STATE && device_in(presence.to()).empty()) {
    const bool is_gone = !w->told.contains(presence.from());
    if (is_gone) {
      w->arrived.erase(presence.from());
    } else {
      w->arrived[presence.from()] = mark_of(presence.state());
    }
  }
  keep(id, *w);
}

// He does not know that he is let in: he is owed it when he asks again.
void Watches::dropped(const pb::Presence& presence) {
  uint64_t id = 0;
  Watch* const w = find(presence.to(), presence.from(), &id);
  if (w == nullptr || presence.kind() != pb::Presence::SUBSCRIBED || !w->granting) return;
  w->granting = false;
  w->asked = true;
  keep(id, *w);
}

// The end of a watch that its user hears of.
void Watches::refuse(uint64_t id, Watch& w, std::string text) {
  for (const auto& [device, mark] : w.told) {
    if (is_available(mark)) say_state(device, w.user, {});
  }
  say(w, pb::Presence::UNSUBSCRIBED, std::move(text));
  erase(id);
}

// --- what SIP says

void Watches::ask(uint64_t id, Watch& w, Time at) {
  if (w.subscription != 0) return;
  w.try_at = kNever;
  w.tried = std::max(at, clock_.now());
  const auto number =
      subscriber_.begin({w.user, w.contact, "presence", std::string(kPidfType), kExpires}, clock_.now(), at);
  if (!number) return try_later(id, w, 0);
  w.subscription = *number;
  by_subscription_[*number] = id;
  set_standing(w, Standing::kAsking);
  set_alarm(id, w);
}

void Watches::stop_asking(Watch& w) {
  if (w.subscription == 0) return;
  by_subscription_.erase(w.subscription);
  subscriber_.end(std::exchange(w.subscription, 0), clock_.now());
}

void Watches::notified(uint64_t number, bool active, std::string_view type, std::string_view body) {
  uint64_t id = 0;
  Watch* const w = of_subscription(number, &id);
  if (w == nullptr) return;
  w->failed = false;
  if (!active) return set_standing(*w, Standing::kPending);
  set_standing(*w, Standing::kActive);
  w->worked = true;
  w->back_off = {};
  w->dark_at = kNever;
  take_document(*w, type, body);
  if (w->asked) {
    grant(*w);
  } else {
    tell(*w);
  }
  keep(id, *w);
}

void Watches::take_document(Watch& w, std::string_view type, std::string_view body) {
  std::vector<Device> devices;
  if (!body.empty()) {
    auto read = is_pidf(type) ? read_pidf(body, w.contact) : error("not " + std::string(kPidfType));
    if (!read) {
      ++unreadable_;
      log_.debug("presence of {} for {}: {}", w.contact, w.user, read.error().text);
      return;
    }
    devices = std::move(*read);
    std::stable_partition(devices.begin(), devices.end(),
                          [](const Device& each) { return each.state.available(); });
    if (devices.size() > kMaxDevices) devices.resize(kMaxDevices);
  }
  const int64_t now_s = clock_.wall_us() / 1'000'000;
  for (Device& device : devices) {
    if (device.state.since_s() != 0) continue;
    const auto same = std::find_if(w.devices.begin(), w.devices.end(), [&](const Device& before) {
      return before.address == device.address && mark_of(before.state) == mark_of(device.state);
    });
    device.state.set_since_s(same == w.devices.end() ? now_s : same->state.since_s());
  }
  w.devices = std::move(devices);
  w.known = true;
}

void Watches::interrupted(uint64_t number, Reason reason) {
  uint64_t id = 0;
  Watch* const w = of_subscription(number, &id);
  if (w == nullptr) return;
  set_standing(*w, Standing::kAsking);
  if (reason != Reason::kInvariant) darken_later(id, *w);
}

void Watches::ended(uint64_t number, Reason reason) {
  uint64_t id = 0;
  Watch* const w = without_subscription(number, &id, reason == Reason::kNoresource ? 404 : 403);
  if (w == nullptr) return;
  // What has been taken back leaves the user his contact, as a server may say it of many at once by mistake.
  if (w->asked || w->granting)
    return refuse(id, *w, reason == Reason::kNoresource ? why_nobody(404) : std::string());
  unsupported(*w);
  keep(id, *w);
}

void Watches::failed(uint64_t number, uint16_t status, uint32_t retry_after_s) {
  uint64_t id = 0;
  Watch* const w = without_subscription(number, &id, status);
  if (w == nullptr) return;
  const Meaning meaning = meaning_of(status, retry_after_s);
  if (w->asked && meaning == Meaning::kRefused) return refuse(id, *w, {});
  if (w->asked && meaning == Meaning::kNobody) return refuse(id, *w, why_nobody(status));
  if (meaning == Meaning::kLater || w->worked) {
    // Where it went well once it will again.
    try_later(id, *w, retry_after_s);
  } else if (w->asked && options_.unsupported == WatchOptions::Unsupported::kStrict) {
    return refuse(id, *w, kNothingKnown);
  } else {
    unsupported(*w);
  }
  keep(id, *w);
}

// The contact's server knows no presence, or does not tell us.
void Watches::unsupported(Watch& w) {
  using Unsupported = WatchOptions::Unsupported;
  set_standing(w, Standing::kUnsupported);
  w.dark_at = kNever;
  w.known = true;
  w.devices.clear();
  if (options_.unsupported != Unsupported::kStrict) {
    Device device{w.contact + kOnlyDevice, {}};
    device.state.set_available(options_.unsupported == Unsupported::kOnline);
    if (!device.state.available()) device.state.add_notes()->set_text(kNothingKnown);
    w.devices.push_back(std::move(device));
  }
  if (w.asked) {
    grant(w);
  } else {
    tell(w);
  }
}

void Watches::try_later(uint64_t id, Watch& w, uint32_t retry_after_s) {
  set_standing(w, Standing::kWaiting);
  w.back_off = std::clamp(2 * w.back_off, kFirstRetry, kLongestRetry);
  const auto jittered = Duration(w.back_off.count() / 100 * random_.between(75, 125));
  w.try_at =
      clock_.now() + std::max(jittered, std::min<Duration>(seconds(retry_after_s), kLongestRetryAfter));
  darken_later(id, w);
}

void Watches::darken_later(uint64_t id, Watch& w) {
  if (w.dark_at == kNever) w.dark_at = clock_.now() + kDark;
  set_alarm(id, w);
}

// The user has gone, and nobody sees what the contact's server would tell us.
void Watches::pause(Watch& w) {
  if (w.asked || w.granting || w.standing == Standing::kPending || w.standing == Standing::kUnsupported)
    return;
  stop_asking(w);
  w.try_at = w.dark_at = kNever;
  w.known = false;
  w.devices.clear();
  set_standing(w, Standing::kPaused);
}

// --- time

void Watches::set_standing(Watch& w, Standing standing) {
  if (w.standing == standing) return;
  w.standing = standing;
  w.since_us = clock_.wall_us();
}

void Watches::set_alarm(uint64_t id, Watch& w) {
  const Time at = std::min({w.try_at, w.dark_at, w.pause_at, w.heard + kForget});
  alarms_.set(id, w.wake_at, at);
}

void Watches::look_at(uint64_t id) {
  Watch& w = watches_.find(id)->second;
  const Time now = clock_.now();
  w.wake_at = kNever;
  if (now - w.heard >= kForget) return erase(id);
  if (w.dark_at <= now) {
    w.dark_at = kNever;
    w.known = true;
    w.devices.clear();
    tell(w);
  }
  if (w.pause_at <= now) {
    w.pause_at = kNever;
    pause(w);
  }
  if (w.try_at <= now) ask(id, w);
  set_alarm(id, w);
}

Time Watches::turn() {
  const Time now = clock_.now();
  if (say_again_at_ <= now) say_again();
  while (const auto id = alarms_.pop_due(now)) look_at(*id);
  const Time next = std::min(subscriber_.turn(now), outbox_.turn(now));
  keep_only();
  return std::min({next, alarms_.next(), say_again_at_});
}

Time Watches::keep_only() {
  if (!file_) return kNever;
  const auto done = file_->commit();
  if (!done && !file_failed_)
    log_.warn("{}; who watches whom may be forgotten with this process", done.error().text);
  file_failed_ = !done;
  return kNever;
}

// --- what is shown

const char* Watches::name_of(Standing standing) {
  switch (standing) {
    case Standing::kAsking:
      return "asking";
    case Standing::kPending:
      return "pending";
    case Standing::kActive:
      return "active";
    case Standing::kWaiting:
      return "waiting";
    case Standing::kUnsupported:
      return "no presence service";
    case Standing::kPaused:
      return "paused";
  }
  return "";
}

std::vector<Watches::Listed> Watches::list(std::string_view address, std::size_t max) const {
  std::vector<Listed> out;
  const std::string key = address_key(address);
  for (const auto& [id, w] : watches_) {
    if (out.size() >= max) break;
    if (!address.empty() && address_key(w.user) != key && address_key(w.contact) != key) continue;
    Listed one{w.user, w.contact, name_of(w.standing), w.since_us, kNever, {}};
    if (const auto shown = subscriber_.shown(w.subscription); shown && shown->has_dialog)
      one.expires_at = shown->expires_at;
    if (w.failed) one.error = w.status == 0 ? "no answer" : "SIP " + std::to_string(w.status);
    out.push_back(std::move(one));
  }
  return out;
}

std::size_t Watches::forget(std::string_view address) {
  std::vector<uint64_t> ids;
  const std::string key = address_key(address);
  for (const auto& [id, w] : watches_) {
    if (address.empty() || address_key(w.user) == key || address_key(w.contact) == key) ids.push_back(id);
  }
  for (const uint64_t id : ids) erase(id);
  return ids.size();
}

void Watches::add_metrics(std::vector<service::Metric>& out) const {
  using Kind = service::Metric::Kind;
  std::array<std::size_t, kStandings> counts{};
  for (const auto& [id, w] : watches_) ++counts.at(static_cast<std::size_t>(w.standing));
  for (std::size_t i = 0; i < kStandings; ++i) {
    out.push_back({Kind::kGauge,
                   "stox_presence_watches",
                   "XMPP users who watch a SIP user, pairs, by what the SIP side says",
                   static_cast<double>(counts.at(i)),
                   {{"state", name_of(static_cast<Standing>(i))}}});
  }
  const auto add = [&](Kind kind, const char* name, const char* help, auto value) {
    out.push_back({kind, name, help, static_cast<double>(value), {}});
  };
  add(Kind::kGauge, "stox_presence_waiting", "What is to be said to XMPP about presence", outbox_.size());
  add(Kind::kCounter, "stox_presence_dropped_total", "Of that what could not be said", outbox_.dropped());
  add(Kind::kCounter, "stox_presence_unreadable_total", "Presence documents that could not be read",
      unreadable_);
  add(Kind::kCounter, "stox_presence_watches_refused_total", "Watches refused at a bound", overloaded_);
}

}  // namespace stox
