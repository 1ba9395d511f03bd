#include "xmpp_worker/siblings/other_workers.h"

#include <algorithm>

#include "common/base/hash.h"

namespace stox::worker {
namespace {

// Who has not answered by then is out of reach, and has noticed that itself.
constexpr Duration kAnswersWithin = std::chrono::seconds(5);

bool is_connected(const pb::Member& member) {
  const auto state = member.serving().state();
  return member.serving().backend() == pb::COMPONENT && (state == pb::READY || state == pb::DRAINING);
}

const pb::Member* find(const std::vector<pb::Member>& members, std::string_view name) {
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const pb::Member& m) { return m.name() == name; });
  return found == members.end() ? nullptr : &*found;
}

// What was on its way to a connection of `before` may have been lost, or still be to come.
bool lost_one(const pb::Member& before, const pb::Member* after) {
  if (after == nullptr || after->process_epoch() != before.process_epoch())
    return before.serving().connection() != 0 || before.serving().backend() == pb::SERVER;
  return after->serving().broken() != before.serving().broken();
}

}  // namespace

OtherWorkers::OtherWorkers(std::string own_name, std::vector<std::string> serves)
    : own_name_(std::move(own_name)), serves_(std::move(serves)) {}

bool OtherWorkers::is_alike(const pb::Member& member) const {
  const auto& serves = member.serving().serves();
  return member.role() == pb::WORKER && member.name() != own_name_ &&
         std::any_of(serves.begin(), serves.end(), [&](const std::string& each) {
           return std::find(serves_.begin(), serves_.end(), each) != serves_.end();
         });
}

bool OtherWorkers::update(const std::vector<pb::Member>& members) {
  std::vector<pb::Member> alike;
  std::copy_if(members.begin(), members.end(), std::back_inserter(alike),
               [this](const pb::Member& m) { return is_alike(m); });
  const bool lost = std::any_of(alike_.begin(), alike_.end(), [&](const pb::Member& before) {
    return lost_one(before, find(alike, before.name()));
  });
  connections_.clear();
  for (const pb::Member& each : alike) {
    const uint64_t number = each.serving().connection();
    if (number == 0) continue;
    connections_.push_back(connection(each.name(), number));
    const pb::Member* before = find(alike_, each.name());
    if (before == nullptr || before->serving().connection() != number) news_.push_back(each);
  }
  alike_ = std::move(alike);
  for (const pb::Member& each : alike_) ever_.insert(each.name());
  has_been_ = has_been_ || !connections_.empty() ||
              std::any_of(alike_.begin(), alike_.end(),
                          [](const pb::Member& each) { return each.serving().backend() == pb::SERVER; });
  return lost;
}

std::string OtherWorkers::holder() const {
  const auto found = std::find_if(alike_.begin(), alike_.end(), is_connected);
  return found == alike_.end() ? std::string() : found->name();
}

std::vector<std::string> OtherWorkers::names() const {
  std::vector<std::string> out;
  for (const pb::Member& each : alike_) out.push_back(each.name());
  return out;
}

std::vector<PlacedWorker> OtherWorkers::ready() const {
  std::vector<PlacedWorker> out;
  for (const pb::Member& each : alike_) {
    if (each.serving().state() != pb::READY) continue;
    PlacedWorker& worker = out.emplace_back();
    worker.name = each.name();
    worker.server = each.serving().backend() == pb::SERVER;
    for (const std::string& claim : each.serving().domains()) worker.claims.push_back(domain_pattern(claim));
  }
  return out;
}

std::map<std::string, uint64_t> OtherWorkers::epochs() const {
  std::map<std::string, uint64_t> out;
  for (const pb::Member& each : alike_) out.emplace(each.name(), each.process_epoch());
  return out;
}

uint64_t OtherWorkers::connection(std::string_view worker, uint64_t number) {
  return hash64(worker, number) | 1;
}

void OtherWorkers::announce(uint64_t connection, Time now) {
  if (connection == announced_) return;
  announced_ = connection;
  announced_at_ = now;
}

void OtherWorkers::known_by(std::string_view worker, uint64_t connection) {
  known_by_[std::string(worker)] = connection;
}

bool OtherWorkers::may_connect(bool has_mapper, Time now) const {
  if (announced_ == 0 || !has_mapper) return false;
  if (now - announced_at_ >= kAnswersWithin) return true;
  return std::all_of(alike_.begin(), alike_.end(), [this](const pb::Member& each) {
    const auto known = known_by_.find(each.name());
    return each.serving().backend() != pb::COMPONENT ||
           (known != known_by_.end() && known->second == announced_);
  });
}

}  // namespace stox::worker
