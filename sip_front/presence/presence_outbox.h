// What a front says to XMPP users about presence, until it is there: of two things that take each other's
// place only the newer one, again when the bus or XMPP could not take it, and never so much at once that
// messages find no room. XMPP domains take turns, so that one that cannot be reached holds up no other. What
// is in it dies with the process.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>

#include "common/base/clock.h"
#include "common/base/deadlines.h"
#include "common/base/result.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"
#include "proto/presence.pb.h"

namespace stox {

class PresenceOutbox {
 public:
  static constexpr std::size_t kMaxUnderWay = 256;
  static constexpr std::size_t kMaxUnderWayOfDomain = 64;
  static constexpr std::size_t kMax = 200'000, kMaxOfDomain = 50'000;
  static constexpr Duration kBeginWithin = std::chrono::seconds(60), kEndWithin = std::chrono::seconds(90);
  static constexpr Duration kFirstRetry = std::chrono::seconds(1), kLongestRetry = std::chrono::seconds(60);

  class Outlet {
   public:
    virtual ~Outlet() = default;
    // As bus::Origin::submit.
    virtual Result<uint64_t> submit_presence(pb::Envelope&, Time begin_before, Time end_by) = 0;
  };
  class User {
   public:
    virtual ~User() = default;
    virtual void delivered(const pb::Presence&) = 0;
    // It is not said: XMPP will not have it.
    virtual void dropped(const pb::Presence&) = 0;
  };

  PresenceOutbox(Outlet&, User&);  // which must outlive it

  // Leaves with the next turn(). `xmpp_domain`: whom it is for; by it they take turns. A STATE takes the
  // place of one from and to the same addresses, a PROBE too, everything else that of one from and to the
  // same users.
  void send(pb::Presence, std::string xmpp_domain);
  // Of an envelope; false: it is none of its own.
  bool ended(uint64_t number, const pb::Outcome&, Time now);
  Time turn(Time now);

  std::size_t size() const { return items_.size(); }
  uint64_t dropped() const { return dropped_; }  // that cannot be said, or found no room

 private:
  struct Item {
    pb::Presence presence;
    std::string domain;
    uint64_t number = 0;  // of the envelope that is under way; 0 = none
    Duration back_off{};
    uint32_t refused = 0;   // how often, in a way that is final for most
    bool is_ready = false;  // and its key is in its domain's queue
  };
  struct Domain {
    std::size_t items = 0, under_way = 0;
    std::deque<std::string> ready;  // keys of items
    bool has_turn = false;          // and its name is in turns_
  };
  static std::string key_of(const pb::Presence&);
  bool is_given_up(Item&, const pb::Outcome&) const;
  void make_ready(const std::string& key, Item&);
  void wants_turn(const std::string& name, Domain&);
  void erase(std::unordered_map<std::string, Item>::iterator);
  void erase_if_idle(const std::string& domain);
  void no_longer_under_way(const std::string& domain);
  bool submit(const std::string& key, Item&, Time now);
  void later(const std::string& key, Item&, Time now);

  Outlet& outlet_;
  User& user_;
  std::unordered_map<std::string, Item> items_;
  struct UnderWay {
    std::string key, domain;
  };
  std::unordered_map<uint64_t, UnderWay> under_way_;  // by the number of the envelope
  std::unordered_map<std::string, Domain> domains_;   // of XMPP, that have any item or envelope
  std::deque<std::string> turns_;                     // of them, those that have something to say and may
  Deadlines<std::string> again_;
  Time no_room_until_{};
  uint64_t dropped_ = 0;
};

}  // namespace stox
