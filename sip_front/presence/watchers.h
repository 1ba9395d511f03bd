// SIP sees XMPP: the watchers of XMPP users (RFC 3856, RFC 8048 5.2). For each pair of a SIP user and the
// XMPP user whom he watches there is one question to XMPP, one approval, and the devices of the XMPP user;
// each dialog of the pair is a subscription of the notifier's. Addresses are SIP URIs. Nothing of it ends
// because a process ends: see kept_watcher.h. Free of I/O: requests, presence and time come in, envelopes
// and NOTIFYs go out by an Outlet.
//
//   pending --SUBSCRIBED, or an available STATE--> approved
//      \-----------UNSUBSCRIBED, from either----------> refused, remembered for 24 h
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/alarms.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/journal/kept_table.h"
#include "common/service/process.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"
#include "proto/presence.pb.h"
#include "sip_front/presence/kept_watcher.h"
#include "sip_front/presence/pidf.h"
#include "sip_front/presence/xmpp_reach.h"
#include "sip_front/sip/subscription/notifier.h"

namespace stox {

class Watchers : private sip::NotifierUser {
 public:
  static constexpr Duration kAskedAgain = std::chrono::minutes(10);     // `subscribe` of one pair
  static constexpr Duration kSilence = std::chrono::seconds(5);         // after a probe: it says "not there"
  static constexpr Duration kLongerSilence = std::chrono::seconds(30);  // of who was there before
  static constexpr Duration kRefusedFor = std::chrono::hours(24);
  static constexpr Duration kUnreachable = std::chrono::seconds(60);  // then watchers are told
  static constexpr Duration kGivenUp = std::chrono::minutes(10);      // pending ones, without a way to ask
  static constexpr Duration kFirstRetry = std::chrono::seconds(5), kLastRetry = std::chrono::minutes(10);
  static constexpr Duration kApart = std::chrono::milliseconds(5);  // questions that are asked all at once
  static constexpr std::size_t kMaxUnderWay = 256;                  // questions, so that messages find room
  static constexpr std::size_t kMaxDevices = 32;                    // of one user, that are kept
  static constexpr std::size_t kMaxRefused = 10'000;                // pairs that are remembered

  class Outlet {
   public:
    virtual ~Outlet() = default;
    // An envelope of presence: its number, which ended() will have.
    virtual Result<uint64_t> submit(pb::Envelope&) = 0;
    virtual void send_notify(sip::Id, const sip::Notify&) = 0;  // as NotifierUser
    virtual XmppReach reach(std::string_view xmpp_domain) const = 0;
    // What is kept could not be written; for an operator.
    virtual void not_kept(const std::string& /*why*/) {}
  };

  // At most `max` dialogs. `domain_separator`: before an XMPP domain in the user part of a SIP URI. All
  // references must outlive it.
  Watchers(std::size_t max, char domain_separator, const Clock&, Outlet&);

  // Once, before anything else: goes on with what the process before us has left there. An Error in words for
  // an operator: the watchers there are from now on are forgotten with the process.
  Result<void> keep_in(const std::string& path);

  // A SUBSCRIBE of `sender` (an addr-spec), from `source` if that is not trusted to speak for many. The
  // NOTIFY that follows its answer goes out in turn().
  sip::Notifier::Taken subscribe(const sip::Message&, std::string_view local_tag, std::string_view sender,
                                 std::string_view source);
  sip::Notifier& notifier() { return notifier_; }  // for the ends of NOTIFYs

  // A STATE, SUBSCRIBED, UNSUBSCRIBED or FAILED from XMPP. False: nobody here watches its sender.
  bool take(const pb::Presence&);
  // Of an envelope of its own. False: it is none.
  bool ended(uint64_t number, const pb::Outcome&);
  void members_changed();

  Time turn();

  struct Listed {
    std::string from, to;  // addr-specs: who watches whom
    const char* state;     // pending, approved, refused
    int64_t since_us;      // Unix time
    int64_t expires_us;    // Unix time; of its dialog that expires last; 0: there is none
    std::string error;     // the last one; empty: none since it last went well
  };
  // Of one watcher or presentity, or (empty) all; at most `max`.
  std::vector<Listed> list(std::string_view address, std::size_t max) const;
  // Refusals, too. Phones are told to subscribe anew, and XMPP is asked anew then. How many there were.
  std::size_t forget(std::string_view address);
  std::size_t size() const { return notifier_.size(); }
  void add_metrics(std::vector<service::Metric>&) const;

