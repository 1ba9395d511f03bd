// A queue of (time, key). Entries are not cancelled: whoever takes a due key looks whether it still means
// something (timers of transactions, end of an envelope). add and pop are O(log n).
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/clock.h"

namespace stox {

template <class Key>
class Deadlines {
 public:
  void add(Time at, Key key) {
    heap_.emplace_back(at, std::move(key));
    std::push_heap(heap_.begin(), heap_.end(), later);
  }

  // The next key whose time has come, or nothing.
  std::optional<Key> pop_due(Time now) {
    if (heap_.empty() || heap_.front().first > now) return std::nullopt;
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Key key = std::move(heap_.back().second);
    heap_.pop_back();
    return key;
  }

  Time next() const { return heap_.empty() ? kNever : heap_.front().first; }
  std::size_t size() const { return heap_.size(); }

 private:
  using Entry = std::pair<Time, Key>;
  static bool later(const Entry& a, const Entry& b) { return a.first > b.first; }
  std::vector<Entry> heap_;
};

}  // namespace stox
