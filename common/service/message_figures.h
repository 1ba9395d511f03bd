// How the messages that came into the gateway at this process ended, since its start: counts, how long they
// took, and why those failed that did. For metrics, `stoxctl status` and `top`.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/ending.h"

namespace stox::service {

class MessageFigures {
 public:
  static constexpr std::array kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                         0.25,  0.5,    1.0,   2.5,  5.0,   10.0, 30.0};  // seconds
  static constexpr std::size_t kMaxReasons = 200;  // more are counted as "other"

  struct Ended {
    uint64_t count = 0;
    double seconds = 0;
    std::array<uint64_t, kBounds.size() + 1> buckets{};  // each alone; the last: longer than all bounds
  };

  // `reason`, of a failure: one of a small set, as a status, a condition or a reason of the bus. `now_s`: any
  // clock in seconds that never goes back.
  void ended(Ending, int64_t took_us, std::string_view reason, int64_t now_s);

  const Ended& of(Ending ending) const { return ended_[static_cast<std::size_t>(ending)]; }
  const std::map<std::pair<Ending, std::string>, uint64_t>& failures() const { return failures_; }
  // Messages a second, over the last minute that is over.
  double rate(int64_t now_s) const;

 private:
  static constexpr int64_t kMinute = 60;
  std::array<Ended, kEndings> ended_;
  std::map<std::pair<Ending, std::string>, uint64_t> failures_;
  std::array<std::pair<int64_t, uint32_t>, kMinute> seconds_{};  // which second, how many
};

}  // namespace stox::service
