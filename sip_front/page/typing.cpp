#include "sip_front/page/typing.h"

#include "common/base/addressing.h"

namespace stox {

bool Typing::take(const pb::SipMessage& message, Time now) {
  std::string key = conversation_key(message.from_uri(), message.request_uri());
  const auto known = active_.find(key);
  if (message.typing() != pb::SipMessage::ACTIVE) {
    if (known == active_.end()) return false;
    active_.erase(known);
    return true;
  }
  if (known != active_.end()) {
    known->second.since = now;
    return false;
  }
  if (active_.size() < kMax && due_.size() < 4 * kMax) {  // else it ends by itself at the peer
    active_[key] = {message, now, now};
    due_.add(now + kAgainAfter, std::move(key));
  }
  return true;
}

void Typing::forget(const pb::SipMessage& message) {
  if (!active_.empty()) active_.erase(conversation_key(message.from_uri(), message.request_uri()));
}

std::optional<pb::SipMessage> Typing::due(Time now) {
  while (auto key = due_.pop_due(now)) {
    const auto found = active_.find(*key);
    if (found == active_.end() || now < found->second.told + kAgainAfter) continue;
    Active& active = found->second;
    if (now >= active.since + kLongest) {
      active_.erase(found);
      continue;
    }
    active.told = now;
    due_.add(now + kAgainAfter, std::move(*key));
    return active.message;
  }
  return std::nullopt;
}

}  // namespace stox
