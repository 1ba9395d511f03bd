// XMPP users who watch SIP users: to SIP we are the subscriber of each pair (RFC 3856, RFC 6665 4.1), to XMPP
// the server of the SIP user (RFC 6121 sections 3 and 4, RFC 8048 5.2). A pair is a watch; it outlives its
// subscriptions and, in a file, the process. Nobody's contact is taken from him but by a refusal of what he
// has just asked for. Free of I/O but for that file.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/alarms.h"
#include "common/base/clock.h"
#include "common/base/shares.h"
#include "common/journal/kept_table.h"
#include "common/service/log.h"
#include "common/service/process.h"
#include "proto/control.pb.h"
#include "proto/presence.pb.h"
#include "proto/watch.pb.h"
#include "sip_front/presence/pidf.h"
#include "sip_front/presence/presence_outbox.h"
#include "sip_front/presence/xmpp_reach.h"
#include "sip_front/sip/message/random.h"
#include "sip_front/sip/policy/rate_limit.h"
#include "sip_front/sip/subscription/subscriber.h"

namespace stox {

struct WatchOptions {
  char domain_separator = '*';  // before an XMPP domain in the user part of a SIP URI
  // What a contact is whose server knows no presence: granted and offline, granted and available, refused.
  enum class Unsupported : uint8_t { kGrant, kOnline, kStrict } unsupported = Unsupported::kGrant;
  std::size_t max_watches = 100'000, max_watches_per_user = 500;
  uint32_t new_per_user = 20, new_per_domain = 200;  // a second; by user, and by domain of the SIP users
};

class Watches : private sip::SubscriberUser, private PresenceOutbox::User {
 public:
  static constexpr uint32_t kExpires = 3600;  // s, that is asked for
  // The first requests after a start: one in each kApart on average, and all of them within kSpread.
  static constexpr Duration kApart = std::chrono::milliseconds(3), kSpread = std::chrono::seconds(30);
  static constexpr Duration kDark = std::chrono::seconds(60);        // without a dialog: told as unavailable
  static constexpr Duration kFirstRetry = std::chrono::seconds(30);  // doubled each time
  static constexpr Duration kLongestRetry = std::chrono::hours(1);
  static constexpr Duration kAskAgain = std::chrono::hours(24);     // who knows no presence
  static constexpr Duration kPause = std::chrono::minutes(5);       // after the user's last device has gone
  static constexpr Duration kForget = std::chrono::hours(24 * 30);  // without a stanza of the user
  static constexpr Duration kUnnoticed = std::chrono::minutes(5);   // the death of an idle stream
  static constexpr Duration kOnTheWay = std::chrono::seconds(2);    // outcomes from before it
  static constexpr std::size_t kMaxGone = 64;
  static constexpr std::size_t kMaxOnline = 16;   // devices of a user that are counted
  static constexpr std::size_t kMaxDevices = 16;  // of a contact that are told, available ones first

  // All references must outlive it.
  Watches(const WatchOptions&, const Clock&, service::Log&, sip::Random&, sip::SubscribeSender&,
          PresenceOutbox::Outlet&);

  // Once, before anything else: goes on with what the process before us has left there. An Error in words for
  // an operator: what is watched from now on dies with the process.
  Result<void> keep_in(const std::string& path);
  void configure(const WatchOptions& options) { options_ = options; }

  enum class Took : uint8_t { kNotMine, kTaken, kOverloaded };
  // What an XMPP user says to a SIP user. It is kept when turn() has returned.
  Took take(const pb::Presence&);

  // A NOTIFY of the package, and the ends of our requests.
  void notify(const sip::Message& request, const sip::Subscriber::Answer& answer) {
    subscriber_.notify(request, answer, clock_.now());
  }
  sip::Subscriber& subscriber() { return subscriber_; }
  // Of an envelope; false: it is none of its own.
  bool ended(uint64_t number, const pb::Outcome& outcome) {
    return outbox_.ended(number, outcome, clock_.now());
  }
  // The edges of the bus, whenever they, or what they serve, have changed. What was said in a stream to XMPP
  // that broke may be lost, though the bus had it: it is said again.
  void members_changed(const std::vector<pb::Member>&);
  Time turn();
  // In its place while nothing is to be asked or said: what is so is kept.
  Time keep_only();

  struct Listed {
    std::string user, contact;  // addr-specs
    const char* state;
    int64_t since_us;   // Unix time of the state
    Time expires_at;    // of the subscription; kNever: there is none
    std::string error;  // what went wrong last; empty: nothing
  };
  // Of one user or contact, or (empty) all; at most `max`.
  std::vector<Listed> list(std::string_view address, std::size_t max) const;
  // Unsubscribes, and tells nobody: the next login of the user makes it anew. How many there were.
  std::size_t forget(std::string_view address);
  std::size_t size() const { return watches_.size(); }
  void add_metrics(std::vector<service::Metric>&) const;

