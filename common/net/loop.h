// The one event loop of a process, and the alarm that machines free of I/O are driven by.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "common/base/clock.h"

namespace stox::net {

class Loop {
 public:
  asio::io_context& io() { return io_; }
  const Clock& clock() const { return clock_; }
  Time now() const { return clock_.now(); }

  void run() { io_.run(); }
  void stop() { io_.stop(); }

 private:
  SystemClock clock_;
  asio::io_context io_{1};  // one thread: no locking inside
};

// Calls back once at the time set, or never if unset or destroyed before. Setting again replaces the time;
// setting a later or equal time than the one pending costs nothing. The loop must outlive it.
class Alarm {
 public:
  Alarm(Loop& loop, std::function<void()> ring) : loop_(loop), timer_(loop.io()), ring_(std::move(ring)) {}

  // Rings at `at` or earlier-than-asked never; kNever clears.
  void set(Time at);
  Time at() const { return at_; }

 private:
  void wait();

  Loop& loop_;
  asio::steady_timer timer_;
  // An expiry that is queued already cannot be cancelled: it asks this whether we are still there.
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  std::function<void()> ring_;
  Time at_ = kNever;       // when to ring
  Time waiting_ = kNever;  // what the timer waits for: at_ or earlier
};

// Runs `work` once at the end of this wakeup (after the handlers that are ready now), however often it is
// asked; not if destroyed before.
class EndOfTurn {
 public:
  EndOfTurn(Loop& loop, std::function<void()> work) : loop_(loop), work_(std::move(work)) {}
  void ask();

 private:
  Loop& loop_;
  std::function<void()> work_;
  bool asked_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // as in Alarm
};

}  // namespace stox::net
