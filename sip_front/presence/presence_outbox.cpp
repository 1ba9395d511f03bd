#include "sip_front/presence/presence_outbox.h"

#include <algorithm>
#include <utility>

#include "common/base/addressing.h"

namespace stox {
namespace {

constexpr Duration kLookForRoom = std::chrono::seconds(1);

// A second try would end alike: an address that the other side cannot have, a process that knows no presence.
bool is_hopeless(const pb::Outcome& outcome) {
  if (outcome.reason() == pb::UNSUPPORTED || outcome.reason() == pb::SUPERSEDED) return true;
  const uint32_t code = outcome.sip_status().code();
  return outcome.has_sip_status() && code >= 400 && code != 408 && code != 480 && code / 100 != 5;
}

}  // namespace

PresenceOutbox::PresenceOutbox(Outlet& outlet, User& user) : outlet_(outlet), user_(user) {}

// What takes each other's place, and is in order. Of states and probes the bus lets the newest win, too.
std::string PresenceOutbox::key_of(const pb::Presence& presence) {
  switch (presence.kind()) {
    case pb::Presence::STATE:
      return conversation_of_keys(presence.from(), presence.to());
    case pb::Presence::PROBE:
      return conversation_of_keys("probe " + presence.from(), presence.to());
    default:
      return conversation_key(presence.from(), presence.to());
  }
}

void PresenceOutbox::send(pb::Presence presence, Time) {
  std::string key = key_of(presence);
  const auto [found, is_new] = items_.try_emplace(key);
  if (is_new && items_.size() > kMax) {
    ++dropped_;
    items_.erase(found);
    return;
  }
  // What is under way is older, and what becomes of it matters no more.
  found->second = {std::move(presence)};
  ready_.push_back(std::move(key));
}

bool PresenceOutbox::submit(const std::string& key, Item& item, Time now) {
  pb::Envelope envelope;
  const bool is_state =
      item.presence.kind() == pb::Presence::STATE || item.presence.kind() == pb::Presence::PROBE;
  *(is_state ? envelope.mutable_sip_state() : envelope.mutable_sip_presence()) = item.presence;
  envelope.set_conversation(key);
  const auto number = outlet_.submit_presence(envelope, now + kBeginWithin, now + kEndWithin);
  if (!number) return false;
  item.number = *number;
  under_way_[*number] = key;
  return true;
}

bool PresenceOutbox::ended(uint64_t number, const pb::Outcome& outcome, Time now) {
  const auto one = under_way_.find(number);
  if (one == under_way_.end()) return false;
  const std::string key = std::move(one->second);
  under_way_.erase(one);
  const auto found = items_.find(key);
  if (found == items_.end() || found->second.number != number) return true;
  const bool is_delivered = outcome.verdict() != pb::FAILED;
  if (!is_delivered && !is_hopeless(outcome)) {
    later(key, found->second, now);
    return true;
  }
  const pb::Presence presence = std::move(found->second.presence);
  items_.erase(found);
  if (is_delivered) {
    user_.delivered(presence);
  } else {
    ++dropped_;
  }
  return true;
}

void PresenceOutbox::later(const std::string& key, Item& item, Time now) {
  item.number = 0;
  item.back_off = std::clamp(2 * item.back_off, kFirstRetry, kLongestRetry);
  again_.add(now + item.back_off, key);
}

Time PresenceOutbox::turn(Time now) {
  while (const auto key = again_.pop_due(now)) ready_.push_back(*key);
  while (now >= no_room_until_ && under_way_.size() < kMaxUnderWay && !ready_.empty()) {
    const std::string key = ready_.front();
    const auto found = items_.find(key);
    // Twice in the queue if a newer one took its place.
    if (found != items_.end() && found->second.number == 0 && !submit(key, found->second, now)) {
      no_room_until_ = now + kLookForRoom;
      break;
    }
    ready_.pop_front();
  }
  return ready_.empty() ? again_.next()
                        : std::min(again_.next(), std::max(no_room_until_, now + kLookForRoom));
}

}  // namespace stox
