// Hops that failed or asked for a rest: until that is over the others come first.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "sip_front/sip/flow.h"

namespace stox {

class RestingHops {
 public:
  void add(const sip::Hop& hop, Time until) {
    std::erase_if(hops_, [&](const auto& one) { return one.first == hop; });
    if (hops_.size() < kMax) hops_.emplace_back(hop, until);
  }
  // Moves those that rest to the end; the order is otherwise as it was.
  void put_last(std::vector<sip::Hop>& hops, Time now) {
    std::erase_if(hops_, [&](const auto& one) { return one.second <= now; });
    if (hops_.empty()) return;
    std::stable_partition(hops.begin(), hops.end(), [&](const sip::Hop& hop) {
      return std::none_of(hops_.begin(), hops_.end(), [&](const auto& one) { return one.first == hop; });
    });
  }

 private:
  static constexpr std::size_t kMax = 64;
  std::vector<std::pair<sip::Hop, Time>> hops_;
};

}  // namespace stox
