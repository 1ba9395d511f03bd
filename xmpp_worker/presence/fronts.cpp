#include "xmpp_worker/presence/fronts.h"

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

std::string Fronts::of(std::string_view pair) const {
  const auto* best = rendezvous_choice(
      gone_at_, pair, [this](const auto& each) { return counts(each.second); },
      [](const auto& each) -> std::string_view { return each.first; });
  return best == nullptr ? std::string() : best->first;
}

}  // namespace stox::worker
