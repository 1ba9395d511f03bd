// Requests without an answer, which are sent again by Timer E (RFC 3261 17.1.2.2): after 500 ms, then 1 s, 2
// s, 4 s, 4 s, ...
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>

namespace stox::ends {

class Repeats {
 public:
  // A request that has just been sent.
  void add(uint64_t number, int64_t now_us) { queues_[0].push_back({now_us + kWaits[0], number}); }

  // Calls again(number) for each that is due, which sends it again, or returns false: never any more.
  template <class Again>
  void take_due(int64_t now_us, Again again) {
    for (std::size_t wait = 0; wait < std::size(kWaits); ++wait) {
      auto& queue = queues_[wait];
      const auto next = std::min(wait + 1, std::size(kWaits) - 1);
      for (auto left = queue.size(); left > 0 && queue.front().at_us <= now_us; --left) {
        const auto number = queue.front().number;
        queue.pop_front();
        if (again(number)) queues_[next].push_back({now_us + kWaits[next], number});
      }
    }
  }

  void clear() {
    for (auto& queue : queues_) queue.clear();
  }

 private:
  struct Repeat {
    int64_t at_us;
    uint64_t number;
  };
  static constexpr int64_t kWaits[] = {500'000, 1'000'000, 2'000'000, 4'000'000};
  std::deque<Repeat> queues_[std::size(kWaits)];  // one for each wait: ordered by time
};

}  // namespace stox::ends
