// Time as everything of ours sees it: passed in, so that a test can move it by hand.
#pragma once

#include <chrono>
#include <cstdint>

namespace stox {

using Duration = std::chrono::microseconds;
struct Monotonic {  // CLOCK_MONOTONIC: the same for all processes of a host
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Monotonic>;
  static constexpr bool is_steady = true;
};
using Time = Monotonic::time_point;

constexpr Time kNever = Time::max();

inline int64_t to_us(Time t) { return t.time_since_epoch().count(); }
inline Time from_us(int64_t us) { return Time(Duration(us)); }
inline int64_t to_ms(Duration d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d).count(); }

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;
  // Unix time, microseconds; for people, and for what outlives the process.
  virtual int64_t wall_us() const = 0;
};

class SystemClock : public Clock {
 public:
  Time now() const override;
  int64_t wall_us() const override;
};

// Moved by hand.
class ManualClock : public Clock {
 public:
  Time now() const override { return now_; }
  int64_t wall_us() const override { return 1'700'000'000'000'000 + to_us(now_); }
  void advance(Duration d) { now_ += d; }

 private:
  Time now_ = from_us(1'000'000'000);
};

}  // namespace stox
