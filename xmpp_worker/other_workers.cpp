#include "xmpp_worker/other_workers.h"

#include <algorithm>

#include "common/base/hash.h"

namespace stox::worker {
namespace {

constexpr Duration kServersMayNotKnow = std::chrono::seconds(30);
constexpr Duration kConnectsWithin = std::chrono::seconds(2);

uint64_t connection_of(const pb::Member& member) { return hash64(member.name(), member.process_epoch()) | 1; }

bool is_connected(const pb::Member& member) {
  const auto state = member.serving().state();
  return member.serving().backend() == pb::COMPONENT && (state == pb::READY || state == pb::DRAINING);
}

bool is_connecting(const pb::Member& member) {
  return member.serving().backend() == pb::COMPONENT && member.serving().state() == pb::STARTING;
}

const pb::Member* find(const std::vector<pb::Member>& members, std::string_view name) {
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const pb::Member& m) { return m.name() == name; });
  return found == members.end() ? nullptr : &*found;
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

bool OtherWorkers::update(const std::vector<pb::Member>& members, bool is_up, Time now) {
  std::vector<pb::Member> alike;
  std::copy_if(members.begin(), members.end(), std::back_inserter(alike),
               [this](const pb::Member& m) { return is_alike(m); });
  bool lost = false;
  for (const pb::Member& before : alike_) {
    if (!is_up || !is_connected(before)) continue;
    const pb::Member* after = find(alike, before.name());
    const bool is_new_process = after != nullptr && after->process_epoch() != before.process_epoch();
    if (after != nullptr && !is_new_process && is_connected(*after)) continue;
    lost = true;
    // A process that has ended took its sockets with it, and one that drained said goodbye.
    if (!is_new_process && before.serving().state() == pb::READY) unsure_until_ = now + kServersMayNotKnow;
  }
  if (std::none_of(alike.begin(), alike.end(), is_connecting)) starting_until_ = {};
  connections_.clear();
  for (const pb::Member& each : alike) {
    if (is_connected(each)) connections_.push_back(connection_of(each));
    const pb::Member* before = find(alike_, each.name());
    // Its connection is there a moment before we hear of it.
    if (is_connecting(each) && (before == nullptr || !is_connecting(*before)))
      starting_until_ = now + kConnectsWithin;
    if (before == nullptr) unsure_until_ = {};  // it is back, or has been started anew
  }
  alike_ = std::move(alike);
  return lost;
}

bool OtherWorkers::is_there(std::string_view name, uint64_t epoch) const {
  const pb::Member* member = find(alike_, name);
  return member != nullptr && member->process_epoch() == epoch;
}

std::string OtherWorkers::holder() const {
  const auto found = std::find_if(alike_.begin(), alike_.end(), is_connected);
  return found == alike_.end() ? std::string() : found->name();
}

uint64_t OtherWorkers::connection(std::string_view name) const {
  const pb::Member* member = find(alike_, name);
  return member == nullptr ? 1 : connection_of(*member);
}

}  // namespace stox::worker
