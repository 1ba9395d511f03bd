// Echo loops: two automatons, one on each side, that answer each other for ever. Soft state, bounded, lost
// with the process. It sees a loop only if both directions of a conversation pass one mapper; where several
// share the work, that is so for a part of the conversations.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"

namespace stox::mapping {

class EchoWindow {
 public:
  static constexpr int kTurns = 20;                             // messages in turn that are a loop
  static constexpr Duration kAtOnce = std::chrono::seconds(1);  // after the one before: it counts
  static constexpr Duration kPause = std::chrono::seconds(2);   // from then on all begins anew
  static constexpr std::size_t kMaxText = 4096;                 // longer texts are no automaton's

  // Takes in one message; true: it is to be refused, as the 20 before it went in turn, each at once after the
  // one before, in the same two pairs of addresses, with words that either side had just said. Full JIDs, in
  // any order; `direction` is 0 or 1.
  bool is_loop(std::string_view from, std::string_view to, std::size_t direction, std::string_view text,
               Time now);

 private:
  struct Side {
    std::string from, to, text;  // of its last message
  };
  struct Conversation {
    uint64_t key = 0;  // of the bare addresses
    std::array<Side, 2> sides;
    Time last{};  // when the last message came
    int turns = 0;
    std::size_t direction = 0;  // of the last message
  };
  std::vector<Conversation> conversations_{1024};  // by hash; a newer one may take a place
};

}  // namespace stox::mapping
