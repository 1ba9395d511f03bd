#include "sip_front/presence/presence_outbox.h"

#include <algorithm>
#include <utility>

#include "common/base/addressing.h"
#include "common/bodies/presence.h"
#include "sip_front/presence/device_uri.h"

namespace stox {
namespace {

constexpr Duration kLookForRoom = std::chrono::seconds(1);

// A second try would end alike: an address that the other side cannot have, a process that knows no presence.
bool is_hopeless(const pb::Outcome& outcome) {
  if (outcome.reason() == pb::UNSUPPORTED || outcome.reason() == pb::SUPERSEDED) return true;
  const uint32_t code = outcome.sip_status().code();
  if (outcome.sip_status().unresolvable()) return false;
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

void PresenceOutbox::send(pb::Presence presence, std::string xmpp_domain) {
  const std::string key = key_of(presence);
  const auto [found, is_new] = items_.try_emplace(key);
  if (is_new) {
    found->second.domain = std::move(xmpp_domain);
    Domain& domain = domains_[found->second.domain];
    // That somebody is let in, or not, is never lost for what others have to say.
    ++domain.items;
    if (is_of_device(presence.kind()) && (items_.size() > kMax || domain.items > kMaxOfDomain)) {
      ++dropped_;
      return erase(found);
    }
  }
  // What is under way is older, and what becomes of it matters no more.
  Item& item = found->second;
  item.presence = std::move(presence);
  item.number = 0;
  item.back_off = {};
  item.refused = 0;
  make_ready(key, item);
}

void PresenceOutbox::erase(std::unordered_map<std::string, Item>::iterator item) {
  const std::string domain = std::move(item->second.domain);
  items_.erase(item);
  --domains_[domain].items;
  erase_if_idle(domain);
}

void PresenceOutbox::erase_if_idle(const std::string& name) {
  const auto found = domains_.find(name);
  const Domain& domain = found->second;
  if (domain.items == 0 && domain.under_way == 0 && !domain.has_turn) domains_.erase(found);
}

void PresenceOutbox::make_ready(const std::string& key, Item& item) {
  if (item.is_ready) return;
  item.is_ready = true;
  Domain& domain = domains_[item.domain];
  domain.ready.push_back(key);
  wants_turn(item.domain, domain);
}

void PresenceOutbox::wants_turn(const std::string& name, Domain& domain) {
  if (domain.has_turn || domain.ready.empty() || domain.under_way >= kMaxUnderWayOfDomain) return;
  domain.has_turn = true;
  turns_.push_back(name);
}

void PresenceOutbox::no_longer_under_way(const std::string& name) {
  Domain& domain = domains_[name];
  --domain.under_way;
  wants_turn(name, domain);
  erase_if_idle(name);
}

bool PresenceOutbox::submit(const std::string& key, Item& item, Time now) {
  pb::Envelope envelope;
  *(is_of_device(item.presence.kind()) ? envelope.mutable_sip_state() : envelope.mutable_sip_presence()) =
      item.presence;
  envelope.set_conversation(key);
  const auto number = outlet_.submit_presence(envelope, now + kBeginWithin, now + kEndWithin);
  if (!number) return false;
  item.number = *number;
  ++domains_[item.domain].under_way;
  under_way_[*number] = {key, item.domain};
  return true;
}

// A state that one device has asked for it asks for again. That somebody is let in must be heard: a process
// of before, which knows no presence, is no reason to forget it.
bool PresenceOutbox::is_given_up(Item& item, const pb::Outcome& outcome) const {
  constexpr uint32_t kPatience = 60;
  const pb::Presence& presence = item.presence;
  if (presence.kind() == pb::Presence::STATE && !device_in(presence.to()).empty()) return true;
  if (!is_hopeless(outcome)) return false;
  return presence.kind() != pb::Presence::SUBSCRIBED || ++item.refused > kPatience;
}

bool PresenceOutbox::ended(uint64_t number, const pb::Outcome& outcome, Time now) {
  const auto one = under_way_.find(number);
  if (one == under_way_.end()) return false;
  const UnderWay was = std::move(one->second);
  under_way_.erase(one);
  const auto found = items_.find(was.key);
  if (found != items_.end() && found->second.number == number) {
    const bool is_delivered = outcome.verdict() != pb::FAILED;
    if (!is_delivered && !is_given_up(found->second, outcome)) {
      later(was.key, found->second, now);
    } else {
      const pb::Presence presence = found->second.presence;
      erase(found);
      if (!is_delivered) ++dropped_;
      is_delivered ? user_.delivered(presence) : user_.dropped(presence);
    }
  }
  no_longer_under_way(was.domain);
  return true;
}

void PresenceOutbox::later(const std::string& key, Item& item, Time now) {
  item.number = 0;
  item.back_off = std::clamp(2 * item.back_off, kFirstRetry, kLongestRetry);
  again_.add(now + item.back_off, key);
}

Time PresenceOutbox::turn(Time now) {
  while (const auto key = again_.pop_due(now)) {
    const auto found = items_.find(*key);
    if (found != items_.end() && found->second.number == 0) make_ready(*key, found->second);
  }
  while (now >= no_room_until_ && under_way_.size() < kMaxUnderWay && !turns_.empty()) {
    const std::string name = turns_.front();
    Domain& domain = domains_[name];
    const std::string key = domain.ready.front();
    const auto found = items_.find(key);
    // It may have been dropped since, or a newer one of its key be under way.
    const bool is_wanted = found != items_.end() && found->second.is_ready && found->second.number == 0;
    if (is_wanted && !submit(key, found->second, now)) {
      no_room_until_ = now + kLookForRoom;
      break;
    }
    if (found != items_.end()) found->second.is_ready = false;
    turns_.pop_front();
    domain.ready.pop_front();
    domain.has_turn = false;
    wants_turn(name, domain);
    erase_if_idle(name);
  }
  return turns_.empty() ? again_.next()
                        : std::min(again_.next(), std::max(no_room_until_, now + kLookForRoom));
}

}  // namespace stox
