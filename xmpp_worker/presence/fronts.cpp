#include "xmpp_worker/presence/fronts.h"

#include <algorithm>

#include "common/base/hash.h"

namespace stox::worker {

void Fronts::update(const std::vector<pb::Member>& members) {
  for (auto& [name, gone_at] : gone_at_) {
    if (gone_at == kNever) gone_at = clock_.now();
  }
  std::erase_if(gone_at_, [&](const auto& each) { return !counts(each.second); });
  for (const pb::Member& each : members) {
    if (each.role() == pb::FRONT) gone_at_[each.name()] = kNever;
  }
}

std::vector<std::string> Fronts::all() const {
  std::vector<std::string> out;
  for (const auto& [name, gone_at] : gone_at_) {
    if (counts(gone_at)) out.push_back(name);
  }
  return out;
}

void Fronts::leave_those_there(std::vector<std::string>* names) const {
  if (std::none_of(gone_at_.begin(), gone_at_.end(), [](const auto& each) { return each.second == kNever; }))
    return;
  std::erase_if(*names, [this](const std::string& name) {
    const auto found = gone_at_.find(name);
    return found == gone_at_.end() || found->second != kNever;
  });
}

std::string Fronts::of(std::string_view pair) const {
  const auto* best = rendezvous_choice(
      gone_at_, pair, [this](const auto& each) { return counts(each.second); },
      [](const auto& each) -> std::string_view { return each.first; });
  return best == nullptr ? std::string() : best->first;
}

}  // namespace stox::worker
