#include "common/net/loop.h"

#include <asio/post.hpp>

namespace stox::net {

void Alarm::set(Time at) {
  at_ = at;
  if (at_ < waiting_) wait();
}

void Alarm::wait() {
  waiting_ = at_;
  // Asio's steady clock is CLOCK_MONOTONIC, as ours.
  timer_.expires_at(asio::steady_timer::time_point(at_.time_since_epoch()));
  timer_.async_wait([this, alive = std::weak_ptr<char>(alive_)](const asio::error_code& failure) {
    if (failure || alive.expired()) return;  // replaced by an earlier time, or destroyed
    waiting_ = kNever;
    if (at_ == kNever) return;
    if (at_ > loop_.now()) return wait();
    at_ = kNever;
    ring_();
  });
}

void EndOfTurn::ask() {
  if (asked_) return;
  asked_ = true;
  asio::post(loop_.io(), [this, alive = std::weak_ptr<char>(alive_)] {
    if (alive.expired()) return;
    asked_ = false;
    work_();
  });
}

}  // namespace stox::net
