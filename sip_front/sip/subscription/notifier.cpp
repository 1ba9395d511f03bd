#include "sip_front/sip/subscription/notifier.h"

#include <algorithm>
#include <utility>

#include "sip_front/sip/message/header_value.h"

namespace stox::sip {
namespace {

using Reason = SubscriptionState::Reason;

constexpr uint32_t kFullRetryAfter = 60;
constexpr uint32_t kLongestRetry = 600;  // that a Retry-After of a watcher gets

// Of a NOTIFY: it ends the subscription (RFC 6665 4.2.2), as does no answer, for which 408 stands (RFC 3261
// 12.2.1.2).
bool ends_subscription(uint16_t status) { return status == 408 || ends_dialog(status); }

std::string pair_key(std::string_view subscriber, std::string_view resource) {
  return std::string(subscriber).append(1, '\n').append(resource);
}

Notifier::Taken refuse(uint16_t status, std::string lines = {}, std::string reason = {},
                       uint32_t retry_after_s = 0) {
  return {Notifier::Kind::kRefused, {}, status, std::move(reason), std::move(lines), retry_after_s};
}

}  // namespace

Notifier::Taken Notifier::take(const Message& request, std::string_view local_tag, const Asker& asker,
                               Time now) {
  const auto event = event_of(request);
  if (!event || event->package != package_)
    return refuse(489, "Allow-Events: " + std::string(package_) + "\r\n", "Bad Event");
  if (!event->id.empty() && !is_token(event->id)) return refuse(400, {}, "Bad Event id");
  const uint32_t expires_s = std::min(expires_of(request).value_or(kMaxExpires), kMaxExpires);
  if (expires_s > 0 && expires_s < kMinExpires)
    return refuse(423, "Min-Expires: " + std::to_string(kMinExpires) + "\r\n", "Interval Too Brief");
  Taken taken = request.to.tag.empty() ? begin(request, local_tag, asker, expires_s > 0)
                                       : go_on(request, *event, expires_s > 0);
  if (taken.kind == Kind::kRefused) return taken;
  taken.status = 200;
  taken.reason = "OK";
  taken.lines = record_route_lines(request) + "Expires: " + std::to_string(expires_s) + "\r\n";
  Entry& entry = *slots_.find(taken.id);
  entry.kept.expires = now + std::chrono::seconds(expires_s);
  if (expires_s == 0) {
    entry.occasion = taken.kind == Kind::kFetched ? Occasion::kFetched : Occasion::kUnsubscribed;
    terminate(taken.id, Reason::kTimeout, now);
  }
  want(taken.id, now);
  set_alarm(taken.id, entry);
  return taken;
}

Notifier::Taken Notifier::begin(const Message& request, std::string_view local_tag, const Asker& asker,
                                bool lasts) {
  auto dialog = dialog_of_request(request, local_tag);
  if (!dialog) return refuse(400, {}, "Bad Contact Or Record-Route");
  std::string pair = lasts ? pair_key(asker.subscriber, asker.resource) : std::string();
  if (const auto of_pair = of_pair_.find(pair);
      of_pair != of_pair_.end() && of_pair->second.size() >= kMaxOfPair)
    drop(of_pair->second.front(), "too many of the same subscriber");
  const auto claim = shares_.claim({asker.subscriber, asker.source});
  if (slots_.size() >= shares_.bound()) return refuse(503, {}, {}, kFullRetryAfter);
  const auto of_one = of_one_.find(std::string(asker.resource));
  if (!shares_.allows(claim, slots_.size()) || (of_one != of_one_.end() && of_one->second >= kMaxOfOne))
    return refuse(480, {}, "Too many subscriptions", kFullRetryAfter);
  Subscription kept{
      std::move(*dialog), std::string(event_of(request)->id), std::string(asker.resource), false, {}};
  return {lasts ? Kind::kNew : Kind::kFetched, add(std::move(kept), claim, std::move(pair))};
}

Notifier::Taken Notifier::go_on(const Message& request, const Event& event, bool lasts) {
  const auto found = by_tag_.find(std::string(request.to.tag));
  if (found == by_tag_.end()) return refuse(481);
  Entry& entry = *slots_.find(found->second);
  if (entry.terminated || !belongs(entry.kept.dialog, request) || event.id != entry.kept.event_id)
    return refuse(481);
  if (!take_request(entry.kept.dialog, request)) return refuse(500, {}, "CSeq Out Of Order");
  return {lasts ? Kind::kRefreshed : Kind::kUnsubscribed, found->second};
}

Id Notifier::add(Subscription kept, const Shares::Claim& claim, std::string pair) {
  const Id id = slots_.take();
  Entry& entry = slots_[id.slot];
  entry = Entry{};
  entry.kept = std::move(kept);
  entry.claim = claim;
  entry.pair = std::move(pair);
  if (!entry.pair.empty()) of_pair_[entry.pair].push_back(id);
  shares_.take(claim);
  ++of_one_[entry.kept.resource];
  by_tag_[entry.kept.dialog.local_tag] = id;
  return id;
}

Id Notifier::restore(Subscription kept, std::string_view subscriber) {
  kept.dialog.local_cseq += kCSeqJump;
  std::string pair = pair_key(subscriber, kept.resource);
  const Id id = add(std::move(kept), shares_.claim({subscriber, {}}), std::move(pair));
  set_alarm(id, *slots_.find(id));
  return id;
}

const Subscription* Notifier::find(Id id) const {
  const Entry* entry = slots_.find(id);
  return entry == nullptr ? nullptr : &entry->kept;
}

void Notifier::notify(Id id, Time now) {
  const Entry* entry = slots_.find(id);
  if (entry == nullptr || entry->terminated) return;
  want(id, entry->last_body == Time::min() ? now : std::max(now, entry->last_body + kBetween));
}

void Notifier::activate(Id id, Time now) {
  Entry* entry = slots_.find(id);
  if (entry == nullptr || entry->terminated || entry->kept.active) return;
  entry->kept.active = true;
  want(id, now);
}

void Notifier::terminate(Id id, Reason reason, Time now, uint32_t retry_after_s) {
  Entry* entry = slots_.find(id);
  if (entry == nullptr || entry->terminated) return;
  entry->terminated = true;
  entry->reason = reason;
  entry->retry_after_s = retry_after_s;
  want(id, now);
}

// The earlier wish counts: whatever goes out then is the newest.
void Notifier::want(Id id, Time at) {
  Entry& entry = *slots_.find(id);
  if (entry.wanted && entry.not_before <= at) return;
  entry.wanted = true;
  entry.not_before = at;
  set_alarm(id, entry);
}

void Notifier::set_alarm(Id id, Entry& entry) {
  const Time notify_at = entry.wanted && !entry.under_way ? entry.not_before : kNever;
  const Time expires = entry.terminated ? kNever : entry.kept.expires;
  alarms_.set(id.number(), entry.wake_at, std::min(notify_at, expires));
}

void Notifier::answered(Id id, const Message& response, Time now) {
  Entry* entry = slots_.find(id);
  if (entry == nullptr || !entry->under_way) return;
  const uint16_t status = response.status;
  if (ends_subscription(status)) return drop(id, "NOTIFY was answered " + std::to_string(status));
  entry->under_way = false;
  if (status < 300) take_response(entry->kept.dialog, response);
  if (status >= 500 && status < 600) {
    const auto after = parse_delta_seconds(response.value(HeaderName::kRetryAfter));
    const Duration rest = after ? std::chrono::seconds(std::min(*after, kLongestRetry)) : kAgain;
    entry->wanted = true;
    entry->not_before = now + rest;
  }
  set_alarm(id, *entry);
}

void Notifier::unanswered(Id id) {
  const Entry* entry = slots_.find(id);
  if (entry != nullptr && entry->under_way) drop(id, "NOTIFY was not answered");
}

void Notifier::undelivered(Id id, Time now) {
  Entry* entry = slots_.find(id);
  if (entry == nullptr || !entry->under_way) return;
  entry->under_way = false;
  entry->wanted = true;
  entry->not_before = now + kAgain;
  set_alarm(id, *entry);
}

void Notifier::used_cseq(Id id, uint32_t cseq) {
  Entry* entry = slots_.find(id);
  if (entry != nullptr) entry->kept.dialog.local_cseq = std::max(entry->kept.dialog.local_cseq, cseq);
}

Time Notifier::turn(Time now) {
  while (const auto number = alarms_.pop_due(now)) {
    const Id id = Id::of(*number);
    Entry& due = *slots_.find(id);
    due.wake_at = kNever;
    if (!due.terminated && due.kept.expires <= now) terminate(id, Reason::kTimeout, now);
    if (due.wanted && !due.under_way && due.not_before <= now) send(id, now);
    if (Entry* entry = slots_.find(id)) set_alarm(id, *entry);
  }
  return alarms_.next();
}

void Notifier::send(Id id, Time now) {
  Entry& entry = *slots_.find(id);
  Subscription& kept = entry.kept;
  lines_.assign("Event: ").append(package_);
  if (!kept.event_id.empty()) lines_.append(";id=").append(kept.event_id);
  lines_.append("\r\nSubscription-State: ");
  std::string body;
  if (entry.terminated) {
    lines_.append("terminated;reason=").append(name_of(entry.reason));
    if (entry.retry_after_s != 0) lines_.append(";retry-after=").append(std::to_string(entry.retry_after_s));
    if (entry.occasion != Occasion::kState) body = user_.body_of(id, entry.occasion);
  } else {
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(kept.expires - now).count();
    lines_.append(kept.active ? "active" : "pending").append(";expires=").append(std::to_string(left));
    if (kept.active) body = user_.body_of(id, Occasion::kState);
  }
  lines_.append("\r\n");
  ++kept.dialog.local_cseq;
  entry.wanted = false;
  entry.under_way = true;
  if (!body.empty()) entry.last_body = now;
  const bool is_last = entry.terminated;
  const std::string_view reason = name_of(entry.reason);
  user_.send_notify(id, {kept.dialog, lines_, body.empty() ? std::string_view() : type_, body});
  if (is_last && slots_.find(id) != nullptr) drop(id, reason);
}

void Notifier::drop(Id id, std::string_view why) {
  Entry& entry = *slots_.find(id);
  alarms_.set(id.number(), entry.wake_at, kNever);
  user_.gone(id, why);
  shares_.release(entry.claim);
  if (const auto of_one = of_one_.find(entry.kept.resource); --of_one->second == 0) of_one_.erase(of_one);
  if (const auto of_pair = of_pair_.find(entry.pair); of_pair != of_pair_.end()) {
    std::erase(of_pair->second, id);
    if (of_pair->second.empty()) of_pair_.erase(of_pair);
  }
  by_tag_.erase(entry.kept.dialog.local_tag);
  slots_.free(id);
}

}  // namespace stox::sip
