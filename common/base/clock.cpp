#include "common/base/clock.h"

#include <ctime>

namespace stox {
namespace {
int64_t read_us(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<int64_t>(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000;
}
}  // namespace

Time SystemClock::now() const { return from_us(read_us(CLOCK_MONOTONIC)); }
int64_t SystemClock::wall_us() const { return read_us(CLOCK_REALTIME); }

}  // namespace stox
