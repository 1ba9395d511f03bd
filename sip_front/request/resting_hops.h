// Hops that failed or asked for a rest: until that is over the others come first. Then one request tries it,
// and only when it has answered others follow: of a server that is silent each request costs a message.
#pragma once

#include <algorithm>
#include <vector>

#include "common/base/clock.h"
#include "sip_front/sip/message/flow.h"

namespace stox {

class RestingHops {
 public:
  void rest(const sip::Hop& hop, Time until) {
    answered(hop);
    if (hops_.size() >= kMax) hops_.erase(std::min_element(hops_.begin(), hops_.end(), earlier));
    hops_.push_back({hop, until});
  }
  void answered(const sip::Hop& hop) {
    std::erase_if(hops_, [&](const One& one) { return one.hop == hop; });
  }
  // For a request that goes to the first of these: moves those that rest to the end; the order is otherwise
  // as it was. The first may be one on trial, and rests for the others.
  void put_last(std::vector<sip::Hop>& hops, Time now) {
    if (hops_.empty()) return;
    std::stable_partition(hops.begin(), hops.end(), [&](const sip::Hop& hop) {
      const auto found = find(hop);
      return found == hops_.end() || found->until <= now;
    });
    if (const auto first = find(hops.front()); first != hops_.end() && first->until <= now)
      first->until = now + kTrial;
  }

 private:
  static constexpr std::size_t kMax = 64;
  static constexpr Duration kTrial = std::chrono::seconds(33);  // Timer F has told by then

  struct One {
    sip::Hop hop;
    Time until;
  };
  static bool earlier(const One& a, const One& b) { return a.until < b.until; }
  std::vector<One>::iterator find(const sip::Hop& hop) {
    return std::find_if(hops_.begin(), hops_.end(), [&](const One& one) { return one.hop == hop; });
  }

  std::vector<One> hops_;
};

}  // namespace stox
