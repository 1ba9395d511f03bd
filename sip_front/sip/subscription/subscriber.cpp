#include "sip_front/sip/subscription/subscriber.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/base/text.h"
#include "sip_front/sip/message/header_value.h"

namespace stox::sip {
namespace {

using std::chrono::seconds;
using Reason = SubscriptionState::Reason;

// Early enough for a second try, and not all at once after all have begun at once.
Duration refresh_after(uint32_t expires_s, Random& random) {
  const double expires = expires_s;
  const double wait = std::max(expires / 2, std::min(expires * 0.9, expires - 35));
  const double spread = random.between(950, 1050) / 1000.0;
  return Duration(static_cast<int64_t>(wait * spread * 1e6));
}

uint32_t retry_after_of(const Message& response) {
  return parse_delta_seconds(response.value(HeaderName::kRetryAfter)).value_or(0);
}

}  // namespace

Subscriber::Subscriber(std::size_t max, Random& random, SubscribeSender& sender, SubscriberUser& user)
    : max_(max), random_(random), sender_(sender), user_(user) {}

std::optional<uint64_t> Subscriber::begin(Wanted wanted, Time now, Time at) {
  if (subscriptions_.size() >= max_) return std::nullopt;
  const uint64_t number = ++last_number_;
  Subscription& s =
      subscriptions_
          .emplace(number,
                   Subscription{.restarts = Bucket(kRestartsPerMinute, kRestartsPerMinute / 60.0, now)})
          .first->second;
  s.wanted = std::move(wanted);
  new_dialog(number, s);
  s.ask_at = std::max(at, now);
  set_alarm(number, s);
  return number;
}

void Subscriber::new_dialog(uint64_t number, Subscription& s) {
  by_tag_.erase(s.dialog.local_tag);
  s.dialog = {};
  s.dialog.call_id = random_.hex() + random_.hex();
  s.dialog.local_tag = random_.hex();
  s.dialog.local_uri = s.wanted.local_uri;
  s.dialog.remote_uri = s.dialog.remote_target = s.wanted.remote_uri;
  by_tag_[s.dialog.local_tag] = number;
  ++s.round;
  s.live = s.asking = s.unheard = s.said_end = false;
  s.expires_at = s.notify_by = kNever;
}

void Subscriber::end(uint64_t number, Time now) {
  const auto found = subscriptions_.find(number);
  if (found == subscriptions_.end()) return;
  Subscription& s = found->second;
  s.ending = true;
  if (s.live || s.asking || s.notify_by != kNever) {
    // There is a dialog, or one comes: it is ended when it is there, or forgotten with Timer N.
    if (s.live && !s.asking) s.ask_at = now;
    return set_alarm(number, s);
  }
  erase(number);
}

// --- what is due

void Subscriber::set_alarm(uint64_t number, Subscription& s) {
  const Time at = std::min({s.asking ? kNever : s.ask_at, s.expires_at, s.notify_by});
  alarms_.set(number, s.wake_at, at);
}

Time Subscriber::turn(Time now) {
  while (const auto number = alarms_.pop_due(now)) look_at(*number, now);
  return alarms_.next();
}

void Subscriber::look_at(uint64_t number, Time now) {
  Subscription& s = subscriptions_.find(number)->second;
  s.wake_at = kNever;
  if (s.notify_by <= now) {
    if (s.live && !s.ending) return start_anew(number, s, Reason::kNone, now, now);
    const bool told = !s.ending;
    erase(number);
    if (told) user_.failed(number, 0, 0);
  } else if (s.expires_at <= now) {
    if (s.ending) return erase(number);
    start_anew(number, s, Reason::kNone, now, now);
  } else if (s.ask_at <= now && !s.asking) {
    ask(number, s);
  } else {
    set_alarm(number, s);
  }
}

void Subscriber::ask(uint64_t number, Subscription& s) {
  s.ask_at = kNever;
  ++s.dialog.local_cseq;
  ++s.round;
  s.asking = s.unheard = true;
  s.said_end = s.ending;
  set_alarm(number, s);
  const uint64_t token = number << 16 | s.round;
  // Copies: the answer may come from inside, and end the subscription.
  const Dialog dialog = s.dialog;
  const std::string package = s.wanted.package, accept = s.wanted.accept;
  sender_.subscribe(token, {dialog, package, accept, s.ending ? 0 : s.wanted.expires_s});
}

// --- answers

Subscriber::Subscription* Subscriber::asked_by(uint64_t token, uint64_t* number) {
  *number = token >> 16;
  const auto found = subscriptions_.find(*number);
  if (found == subscriptions_.end()) return nullptr;
  Subscription& s = found->second;
  return s.asking && s.round == static_cast<uint16_t>(token) ? &s : nullptr;
}

void Subscriber::responded(uint64_t token, const Message& response, Time now) {
  uint64_t number = 0;
  Subscription* const s = asked_by(token, &number);
  if (s == nullptr) return;
  s->asking = false;
  // Answers to challenges count, too.
  s->dialog.local_cseq = std::max(s->dialog.local_cseq, response.cseq.number);
  if (response.status >= 300) return refused(number, *s, response.status, &response, now);
  // Without a NOTIFY to come (RFC 5839) there is nothing to wait for.
  if (s->said_end || (s->unheard && response.status != 204)) s->notify_by = now + kTimerN;
  if (s->ending) {
    if (!s->said_end && s->live) s->ask_at = now;
  } else {
    if (s->live && belongs(s->dialog, response)) take_response(s->dialog, response);
    granted(*s, expires_of(response).value_or(s->wanted.expires_s), now);
  }
  set_alarm(number, *s);
}

void Subscriber::no_answer(uint64_t token, uint32_t cseq, uint16_t status, Time now) {
  uint64_t number = 0;
  Subscription* const s = asked_by(token, &number);
  if (s == nullptr) return;
  s->asking = false;
  s->dialog.local_cseq = std::max(s->dialog.local_cseq, cseq);
  refused(number, *s, status, nullptr, now);
}

void Subscriber::granted(Subscription& s, uint32_t expires_s, Time now) {
  const uint32_t held = std::clamp(expires_s, 1u, s.wanted.expires_s);
  s.expires_at = now + seconds(held);
  // A shorter grant lapses, and new dialogs are bounded.
  if (s.live) s.ask_at = now + std::max<Duration>(refresh_after(held, random_), kRefreshAgain);
}

void Subscriber::refused(uint64_t number, Subscription& s, uint16_t status, const Message* response,
                         Time now) {
  const uint32_t retry_after_s = response == nullptr ? 0 : retry_after_of(*response);
  if (s.ending) return erase(number);
  if (status == 423 && response != nullptr) {
    const auto min = min_expires_of(*response);
    if (min && *min > s.wanted.expires_s && *min <= kMaxExpires && s.restarts.take(now)) {
      s.wanted.expires_s = *min;
      s.ask_at = now;
      return set_alarm(number, s);
    }
  }
  if (!s.live) {
    erase(number);
    return user_.failed(number, status, retry_after_s);
  }
  if (ends_dialog(status)) return start_anew(number, s, Reason::kNone, now, now);
  // The dialog goes on until it expires (RFC 6665 4.1.2.2).
  s.notify_by = kNever;
  s.ask_at = now + std::max<Duration>(kRefreshAgain, seconds(retry_after_s));
  set_alarm(number, s);
}

// --- NOTIFY

Subscriber::Subscription* Subscriber::find_by_tag(std::string_view local_tag, uint64_t* number) {
  const auto found = by_tag_.find(std::string(local_tag));
  if (found == by_tag_.end()) return nullptr;
  *number = found->second;
  return &subscriptions_.find(*number)->second;
}

void Subscriber::notify(const Message& request, const Answer& answer, Time now) {
  uint64_t number = 0;
  Subscription* const s = find_by_tag(request.to.tag, &number);
  if (s == nullptr || s->dialog.call_id != request.call_id) return answer(481);
  // Of a fork another NOTIFY has come first (RFC 3856 6.9).
  if (s->live ? s->dialog.remote_tag != request.from.tag : request.from.tag.empty()) return answer(481);
  const auto event = event_of(request);
  if (!event || event->package != s->wanted.package) return answer(489);
  if (!event->id.empty()) return answer(481);
  const auto state = subscription_state_of(request);
  if (!state) return answer(400);
  const bool is_first = !s->live;
  if (is_first) {
    auto dialog = dialog_of_notify(s->dialog, request);
    if (!dialog) return answer(400);
    s->dialog = std::move(*dialog);
    s->live = true;
  } else if (!take_request(s->dialog, request)) {
    return answer(500);
  }
  answer(200);

  s->unheard = false;
  const bool is_terminated = state->state == SubscriptionState::State::kTerminated;
  if (s->ending) {
    if (is_terminated) return erase(number);
    if (!s->said_end) s->ask_at = now;
    return set_alarm(number, *s);
  }
  s->notify_by = kNever;
  if (is_terminated) return terminated(number, *s, *state, now);
  if (state->expires_s) {
    granted(*s, *state->expires_s, now);
  } else if (s->expires_at == kNever) {
    granted(*s, s->wanted.expires_s, now);
  } else if (is_first) {
    granted(*s, static_cast<uint32_t>((s->expires_at - now) / seconds(1)), now);
  }
  set_alarm(number, *s);
  user_.notified(number, state->state == SubscriptionState::State::kActive,
                 request.body.empty() ? std::string_view() : request.value(HeaderName::kContentType),
                 request.body);
}

// RFC 6665 4.1.3
void Subscriber::terminated(uint64_t number, Subscription& s, const SubscriptionState& state, Time now) {
  const auto later = [&](Duration usual) {
    if (!state.retry_after_s) return now + usual;
    return now + std::min<Duration>(seconds(*state.retry_after_s), kLongestRetry);
  };
  switch (state.reason) {
    case Reason::kRejected:
    case Reason::kNoresource:
      erase(number);
      return user_.ended(number, state.reason);
    case Reason::kDeactivated:
    case Reason::kTimeout:
      return start_anew(number, s, state.reason, now, now);
    case Reason::kInvariant:
      return start_anew(number, s, state.reason, later(kLongestRetry), now);
    default:
      return start_anew(number, s, state.reason, later(kRetryLater), now);
  }
}

void Subscriber::start_anew(uint64_t number, Subscription& s, SubscriberUser::Reason reason, Time at,
                            Time now) {
  if (!s.restarts.take(now)) {
    const Time later = now + seconds(60 / kRestartsPerMinute);
    s.restarts.take(later);  // what there is then is for this one
    at = std::max(at, later);
  }
  new_dialog(number, s);
  s.ask_at = at;
  set_alarm(number, s);
  user_.interrupted(number, reason);
}

void Subscriber::erase(uint64_t number) {
  const auto found = subscriptions_.find(number);
  alarms_.set(number, found->second.wake_at, kNever);
  by_tag_.erase(found->second.dialog.local_tag);
  subscriptions_.erase(found);
}

std::optional<Subscriber::Shown> Subscriber::shown(uint64_t number) const {
  const auto found = subscriptions_.find(number);
  if (found == subscriptions_.end()) return std::nullopt;
  return Shown{found->second.live, found->second.expires_at, found->second.ask_at};
}

const Subscriber::Wanted* Subscriber::wanted(uint64_t number) const {
  const auto found = subscriptions_.find(number);
  return found == subscriptions_.end() ? nullptr : &found->second.wanted;
}

}  // namespace stox::sip
