// A queue of (time, key) in which each key has at most one time, however often that is changed. For what
// peers may move as often as they like; where that cannot be, Deadlines are cheaper. set and pop are
// O(log n).
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <utility>

#include "common/base/clock.h"

namespace stox {

template <class Key>
class Alarms {
 public:
  // `held`: what is set for the key, kNever if nothing is; its owner keeps it, and changes it by this alone.
  // `at` kNever: no more.
  void set(const Key& key, Time& held, Time at) {
    if (at == held) return;
    if (held != kNever) queue_.erase({held, key});
    if (at != kNever) queue_.emplace(at, key);
    held = at;
  }

  // The next key whose time has come, or nothing. What its owner holds is to be kNever then.
  std::optional<Key> pop_due(Time now) {
    if (queue_.empty() || queue_.begin()->first > now) return std::nullopt;
    return std::move(queue_.extract(queue_.begin()).value().second);
  }

  Time next() const { return queue_.empty() ? kNever : queue_.begin()->first; }
  std::size_t size() const { return queue_.size(); }

 private:
  std::set<std::pair<Time, Key>> queue_;
};

}  // namespace stox
