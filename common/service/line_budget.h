// How many lines a second the log gets of what others bring about, so that nobody fills the disk with it. At
// level debug, for who looks at single messages, there is no bound.
#pragma once

#include <cstdint>
#include <utility>

#include "common/base/clock.h"
#include "common/service/log.h"

namespace stox::service {

class LineBudget {
 public:
  // `what`: of what there are too many lines, in the plural: "requests were refused". Must live on.
  explicit LineBudget(const char* what) : what_(what) {}

  // Whether one more may be written now; says how many were not as soon as one may again.
  bool take(Log& log, Time now) {
    if (log.enabled(Level::kDebug)) return true;
    if (now - second_ >= std::chrono::seconds(1)) {
      if (skipped_ > 0) log.info("{} more {}", skipped_, what_);
      second_ = now;
      written_ = skipped_ = 0;
    }
    if (written_ < kPerSecond) return ++written_, true;
    ++skipped_;
    return false;
  }

 private:
  static constexpr uint32_t kPerSecond = 20;
  const char* what_;
  Time second_{};
  uint32_t written_ = 0, skipped_ = 0;
};

}  // namespace stox::service
