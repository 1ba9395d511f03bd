#include "mapper/mapping/page/echo.h"

#include <algorithm>

#include "common/base/hash.h"

namespace stox::mapping {

bool EchoWindow::is_loop(std::string_view from, std::string_view to, std::size_t direction,
                         std::string_view text, Time now) {
  // Where to look: the sum is the same for both orders, and clients answer with a resource of their own.
  const uint64_t key = hash64(from.substr(0, from.find('/'))) + hash64(to.substr(0, to.find('/')));
  Conversation& conversation = conversations_[key % conversations_.size()];
  Side& own = conversation.sides[direction];
  const Side& other = conversation.sides[1 - direction];
  const Duration since = now - conversation.last;
  const bool same_people =
      conversation.key == key && (own.from.empty() || (own.from == from && own.to == to));
  const bool same_words =
      !text.empty() && text.size() <= kMaxText && (text == own.text || text == other.text);
  const bool in_turn = conversation.direction != direction;
  if (!same_people || !same_words || since >= kPause) {
    conversation.turns = 0;
  } else if (in_turn && since <= kAtOnce) {
    ++conversation.turns;
  }
  if (conversation.key != key) conversation.sides = {};
  conversation.key = key;
  conversation.last = now;
  conversation.direction = direction;
  own.from = from;
  own.to = to;
  own.text = text.substr(0, text.size() <= kMaxText ? text.size() : 0);
  return in_turn && conversation.turns >= kTurns;
}

}  // namespace stox::mapping
