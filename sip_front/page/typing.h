// Whom SIP users see typing (RFC 3994), as far as it is told from here: once, again while it lasts, and not
// for ever. What is not told again ends by itself at the peer. Soft state, bounded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/base/clock.h"
#include "common/base/deadlines.h"
#include "proto/message.pb.h"

namespace stox {

class Typing {
 public:
  static constexpr std::size_t kMax = 4096;
  static constexpr Duration kAgainAfter = std::chrono::seconds(100);  // what was sent holds for 120 s
  static constexpr Duration kLongest = std::chrono::minutes(10);      // without a word from its user

  // A state of the sender towards the recipient; true: it is news to the recipient.
  bool take(const pb::SipMessage&, Time now);
  // The sender's message ends the state, too (RFC 3994 3.3), or the recipient does not want to know.
  void forget(const pb::SipMessage&);
  // A state that is to be told again now, one after the other.
  std::optional<pb::SipMessage> due(Time now);
  Time next() const { return due_.next(); }
  std::size_t size() const { return active_.size(); }

 private:
  struct Active {
    pb::SipMessage message;
    Time since{};  // its user said so last
    Time told{};
  };
  std::unordered_map<std::string, Active> active_;  // by conversation
  Deadlines<std::string> due_;
};

}  // namespace stox