 private:
  enum class State : uint8_t { kPending, kApproved, kRefused };
  static constexpr std::array<const char*, 3> kStates = {"pending", "approved", "refused"};
  struct Seen {
    Device device;
    Time at;  // when it was last heard of
  };
  struct Pair {
    std::string watcher, presentity;  // addr-specs
    std::string domain;               // of the presentity, on XMPP; empty: not known
    State state = State::kPending;
    int64_t since_us = 0;
    std::vector<sip::Id> subscriptions;
    // What XMPP is asked: to let him in, or once that is so for the state.
    Time asked = Time::min();   // last, to let him in
    Time probed = Time::min();  // last, for the state
    Time ask_at = kNever;       // next
    Time silent_at = kNever;    // the end of the time in which a probe is answered
    Time forget_at = kNever;    // of a refusal
    Time give_up_at = kNever;   // of one that waits for an answer, while there is no way to its domain
    Time wake_at = kNever;      // what alarms_ has for it
    uint64_t under_way = 0;     // number of the envelope; 0: none
    bool probing = false;       // that is a probe
    Duration back_off{0};
    std::string error;
    // In which state the presentity is.
    bool known = false;
    bool unreachable = false;   // and the watcher has been told
    std::vector<Seen> devices;  // the available ones, the last that changed last
  };
  using Pairs = std::map<std::string, Pair>;  // by conversation_key(watcher, presentity)
  struct Domain {
    std::set<std::string> pairs;  // their keys
    XmppReach reach;
    Time gone_at = kNever;
    bool told = false;  // since then
  };

  // of the notifier
  std::string body_of(sip::Id, sip::Occasion) override;
  void send_notify(sip::Id id, const sip::Notify& notify) override { outlet_.send_notify(id, notify); }
  void gone(sip::Id, std::string_view why) override;

  static bool is_of(const Pair&, std::string_view address_key);  // empty: any
  Pair& pair_of(const std::string& key, std::string_view watcher, std::string_view presentity);
  Pair* find(sip::Id);
  void erase_if_idle(Pairs::iterator);
  void add(sip::Id, const std::string& key, Pair&);
  void keep(sip::Id, const Pair&);
  void commit();

  void approve(Pairs::iterator);
  void refuse(Pairs::iterator);
  void terminate_all(Pair&, sip::SubscriptionState::Reason, uint32_t retry_after_s = 0);
  void failed(Pairs::iterator, std::string_view condition, std::string_view text);
  void take_state(Pairs::iterator, const pb::Presence&);
  bool update(Pair&, const pb::Presence&);
  void tell(Pair&);

  void ask_at(const std::string& key, Pair&, Time);
  void ask_to_let_in(const std::string& key, Pair&);
  void ask(const std::string& key, Pair&);
  void try_again(const std::string& key, Pair&, std::string error);
  void silence(Pair&);
  void look_at(Pairs::iterator);
  void set_alarm(const std::string& key, Pair&);
  void look_at_domain(const std::string& name, Domain&);
  void look_at_gone(Domain&);
  void give_up_later(const std::string& key, Pair&);
  void look_at_domains();

  char separator_;
  const Clock& clock_;
  Outlet& outlet_;
  sip::Notifier notifier_;
  Pairs pairs_;
  std::map<std::string, Domain> domains_;
  std::vector<std::string> key_of_;  // by the slot of a subscription; empty: a fetch of who is in no pair
  std::map<uint64_t, std::string> by_number_;  // envelopes under way
  Alarms<std::string> alarms_;                 // keys of pairs
  Time look_at_domains_at_ = kNever;           // while one is gone
  std::size_t refused_ = 0;
  std::unique_ptr<KeptTable> file_;  // null: nothing is kept
  Time keep_again_at_{};             // when what could not be written is tried again
};

}  // namespace stox
