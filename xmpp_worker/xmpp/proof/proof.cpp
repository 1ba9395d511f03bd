#include "xmpp_worker/xmpp/proof/proof.h"

#include <algorithm>

namespace stox::xmpp {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr unsigned kMuteAfter = 3;              // unanswered groups in a row
constexpr Duration kAskMuteEvery = minutes(1);  // a mute domain that is written to: does it still not answer?
constexpr Duration kMuteAnswer = seconds(30);
constexpr unsigned kMorePings =
    32;  // so many, and still none on some connection: there the server sends none
constexpr Duration kAskUnsureEvery = seconds(1);  // answers, too, may be lost on a connection that is no more
constexpr Duration kCleanEvery = minutes(1), kForgetAfter = minutes(60);

}  // namespace

void Proof::written(uint64_t number, std::string_view domain, Time deadline) {
  auto found = domains_.find(domain);
  if (found == domains_.end()) found = domains_.try_emplace(std::string(domain)).first;
  if (found->second.open.empty()) touched_.push_back(&*found);
  found->second.open.push_back({number, deadline});
}

void Proof::end_of_wakeup(Time now, bool sure) {
  for (Entry* each : touched_) close_group(*each, now, sure);
  touched_.clear();
}

void Proof::close_group(Entry& entry, Time now, bool sure) {
  auto& [name, domain] = entry;
  if (cleaned_ == Time{}) cleaned_ = now;
  domain.used = now;
  if (domain.is_mute) {
    settle(domain.open, Fate::kPassedOn);
    domain.open.clear();
    if (now - domain.asked < kAskMuteEvery) return;
  }
  Group group{pings_ + 1, now, spare(), !sure};
  group.members.swap(domain.open);
  Time due = now + kMuteAnswer;
  for (const Member& each : group.members) due = std::min(due, each.deadline);
  if (!group.members.empty()) ++waiting_;
  set_timer(entry, group, group.unsure ? std::min(due, now + kAskUnsureEvery) : due);
  domain.asked = now;
  domain.groups.push_back(std::move(group));
  ping(entry, false);
}

void Proof::ping(Entry& entry, bool to_any_user) {
  entry.second.last_ping = ++pings_;
  user_.write_ping(entry.first, pings_, to_any_user);
}

void Proof::set_timer(Entry& entry, const Group& group, Time at) {
  due_.add(at, {&entry, group.ping});
  ++entry.second.timers;
}

void Proof::answered(uint64_t number, std::string_view name, uint64_t connection) {
  const auto found = domains_.find(name);
  if (found == domains_.end()) return;
  Domain& domain = found->second;
  domain.unanswered = 0;
  if (domain.is_mute) --mute_;
  domain.is_mute = false;
  domain.answered = std::max(domain.answered, number);
  if (others_.empty() && connection == 0) {
    // An earlier one whose own answer has not come: it, and a refusal, may have gone by a stream that broke.
    settle_until(domain, number - 1, Fate::kUnsure);
    return settle_until(domain, number, Fate::kProved);
  }

  const auto on = std::find_if(domain.answered_on.begin(), domain.answered_on.end(),
                               [&](const auto& each) { return each.first == connection; });
  if (on == domain.answered_on.end()) {
    domain.answered_on.emplace_back(connection, number);
  } else {
    on->second = std::max(on->second, number);
  }
  settle_until(domain, covered(domain), Fate::kProved);
  settle_unsure(domain);
  if (domain.groups.empty() || domain.answered < domain.last_ping) return;
  if (++domain.more_pings > kMorePings) return settle_until(domain, domain.answered, Fate::kUnsure);
  ping(*found, true);
}

uint64_t Proof::covered(const Domain& domain) const {
  const auto on = [&](uint64_t connection) -> uint64_t {
    for (const auto& [one, ping] : domain.answered_on) {
      if (one == connection) return ping;
    }
    return 0;
  };
  uint64_t lowest = on(0);
  for (const uint64_t each : others_) lowest = std::min(lowest, on(each));
  return lowest;
}

