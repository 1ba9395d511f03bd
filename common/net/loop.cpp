#include "common/net/loop.h"

#include <algorithm>
#include <asio/post.hpp>

namespace stox::net {

Alarm::Alarm(Loop& loop, std::function<void()> ring)
    : loop_(loop), timer_(loop.io()), ring_(std::move(ring)) {}

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

void Pace::rest(Reader& reader, Duration rest) {
  alarm_.set(std::min(alarm_.at(), loop_.now() + rest));
  resting_.push_back(&reader);
}

void Pace::forget(Reader& reader) {
  std::erase(resting_, &reader);
  std::replace(awake_.begin(), awake_.end(), &reader, static_cast<Reader*>(nullptr));
}

void Pace::wake() {
  awake_.swap(resting_);
  for (std::size_t i = 0; i < awake_.size(); ++i) {
    if (awake_[i] != nullptr) awake_[i]->read();
  }
  awake_.clear();
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
