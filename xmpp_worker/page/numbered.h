// A table of what is under way, found by number in O(1), its memory reused. A number is never given twice;
// one that has been released finds nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stox::worker {

template <class T>
class Numbered {
 public:
  static constexpr std::size_t kMax = 1 << 20;

  bool full() const { return size_ >= kMax; }
  std::size_t size() const { return size_; }

  // A slot to fill: what was in it before is still there, so that strings keep their memory. Not when full.
  // References live until the next take().
  T& take(uint64_t* number) {
    std::size_t index = slots_.size();
    if (free_.empty()) {
      slots_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    Slot& slot = slots_[index];
    *number = slot.number = ++sequence_ * kMax + index;
    ++size_;
    return slot.value;
  }

  T* find(uint64_t number) {
    const std::size_t index = number % kMax;
    return number != 0 && index < slots_.size() && slots_[index].number == number ? &slots_[index].value
                                                                                  : nullptr;
  }

  void release(uint64_t number) {
    if (find(number) == nullptr) return;
    const std::size_t index = number % kMax;
    slots_[index].number = 0;
    free_.push_back(index);
    --size_;
  }

 private:
  struct Slot {
    uint64_t number = 0;  // 0 = free
    T value;
  };
  std::vector<Slot> slots_;
  std::vector<std::size_t> free_;
  uint64_t sequence_ = 0;
  std::size_t size_ = 0;
};

}  // namespace stox::worker
