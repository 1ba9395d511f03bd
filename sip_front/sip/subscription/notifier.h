// The notifier of one event package (RFC 6665 4.2): a table of subscriptions, each with its dialog. It says
// what a SUBSCRIBE is answered, sends NOTIFYs, one at a time in each dialog, and ends what nobody refreshes.
// What a NOTIFY says is its user's. Free of I/O: requests, answers and time come in, NOTIFYs go out by a
// NotifierUser.
//
//   take() --> pending or active --refresh--> ...
//      |            \--terminate(), expiry--> terminated --last NOTIFY sent--> gone
//      \--Expires: 0--> terminated            any state --NOTIFY refused or unanswered--> gone
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/alarms.h"
#include "common/base/clock.h"
#include "common/base/shares.h"
#include "sip_front/sip/dialog/dialog.h"
#include "sip_front/sip/message/message.h"
#include "sip_front/sip/subscription/event_header.h"
#include "sip_front/sip/transaction/table.h"

namespace stox::sip {

// What there is to keep of one that is to outlive the process.
struct Subscription {
  Dialog dialog;
  std::string event_id;  // of its Event header; empty: none
  std::string resource;  // whom it is of, in the words of the notifier's user
  bool active = false;   // else pending
  Time expires{};
};

// A NOTIFY. The texts live during the call.
struct Notify {
  const Dialog& dialog;         // its local_cseq is that of the NOTIFY
  std::string_view lines;       // whole header lines: Event, Subscription-State
  std::string_view type, body;  // both empty: none
};

// Why a NOTIFY goes out, as far as its body depends on that.
enum class Occasion : uint8_t {
  kState,         // of an active subscription
  kFetched,       // asked for once (RFC 6665 4.4.3)
  kUnsubscribed,  // the last one, of who wants no more
};

class NotifierUser {
 public:
  virtual ~NotifierUser() = default;
  // What the NOTIFY that goes out now says; empty: nothing is known.
  virtual std::string body_of(Id, Occasion) = 0;
  // To be followed by exactly one of answered(), unanswered() and undelivered(), which may
  // come from inside.
  virtual void send_notify(Id, const Notify&) = 0;
  // It is no more, and its id means nothing after this. The reason is for people.
  virtual void gone(Id, std::string_view why) = 0;
};

class Notifier {
 public:
  static constexpr uint32_t kMinExpires = 60, kMaxExpires = 3600;  // seconds
  static constexpr std::size_t kMaxOfOne = 200;                    // subscriptions to one resource
  static constexpr std::size_t kMaxOfPair = 10;                    // of these, of one subscriber
  static constexpr Duration kBetween = std::chrono::seconds(5);    // NOTIFYs with a body (RFC 3856 6.10)
  static constexpr Duration kAgain = std::chrono::seconds(30);     // after a failure that may pass
  static constexpr uint32_t kCSeqJump = 1000;                      // see restore()

  // `package`: of Event, "presence"; `type`: Content-Type of its bodies; both constants. At most `max`
  // subscriptions, of which who subscribes has shares. The user must outlive it.
  Notifier(std::string_view package, std::string_view type, std::size_t max, NotifierUser& user)
      : package_(package), type_(type), shares_(max), user_(user) {}

  // Who asks, of a SUBSCRIBE that begins a subscription.
  struct Asker {
    std::string_view resource;    // of what
    std::string_view subscriber;  // by whom
    std::string_view source;      // from which network, if that is not trusted to speak for many; else empty
  };
  enum class Kind : uint8_t { kRefused, kNew, kRefreshed, kUnsubscribed, kFetched };
  struct Taken {
    Kind kind = Kind::kRefused;
    Id id{};  // unless refused
    // The answer, but for Contact, which the 2xx must have.
    uint16_t status = 0;
    std::string reason{};  // empty: the usual one
    std::string lines{};   // whole header lines
    uint32_t retry_after_s = 0;
  };
  // A SUBSCRIBE. `local_tag`: what the answer's To will have, if the request's has none. Sends nothing: after
  // the answer has gone out, turn() sends the NOTIFY that follows it. One that is new is pending until
  // activate() or terminate(). For one too many of the same subscriber to the same resource his oldest is
  // gone, without a NOTIFY.
  Taken take(const Message& request, std::string_view local_tag, const Asker&, Time now);

  const Subscription* find(Id) const;
  // A change of what is known: at once, or as soon as one may follow the last.
  void notify(Id, Time now);
  // The watcher is let in. Its NOTIFY waits for nothing.
  void activate(Id, Time now);
  // With its last NOTIFY, which waits for nothing but the one under way. `retry_after_s` 0: not said.
  void terminate(Id, SubscriptionState::Reason, Time now, uint32_t retry_after_s = 0);

  // Of a NOTIFY: its final response, ...
  void answered(Id, const Message& response, Time now);
  void unanswered(Id);             // ... Timer F, ...
  void undelivered(Id, Time now);  // ... or there was no way to send it. It is tried again.
  // A CSeq that its sender used up to have it answered: after a challenge, say.
  void used_cseq(Id, uint32_t cseq);

  // One of a process before us. Its local CSeq jumps by kCSeqJump: what that process sent since it was kept
  // is less. It counts, but is never refused. Nothing is sent.
  Id restore(Subscription, std::string_view subscriber);

  // Sends what is due, ends what has expired; returns when to call again.
  Time turn(Time now);
  std::size_t size() const { return slots_.size(); }

 private:
  struct Entry {
    Subscription kept;
    Shares::Claim claim;
    std::string pair;         // its key in of_pair_; empty: a fetch
    bool terminated = false;  // and its last NOTIFY is to go out
    SubscriptionState::Reason reason = SubscriptionState::Reason::kNone;
    uint32_t retry_after_s = 0;
    Occasion occasion = Occasion::kState;
    bool wanted = false;           // a NOTIFY has something to say
    bool under_way = false;        // one has gone out and is not answered
    Time not_before{};             // of the one that is wanted
    Time last_body = Time::min();  // when one with a body went out
    Time wake_at = kNever;         // what alarms_ has for it
  };

  Taken begin(const Message&, std::string_view local_tag, const Asker&, bool lasts);
  Taken go_on(const Message&, const Event&, bool lasts);
  Id add(Subscription, const Shares::Claim&, std::string pair);
  void want(Id, Time at);
  void set_alarm(Id, Entry&);
  void send(Id, Time now);
  void drop(Id, std::string_view why);

  std::string_view package_, type_;
  Shares shares_;
  NotifierUser& user_;
  Slots<Entry> slots_;
  std::unordered_map<std::string, Id> by_tag_;           // local tags, which are ours: nobody can choose them
  std::unordered_map<std::string, std::size_t> of_one_;  // by resource
  std::unordered_map<std::string, std::vector<Id>> of_pair_;  // by subscriber and resource, oldest first
  Alarms<uint64_t> alarms_;                                   // ids: expiry, and NOTIFYs that are wanted
  std::string lines_;                                         // scratch
};

}  // namespace stox::sip
