// A token bucket: how often something may happen, behind a burst.
#pragma once

#include <algorithm>

#include "common/base/clock.h"

namespace stox {

class Bucket {
 public:
  // Full at the beginning.
  Bucket(double burst, double per_second, Time now)
      : burst_(burst), per_second_(per_second), tokens_(burst), filled_(now) {}

  bool take(Time now) {
    fill(now);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }
  bool is_full(Time now) { return tokens(now) >= burst_; }
  double tokens(Time now) {
    fill(now);
    return tokens_;
  }
  // From now on.
  void set_rate(double burst, double per_second) {
    burst_ = burst;
    per_second_ = per_second;
  }

 private:
  void fill(Time now) {
    const double seconds = std::chrono::duration<double>(now - filled_).count();
    tokens_ = std::min(burst_, tokens_ + seconds * per_second_);
    filled_ = now;
  }

  double burst_, per_second_, tokens_;
  Time filled_;
};

}  // namespace stox
