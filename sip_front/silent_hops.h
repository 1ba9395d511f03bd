// Hops that could not be reached, or did not answer: what `stoxctl status` says of the outbound proxy. A hop
// is forgotten when it answers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "sip_front/sip/flow.h"

namespace stox {

class SilentHops {
 public:
  explicit SilentHops(bool counts = false) : counts_(counts) {}  // false: none is remembered

  struct One {
    sip::Hop hop;
    std::string why;  // the last time
    uint64_t times = 0;
    Time at{};  // the last time
  };

  void failed(const sip::Hop& hop, std::string why, Time now) {
    if (!counts_) return;
    auto found = find(hop);
    if (found == hops_.end()) {
      if (hops_.size() >= kMax) hops_.erase(hops_.begin());
      found = hops_.insert(hops_.end(), One{hop, {}, 0, {}});
    }
    found->why = std::move(why);
    ++found->times;
    found->at = now;
  }
  void answered(const sip::Hop& hop) {
    if (hops_.empty()) return;
    if (const auto found = find(hop); found != hops_.end()) hops_.erase(found);
  }
  const std::vector<One>& all() const { return hops_; }

 private:
  static constexpr std::size_t kMax = 16;
  std::vector<One>::iterator find(const sip::Hop& hop) {
    return std::find_if(hops_.begin(), hops_.end(), [&](const One& one) { return one.hop == hop; });
  }
  bool counts_;
  std::vector<One> hops_;
};

}  // namespace stox
