// Ends a process whose loop has stood still, so that its supervisor starts it again: a timer signal counts,
// the loop sets the count back, and at ten the signal's handler says so and aborts. It counts its own
// signals, not time: a process that was stopped (SIGSTOP, a suspended machine) gets one signal when it goes
// on, however long it stood, and lives.
#pragma once

#include <ctime>
#include <functional>
#include <string>

#include "common/base/clock.h"
#include "common/net/loop.h"

namespace stox::service {

class Watchdog {
 public:
  static constexpr int kCount = 10;
  static constexpr Duration kTick = std::chrono::seconds(1);

  // One per process, as signals are. `on_turn` is called from the loop once a tick, `last_words` is written
  // to standard error before the abort. The loop must outlive it.
  Watchdog(net::Loop&, std::string last_words, std::function<void()> on_turn, Duration tick = kTick);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void turn();

  net::Loop& loop_;
  Duration tick_;
  std::function<void()> on_turn_;
  std::string last_words_;
  net::Alarm alarm_;
  timer_t timer_{};
};

}  // namespace stox::service
