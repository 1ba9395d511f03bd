#include "xmpp_worker/xmpp/s2s/srv_order.h"

#include <algorithm>
#include <numeric>

namespace stox::xmpp {

void order_targets(std::vector<ServerTarget>& targets, std::minstd_rand& random) {
  // Within a priority those of weight 0 come first, so that they, too, have a small chance.
  std::stable_sort(targets.begin(), targets.end(), [](const ServerTarget& a, const ServerTarget& b) {
    return std::pair(a.priority, a.weight != 0) < std::pair(b.priority, b.weight != 0);
  });
  for (auto next = targets.begin(); next != targets.end(); ++next) {
    const auto end = std::find_if(next, targets.end(),
                                  [&](const ServerTarget& t) { return t.priority != next->priority; });
    const uint32_t sum = std::accumulate(
        next, end, 0u, [](uint32_t so_far, const ServerTarget& t) { return so_far + t.weight; });
    uint32_t left = std::uniform_int_distribution<uint32_t>(0, sum)(random);
    auto chosen = next;
    while (chosen->weight < left) left -= (chosen++)->weight;
    std::rotate(next, chosen, chosen + 1);
  }
}

ServerTargets choose_targets(std::vector<ServerTarget> found, std::minstd_rand& random) {
  if (found.empty()) return {};
  std::erase_if(found, [](const ServerTarget& t) { return t.host == "."; });
  if (found.empty()) return {ServerTargets::Kind::kNotOffered};
  order_targets(found, random);
  return {ServerTargets::Kind::kOrdered, std::move(found)};
}

}  // namespace stox::xmpp
