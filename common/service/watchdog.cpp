#include "common/service/watchdog.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace stox::service {
namespace {

// What the handler may touch: lock-free, set before the timer starts.
std::atomic<int> missed{0};
std::atomic<const char*> words{nullptr};
std::atomic<std::size_t> words_size{0};

// Async-signal-safe calls only (signal-safety(7)). A pipe that is full must not keep a hung process alive.
extern "C" void count_tick(int) {
  if (missed.fetch_add(1) + 1 < Watchdog::kCount) return;
  pollfd standard_error{STDERR_FILENO, POLLOUT, 0};
  if (poll(&standard_error, 1, 0) == 1) {
    [[maybe_unused]] const ssize_t n = write(STDERR_FILENO, words.load(), words_size.load());
  }
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

void set_timer(timer_t timer, Duration tick) {
  itimerspec every{};
  every.it_interval.tv_sec = tick / std::chrono::seconds(1);
  every.it_interval.tv_nsec = (tick % std::chrono::seconds(1)).count() * 1000;
  every.it_value = every.it_interval;
  timer_settime(timer, 0, &every, nullptr);
}

}  // namespace

Watchdog::Watchdog(net::Loop& loop, std::string last_words, std::function<void()> on_turn, Duration tick)
    : loop_(loop),
      tick_(tick),
      on_turn_(std::move(on_turn)),
      last_words_(std::move(last_words)),
      alarm_(loop, [this] { turn(); }) {
  words = last_words_.data();
  words_size = last_words_.size();
  struct sigaction action {};
  action.sa_handler = count_tick;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGALRM;
  timer_create(CLOCK_MONOTONIC, &event, &timer_);
  set_timer(timer_, tick_);
  turn();
}

Watchdog::~Watchdog() {
  timer_delete(timer_);
  std::signal(SIGALRM, SIG_IGN);
}

void Watchdog::turn() {
  missed = 0;
  on_turn_();
  alarm_.set(loop_.now() + tick_);
}

}  // namespace stox::service
