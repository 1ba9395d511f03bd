// What rooms have said to phones lately. A worker that asks a room what was said while another one died does
// not know what that one had in hand, so that a line may come twice, from both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_set>

#include "common/base/hash.h"
#include "proto/message.pb.h"

namespace stox {

class KnownLines {
 public:
  static constexpr std::size_t kMax = 16'384;  // the oldest are forgotten

  // Notes one that is to be sent. True: it was, or is under way.
  bool had(const pb::SipMessage& message) {
    if (message.line() == 0) return false;
    const uint64_t key = key_of(message);
    if (!keys_.insert(key).second) return message.may_be_again();
    order_.push_back(key);
    if (order_.size() <= kMax) return false;
    keys_.erase(order_.front());
    order_.pop_front();
    return false;
  }
  // It has not arrived.
  void forget(const pb::SipMessage& message) { keys_.erase(key_of(message)); }

 private:
  static uint64_t key_of(const pb::SipMessage& message) {
    return hash64(message.request_uri(), hash64(message.from_uri(), message.line()));
  }

  std::unordered_set<uint64_t> keys_;
  std::deque<uint64_t> order_;
};

}  // namespace stox
