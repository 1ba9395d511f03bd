#include "mapper/mapping/echo.h"

#include <algorithm>

#include "common/base/hash.h"

namespace stox::mapping {

bool EchoWindow::is_loop(std::string_view from, std::string_view to, std::size_t direction,
                         std::string_view text, Time now) {
  // The sum is the same for both orders.
  const uint64_t key = hash64(from.substr(0, from.find('/'))) + hash64(to.substr(0, to.find('/')));
  Conversation& conversation = conversations_[key % conversations_.size()];
  if (conversation.key != key)
    conversation = {.key = key, .said = {}, .since = now, .turns = 0, .direction = direction};
  const uint64_t words = hash64(text);
  const bool repeats =
      std::find(conversation.said.begin(), conversation.said.end(), words) != conversation.said.end();
  const bool turn = conversation.direction != direction;
  if (!repeats || now - conversation.since > kWindow) {
    conversation.since = now;
    conversation.turns = 0;
  }
  conversation.turns += repeats && turn ? 1 : 0;
  conversation.said[direction] = words;
  conversation.direction = direction;
  return turn && conversation.turns > kTurns;
}

}  // namespace stox::mapping
