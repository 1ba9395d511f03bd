// The subscriber's side of RFC 6665, of any event package: subscriptions that are kept alive over dialogs
// that end. Each dialog is begun with a new Call-ID and tag, made by the first NOTIFY (4.4.1), refreshed
// before it expires, and followed by a new one when the notifier ends it for a reason that passes. Free of
// I/O: requests go out by a SubscribeSender, and only from turn(); time is passed in.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/base/alarms.h"
#include "common/base/bucket.h"
#include "common/base/clock.h"
#include "sip_front/sip/dialog/dialog.h"
#include "sip_front/sip/message/message.h"
#include "sip_front/sip/message/random.h"
#include "sip_front/sip/subscription/event_header.h"

namespace stox::sip {

class SubscribeSender {
 public:
  virtual ~SubscribeSender() = default;
  struct Request {
    const Dialog& dialog;  // local_cseq is that of the request; without a remote tag it begins a dialog
    std::string_view package, accept;
    uint32_t expires_s = 0;  // 0: to end it, or to be told once
  };
  // Ends in Subscriber::responded() or no_answer() with this token, once, perhaps from inside. The request
  // lives during the call.
  virtual void subscribe(uint64_t token, const Request&) = 0;
};

// Hears what a subscription says, by its number. Calls come from Subscriber's own; beginning and ending
// subscriptions from inside is allowed.
class SubscriberUser {
 public:
  using Reason = SubscriptionState::Reason;
  virtual ~SubscriberUser() = default;
  // A NOTIFY, which has been answered; `type` and `body` are empty if it says nothing of the state, and live
  // during the call. Not active: the notifier's user has not decided yet.
  virtual void notified(uint64_t number, bool active, std::string_view type, std::string_view body) = 0;
  // The dialog has gone, and a new one is asked for by itself: soon, or when the notifier wants it. kNone: it
  // just went. kInvariant: what was notified holds.
  virtual void interrupted(uint64_t number, Reason) = 0;
  // The notifier has ended it for good (kRejected, kNoresource); the number names nothing any more.
  virtual void ended(uint64_t number, Reason) = 0;
  // No dialog could be had, nor is there one; the number names nothing any more. `status` is that of the
  // final response, 0 if none came; retry_after_s is 0 if it has none.
  virtual void failed(uint64_t number, uint16_t status, uint32_t retry_after_s) = 0;
};

class Subscriber {
 public:
  static constexpr Duration kTimerN = std::chrono::seconds(32);        // 64*T1, 4.1.2.4
  static constexpr Duration kRetryLater = std::chrono::minutes(10);    // probation without a time, and such
  static constexpr Duration kLongestRetry = std::chrono::hours(24);    // whatever the notifier asks for
  static constexpr uint32_t kRestartsPerMinute = 3;                    // new dialogs in place of old ones
  static constexpr uint32_t kMaxExpires = 86'400;                      // s, that a 423 may ask for
  static constexpr Duration kRefreshAgain = std::chrono::seconds(30);  // after the last, whatever it granted

  struct Wanted {
    std::string local_uri, remote_uri;  // addr-specs: From; To and first Request-URI
    std::string package;                // of Event, which has no id
    std::string accept;
    uint32_t expires_s = 3600;
  };

  // References must outlive it; `max`: subscriptions at a time.
  Subscriber(std::size_t max, Random&, SubscribeSender&, SubscriberUser&);

  // A new subscription, whose first SUBSCRIBE leaves at `at` (in the next turn() if that is past). Its
  // number, from 1; nothing if there are too many.
  std::optional<uint64_t> begin(Wanted, Time now, Time at = {});
  // Unsubscribes: Expires 0 within the dialog, once there is one. The user hears no more of it.
  void end(uint64_t number, Time now);

  // A NOTIFY. `answer(status)` is called once, before its user hears of it: 200; 481 for a dialog or an id
  // that is none of ours, 489 for another package, 500 when out of order, 400.
  using Answer = std::function<void(uint16_t status)>;
  void notify(const Message&, const Answer&, Time now);
  // Of a request of ours: its final response, or that none came. `cseq`: the last that was used; `status`:
  // what it is as good as, 0 = no answer.
  void responded(uint64_t token, const Message&, Time now);
  void no_answer(uint64_t token, uint32_t cseq, uint16_t status, Time now);

  // Sends what is due; returns when to call again. To be called after every other call, too.
  Time turn(Time now);

  std::size_t size() const { return subscriptions_.size(); }
  struct Shown {
    bool has_dialog = false;
    Time expires_at = kNever;  // of the dialog
    Time next_at = kNever;     // when the next SUBSCRIBE leaves; kNever: one is under way
  };
  std::optional<Shown> shown(uint64_t number) const;
  const Wanted* wanted(uint64_t number) const;  // null: there is none

 private:
  struct Subscription {
    Wanted wanted{};
    Dialog dialog{};
    bool live = false;      // a NOTIFY has made the dialog
    bool asking = false;    // a SUBSCRIBE is under way
    bool unheard = false;   // no NOTIFY has come since it was sent
    bool ending = false;    // its user wants no more of it
    bool said_end = false;  // the last SUBSCRIBE had Expires 0
    uint16_t round = 0;     // of SUBSCRIBEs: what is answered to earlier ones does not count
    Time ask_at = kNever;
    Time expires_at = kNever;
    Time notify_by = kNever;  // Timer N
    Time wake_at = kNever;    // what alarms_ has for it
    Bucket restarts;
  };
  Subscription* asked_by(uint64_t token, uint64_t* number);
  Subscription* find_by_tag(std::string_view local_tag, uint64_t* number);
  void new_dialog(uint64_t number, Subscription&);
  void set_alarm(uint64_t number, Subscription&);
  void ask(uint64_t number, Subscription&);
  void granted(Subscription&, uint32_t expires_s, Time now);
  void refused(uint64_t number, Subscription&, uint16_t status, const Message* response, Time now);
  void terminated(uint64_t number, Subscription&, const SubscriptionState&, Time now);
  void start_anew(uint64_t number, Subscription&, SubscriberUser::Reason, Time at, Time now);
  void look_at(uint64_t number, Time now);
  void erase(uint64_t number);

  std::size_t max_;
  Random& random_;
  SubscribeSender& sender_;
  SubscriberUser& user_;
  uint64_t last_number_ = 0;
  std::unordered_map<uint64_t, Subscription> subscriptions_;
  std::unordered_map<std::string, uint64_t> by_tag_;  // local tags are ours and random
  Alarms<uint64_t> alarms_;
};

}  // namespace stox::sip
