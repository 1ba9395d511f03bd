// What a front says to XMPP users about presence, until it is there: of two things that take each other's
// place only the newer one, again when the bus or XMPP could not take it, and never so much at once that
// messages find no room. What is in it dies with the process.
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
  static constexpr std::size_t kMax = 200'000;
  static constexpr Duration kBeginWithin = std::chrono::seconds(60), kEndWithin = std::chrono::seconds(90);
  static constexpr Duration kFirstRetry = std::chrono::seconds(1), kLongestRetry = std::chrono::seconds(60);

  class Outlet {
   public:
    virtual ~Outlet() = default;
    // As bus::Edge::submit.
    virtual Result<uint64_t> submit_presence(pb::Envelope&, Time begin_before, Time end_by) = 0;
  };
  class User {
   public:
    virtual ~User() = default;
    virtual void delivered(const pb::Presence&) = 0;
  };

  PresenceOutbox(Outlet&, User&);  // which must outlive it

  // Leaves with the next turn(). A STATE takes the place of one from and to the same addresses, a PROBE too,
  // everything else that of one from and to the same users.
  void send(pb::Presence, Time now);
  // Of an envelope; false: it is none of its own.
  bool ended(uint64_t number, const pb::Outcome&, Time now);
  Time turn(Time now);

  std::size_t size() const { return items_.size(); }
  uint64_t dropped() const { return dropped_; }  // that cannot be said, or found no room

 private:
  struct Item {
    pb::Presence presence;
    uint64_t number = 0;  // of the envelope that is under way; 0 = none
    Duration back_off{};
  };
  static std::string key_of(const pb::Presence&);
  bool submit(const std::string& key, Item&, Time now);
  void later(const std::string& key, Item&, Time now);

  Outlet& outlet_;
  User& user_;
  std::unordered_map<std::string, Item> items_;
  std::unordered_map<uint64_t, std::string> under_way_;  // their keys, by the number of the envelope
  std::deque<std::string> ready_;
  Deadlines<std::string> again_;
  Time no_room_until_{};
  uint64_t dropped_ = 0;
};

}  // namespace stox
