// The one event loop of a process, the alarm that machines free of I/O are driven by, and the pace that holds
// a busy process back.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "common/base/clock.h"

namespace stox::net {

class Loop;

// Calls back once at the time set, or never if unset or destroyed before. Setting again replaces the time;
// setting a later or equal time than the one pending costs nothing. The loop must outlive it.
class Alarm {
 public:
  Alarm(Loop& loop, std::function<void()> ring);

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

// Up to 10 ms later, the same for all times in between: for an alarm that need not be exact, so that the
// times of many messages make one wakeup.
Time about(Time);

class Reader {
 public:
  enum class Came { kNothing, kAll, kPart };  // kPart: there may be more

  virtual ~Reader() = default;
  virtual Came read() = 0;  // what is there
  virtual void wait() = 0;  // it rests no longer
};

// Who would read more often than once in a time rests instead, together with all of the process that do: they
// read in one wakeup, again and again, until nothing comes to any of them. So under load many messages share
// a wakeup, and one that comes alone is read at once. The time is as short as lets a good number of messages
// come.
class Pace {
 public:
  explicit Pace(Loop& loop) : loop_(loop), alarm_(loop, [this] { wake(); }) {}

  // The time is from kShort, or `longest` if that is shorter, to `longest`. Zero, as at first: nobody rests.
  void set_longest(Duration longest);
  Duration time() const { return time_; }
  // By those who read, from inside read(): messages that have come.
  void count(std::size_t messages) { came_ += messages; }

  // Calls reader.read() after `first`, or earlier, when others read, and then each time, until wait().
  void rest(Reader& reader, Duration first);
  // It will not be called any more. Who rests must say so before it is destroyed.
  void forget(Reader& reader);

 private:
  static constexpr Duration kShort = std::chrono::milliseconds(2);
  // With fewer there is little to share; with more the wakeup costs nothing beside them.
  static constexpr std::size_t kFew = 2, kGood = 16, kMany = 24, kBurst = 96;

  struct Resting {
    Reader* reader;  // null: forgotten while awake
    int empty = 0;   // times it had nothing
  };
  void wake();
  void adapt();

  Loop& loop_;
  Alarm alarm_;
  std::vector<Resting> resting_, awake_;
  Duration longest_{}, time_{};
  std::size_t came_ = 0;  // since the last wakeup
};

class Loop {
 public:
  asio::io_context& io() { return io_; }
  const Clock& clock() const { return clock_; }
  Time now() const { return clock_.now(); }
  Pace& pace() { return pace_; }

  void run() { io_.run(); }
  void stop() { io_.stop(); }

 private:
  SystemClock clock_;
  asio::io_context io_{1};  // one thread: no locking inside
  Pace pace_{*this};
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