void Proof::settle_until(Domain& domain, uint64_t ping, Fate fate) {
  while (!domain.groups.empty() && domain.groups.front().ping <= ping) {
    Group group = std::move(domain.groups.front());
    domain.groups.pop_front();
    domain.more_pings = 0;
    if (!group.members.empty()) --waiting_;
    settle(group.members, group.unsure && fate == Fate::kProved ? Fate::kUnsure : fate);
    group.members.clear();
    spares_.push_back(std::move(group.members));
  }
}

// Where a refusal may be lost, one answer says all that can be said: the server has seen the messages.
void Proof::settle_unsure(Domain& domain) {
  while (!domain.groups.empty() && domain.groups.front().unsure &&
         domain.groups.front().ping <= domain.answered) {
    settle_until(domain, domain.groups.front().ping, Fate::kUnsure);
  }
}

void Proof::set_others(std::vector<uint64_t> connections) {
  others_ = std::move(connections);
  for (auto& [name, domain] : domains_) {
    std::erase_if(domain.answered_on, [&](const auto& each) {
      return each.first != 0 && std::find(others_.begin(), others_.end(), each.first) == others_.end();
    });
  }
}

void Proof::other_lost(Time now) {
  for (Entry& entry : domains_) {
    Domain& domain = entry.second;
    for (Group& group : domain.groups) group.unsure = true;
    settle_unsure(domain);
    if (domain.groups.empty()) continue;
    ping(entry, true);
    for (const Group& group : domain.groups) set_timer(entry, group, now + kAskUnsureEvery);
  }
}

void Proof::stream_ended() {
  for (auto& [name, domain] : domains_) {
    for (Group& group : domain.groups) settle(group.members, Fate::kInDoubt);
    settle(domain.open, Fate::kInDoubt);
    domain.groups.clear();
    domain.open.clear();
  }
  touched_.clear();
  waiting_ = 0;
}

void Proof::turn(Time now) {
  while (const auto due = due_.pop_due(now)) {
    --due->first->second.timers;
    expire(*due->first, due->second, now);
  }
  if (now - cleaned_ >= kCleanEvery) forget_idle(now);
}

Time Proof::next() const { return std::min(due_.next(), domains_.empty() ? kNever : cleaned_ + kCleanEvery); }

void Proof::expire(Entry& entry, uint64_t ping, Time now) {
  auto& groups = entry.second.groups;
  const auto group = std::lower_bound(groups.begin(), groups.end(), ping,
                                      [](const Group& each, uint64_t wanted) { return each.ping < wanted; });
  if (group == groups.end() || group->ping != ping) return;  // answered meanwhile
  auto& members = group->members;
  const bool waited = !members.empty();
  const auto passed =
      std::partition(members.begin(), members.end(), [&](const Member& m) { return m.deadline > now; });
  for (auto each = passed; each != members.end(); ++each) user_.settled(each->number, Fate::kDeadline);
  members.erase(passed, members.end());
  if (!members.empty() && group->unsure) {
    this->ping(entry, true);
    return set_timer(entry, *group, now + kAskUnsureEvery);
  }
  if (!members.empty()) {
    const auto first = std::min_element(members.begin(), members.end(), [](const Member& a, const Member& b) {
      return a.deadline < b.deadline;
    });
    return set_timer(entry, *group, first->deadline);
  }
  if (waited) --waiting_;
  count_unanswered(entry.second, *group);
  groups.erase(group);
}

void Proof::count_unanswered(Domain& domain, const Group& group) {
  if (domain.is_mute || domain.answered >= group.ping || !user_.peer_answered_since(group.written)) return;
  if (++domain.unanswered < kMuteAfter) return;
  domain.is_mute = true;
  ++mute_;
}

void Proof::settle(std::vector<Member>& members, Fate fate) {
  for (const Member& each : members) user_.settled(each.number, fate);
}

std::vector<Proof::Member> Proof::spare() {
  if (spares_.empty()) return {};
  auto members = std::move(spares_.back());
  spares_.pop_back();
  return members;
}

void Proof::forget_idle(Time now) {
  cleaned_ = now;
  std::erase_if(domains_, [&](const auto& entry) {
    const Domain& domain = entry.second;
    const bool idle = domain.groups.empty() && domain.open.empty() && domain.timers == 0;
    const bool old = now - domain.used >= (domain.is_mute ? kForgetAfter : kCleanEvery);
    if (idle && old && domain.is_mute) --mute_;
    return idle && old;
  });
}

}  // namespace stox::xmpp
