#include "common/service/message_figures.h"

#include <algorithm>

namespace stox::service {

void MessageFigures::ended(Ending ending, int64_t took_us, std::string_view reason, int64_t now_s) {
  Ended& one = ended_[static_cast<std::size_t>(ending)];
  const double seconds = static_cast<double>(std::max<int64_t>(0, took_us)) / 1e6;
  ++one.count;
  one.seconds += seconds;
  ++one.buckets[static_cast<std::size_t>(std::lower_bound(kBounds.begin(), kBounds.end(), seconds) -
                                         kBounds.begin())];
  auto& [second, count] = seconds_[static_cast<std::size_t>(now_s % kMinute)];
  if (second != now_s) count = 0;
  second = now_s;
  ++count;
  if (!is_failure(ending)) return;
  std::pair<Ending, std::string> key(ending, reason);
  if (failures_.size() >= kMaxReasons && !failures_.contains(key)) key.second = "other";
  ++failures_[key];
}

double MessageFigures::rate(int64_t now_s) const {
  uint64_t count = 0;
  for (const auto& [second, n] : seconds_) {
    if (second < now_s && second > now_s - kMinute) count += n;
  }
  return static_cast<double>(count) / static_cast<double>(kMinute - 1);
}

}  // namespace stox::service
