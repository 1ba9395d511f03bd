// Echo loops: two automatons, one on each side, that answer each other with the same words for ever. Soft
// state, bounded, lost with the process. It sees a loop only if both directions of a conversation pass one
// mapper; where several share the work, that is so for a part of the conversations.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/base/clock.h"

namespace stox::mapping {

class EchoWindow {
 public:
  static constexpr int kTurns = 20;  // in one kWindow
  static constexpr Duration kWindow = std::chrono::seconds(60);

  // Takes in one message; true: it is to be refused, because the same words went back and forth too often.
  // Words that neither side has just said begin anew. Full JIDs, in any order; `direction` is 0 or 1.
  bool is_loop(std::string_view from, std::string_view to, std::size_t direction, std::string_view text,
               Time now);

 private:
  struct Conversation {
    uint64_t key = 0;
    std::array<uint64_t, 2> said{};  // hash of the last words, by direction
    Time since{};
    int turns = 0;
    std::size_t direction = 0;  // of the last message
  };
  std::vector<Conversation> conversations_{4096};  // by hash; a newer one may take a place
};

}  // namespace stox::mapping
