// Hops that could not be reached, or did not answer, and that none could be found: what `stoxctl status` says
// of the outbound proxy. A hop is forgotten when it answers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "sip_front/sip/message/flow.h"

namespace stox {

class SilentHops {
 public:
  explicit SilentHops(bool counts = false) : counts_(counts) {}  // false: none is remembered

  struct One {
    std::string hop;  // "UDP ADDRESS:PORT"; empty: none was found
    std::string why;  // the last time
    uint64_t times = 0;
    Time at{};  // the last time
  };

  void failed(const sip::Hop& hop, std::string why, Time now) { add(hop.str(), std::move(why), now); }
  void answered(const sip::Hop& hop) {
    if (!hops_.empty()) forget(hop.str());
  }
  void not_found(std::string why, Time now) { add({}, std::move(why), now); }
  void found() {
    if (!hops_.empty()) forget({});
  }
  const std::vector<One>& all() const { return hops_; }

 private:
  static constexpr std::size_t kMax = 16;
  std::vector<One>::iterator find(const std::string& hop) {
    return std::find_if(hops_.begin(), hops_.end(), [&](const One& one) { return one.hop == hop; });
  }
  void forget(const std::string& hop) {
    if (const auto known = find(hop); known != hops_.end()) hops_.erase(known);
  }
  void add(std::string hop, std::string why, Time now) {
    if (!counts_) return;
    auto found = find(hop);
    if (found == hops_.end()) {
      if (hops_.size() >= kMax) hops_.erase(hops_.begin());
      found = hops_.insert(hops_.end(), One{std::move(hop), {}, 0, {}});
    }
    found->why = std::move(why);
    ++found->times;
    found->at = now;
  }
  bool counts_;
  std::vector<One> hops_;
};

}  // namespace stox
