#include "xmpp_worker/xmpp/proof.h"

#include <algorithm>

namespace stox::xmpp {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr unsigned kMuteAfter = 3;              // unanswered groups in a row
constexpr Duration kAskMuteEvery = minutes(1);  // a mute domain that is written to: does it still not answer?
constexpr Duration kMuteAnswer = seconds(30);
constexpr Duration kCleanEvery = minutes(1), kForgetAfter = minutes(60);

}  // namespace

void Proof::written(uint64_t number, std::string_view domain, Time deadline) {
  auto found = domains_.find(domain);
  if (found == domains_.end()) found = domains_.try_emplace(std::string(domain)).first;
  if (found->second.open.empty()) touched_.push_back(&*found);
  found->second.open.push_back({number, deadline});
}

void Proof::end_of_wakeup(Time now) {
  for (Entry* each : touched_) close_group(*each, now);
  touched_.clear();
}

void Proof::close_group(Entry& entry, Time now) {
  auto& [name, domain] = entry;
  if (cleaned_ == Time{}) cleaned_ = now;
  domain.used = now;
  if (domain.is_mute) {
    settle(domain.open, Fate::kPassedOn);
    domain.open.clear();
    if (now - domain.asked < kAskMuteEvery) return;
  }
  Group group{++pings_, now, spare()};
  group.members.swap(domain.open);
  Time due = now + kMuteAnswer;
  for (const Member& each : group.members) due = std::min(due, each.deadline);
  if (!group.members.empty()) ++waiting_;
  set_timer(entry, group, due);
  domain.asked = now;
  domain.groups.push_back(std::move(group));
  user_.write_ping(name, pings_);
}

void Proof::set_timer(Entry& entry, const Group& group, Time at) {
  due_.add(at, {&entry, group.ping});
  ++entry.second.timers;
}

void Proof::answered(uint64_t ping, std::string_view name) {
  const auto found = domains_.find(name);
  if (found == domains_.end()) return;
  Domain& domain = found->second;
  domain.unanswered = 0;
  if (domain.is_mute) --mute_;
  domain.is_mute = false;
  while (!domain.groups.empty() && domain.groups.front().ping <= ping) {
    Group group = std::move(domain.groups.front());
    domain.groups.pop_front();
    if (!group.members.empty()) --waiting_;
    settle(group.members, Fate::kProved);
    group.members.clear();
    spares_.push_back(std::move(group.members));
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
  if (domain.is_mute || !user_.peer_answered_since(group.written)) return;
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
