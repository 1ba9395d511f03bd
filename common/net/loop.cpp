#include "common/net/loop.h"

#include <algorithm>
#include <asio/post.hpp>

namespace stox::net {
namespace {

constexpr Duration kAbout = std::chrono::milliseconds(10);
constexpr int kEmptyTimes = 8;  // who has so often nothing where others have something waits again

}  // namespace

Time about(Time at) {
  if (at == kNever) return at;
  return Time((at.time_since_epoch() + kAbout - Duration(1)) / kAbout * kAbout);
}

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

void Pace::set_longest(Duration longest) {
  longest_ = longest;
  time_ = std::min(kShort, longest);
}

void Pace::rest(Reader& reader, Duration first) {
  alarm_.set(std::min(alarm_.at(), loop_.now() + first));
  resting_.push_back({&reader});
}

// Slowly, as messages do not come evenly.
void Pace::adapt() {
  const std::size_t came = std::exchange(came_, 0);
  const Duration step = time_ / 8, shortest = std::min(kShort, longest_);
  if (came < kFew || came > kMany) time_ = std::max(time_ - step, shortest);
  if (came > kBurst) time_ = shortest;  // what the kernel keeps until then is bounded
  if (came >= kFew && came < kGood) time_ = std::min(time_ + step, longest_);
}

void Pace::forget(Reader& reader) {
  std::erase_if(resting_, [&](const Resting& one) { return one.reader == &reader; });
  for (Resting& one : awake_) {
    if (one.reader == &reader) one.reader = nullptr;
  }
}

void Pace::wake() {
  awake_.swap(resting_);
  bool any = false;
  for (Resting& one : awake_) {
    if (one.reader == nullptr) continue;
    const Reader::Came came = one.reader->read();
    if (came == Reader::Came::kPart) alarm_.set(loop_.now());
    one.empty = came == Reader::Came::kNothing ? one.empty + 1 : 0;
    any |= one.empty == 0;
  }
  adapt();
  for (Resting& one : awake_) {
    if (one.reader == nullptr) continue;
    if (!any || one.empty > kEmptyTimes) {
      one.reader->wait();
    } else {
      alarm_.set(std::min(alarm_.at(), loop_.now() + time_));
      resting_.push_back(one);
    }
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