 private:
  enum class Standing : uint8_t { kAsking, kPending, kActive, kWaiting, kUnsupported, kPaused };
  static constexpr std::size_t kStandings = 6;
  static const char* name_of(Standing);
  struct Watch {
    std::string key, user, contact;
    Standing standing = Standing::kAsking;
    bool asked = false;     // he is owed an answer to his `subscribe`
    bool granting = false;  // SUBSCRIBED is on its way; states follow it
    bool worked = false;    // the contact has let him see once
    bool known = false;     // `devices` is what is so; else the process has not heard yet
    uint64_t subscription = 0;
    std::vector<Device> devices;
    // By address of the device: marks of the states that were sent, and of those that have arrived.
    std::map<std::string, uint64_t> told, arrived;
    std::vector<std::string> online;  // devices of the user, as far as his presence comes to the contact
    int64_t since_us = 0;
    uint16_t status = 0;  // of the last failure; 0: no answer, or none
    bool failed = false;  // last time
    Duration back_off{};
    Time heard{}, tried{};
    Time said = Time::min();        // when the bus last had a state for him
    std::vector<std::string> gone;  // devices that he was told of as gone, of late
    Time try_at = kNever, dark_at = kNever, pause_at = kNever;
    Time wake_at = kNever;  // what alarms_ has for it
    uint64_t kept = 0;      // hash of what stands in the file
  };

  // subscriber
  void notified(uint64_t number, bool active, std::string_view type, std::string_view body) override;
  void interrupted(uint64_t number, Reason) override;
  void ended(uint64_t number, Reason) override;
  void failed(uint64_t number, uint16_t status, uint32_t retry_after_s) override;
  // outbox
  void delivered(const pb::Presence&) override;
  void dropped(const pb::Presence&) override;

  Watch* find(std::string_view user, std::string_view contact, uint64_t* id);
  Watch* of_subscription(uint64_t number, uint64_t* id);
  Watch* without_subscription(uint64_t number, uint64_t* id, uint16_t status);
  Watch* make(const std::string& user, const std::string& contact, uint64_t* id);
  std::string domain_of(std::string_view user) const;  // on XMPP
  Shares::Claim share_of(const std::string& user) const { return shares_.claim({user}, {domain_of(user)}); }
  Watch& add(uint64_t id, std::string user, std::string contact);
  Took subscribe(const std::string& user, const std::string& contact);
  void unsubscribe(const std::string& user, const std::string& contact);
  Took probe(const pb::Presence&, const std::string& user, const std::string& contact);
  void state(const pb::Presence&, const std::string& user, const std::string& contact);

  void ask(uint64_t id, Watch&, Time at = {});
  void stop_asking(Watch&);
  void take_document(Watch&, std::string_view type, std::string_view body);
  void grant(Watch&);
  void tell(Watch&);
  void say_again();
  void answer_probe(Watch&, const std::string& prober);
  void say(const Watch&, pb::Presence::Kind, std::string text = {});
  void say_state(const std::string& device, const std::string& to, const pb::PresenceState&);
  void refuse(uint64_t id, Watch&, std::string text);
  void unsupported(Watch&);
  void try_later(uint64_t id, Watch&, uint32_t retry_after_s);
  void darken_later(uint64_t id, Watch&);
  void pause(Watch&);
  void erase(uint64_t id);
  void set_standing(Watch&, Standing);
  void look_at(uint64_t id);
  void set_alarm(uint64_t id, Watch&);
  pb::KeptWatch record_of(const Watch&) const;
  void keep(uint64_t id, Watch&);

  WatchOptions options_;
  const Clock& clock_;
  service::Log& log_;
  sip::Random& random_;
  sip::Subscriber subscriber_;
  PresenceOutbox outbox_;
  std::unique_ptr<KeptTable> file_;  // null: nothing is kept
  bool file_failed_ = false;
  uint64_t last_id_ = 0;
  std::unordered_map<uint64_t, Watch> watches_;
  std::unordered_map<std::string, uint64_t> by_pair_;
  std::unordered_map<uint64_t, uint64_t> by_subscription_;
  std::unordered_map<std::string, std::size_t> of_user_;  // how many, by key
  Shares shares_;                                         // by domain of the users
  sip::RateLimit new_by_user_, new_by_domain_;
  Alarms<uint64_t> alarms_;
  XmppReach reach_;  // of any domain
  Time say_again_at_ = kNever, say_again_since_{};
  uint64_t unreadable_ = 0, overloaded_ = 0;
};

}  // namespace stox
