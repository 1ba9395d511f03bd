// What rooms have said to phones lately. A worker that asks a room what was said while another one died does
// not know what that one had in hand, so that a line may come twice, from both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>

#include "common/base/hash.h"
#include "proto/message.pb.h"

namespace stox {

class KnownLines {
 public:
  static constexpr std::size_t kMax = 16'384;  // the oldest are forgotten

  // Notes one that is to be sent, of those to one phone each when the one before has ended. True: it was.
  bool had(const pb::SipMessage& message) {
    if (message.line() == 0) return false;
    const uint64_t key = key_of(message);
    if (!noted_.try_emplace(key, count_).second) return message.may_be_again();
    order_.push_back({key, count_++});
    if (order_.size() <= kMax) return false;
    const auto oldest = noted_.find(order_.front().key);
    if (oldest != noted_.end() && oldest->second == order_.front().count) noted_.erase(oldest);
    order_.pop_front();
    return false;
  }
  // It has not arrived.
  void forget(const pb::SipMessage& message) { noted_.erase(key_of(message)); }

 private:
  static uint64_t key_of(const pb::SipMessage& message) {
    return hash64(message.request_uri(), hash64(message.from_uri(), message.line()));
  }

  struct Noted {
    uint64_t key, count;
  };
  std::unordered_map<uint64_t, uint64_t> noted_;  // by key; which of them it was
  std::deque<Noted> order_;                       // what was forgotten, too
  uint64_t count_ = 0;
};

}  // namespace stox
