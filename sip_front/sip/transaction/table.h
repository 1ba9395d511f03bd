// Storage of transactions and the like: slots that are used again with the memory they have grown, and an
// index over them by a 64-bit hash.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

namespace stox::sip {

// Names one use of a slot: after the slot was freed, an Id of before finds nothing.
struct Id {
  uint32_t slot = 0;
  uint32_t use = 0;  // 0 names nothing
  bool operator==(const Id&) const = default;

  // As a token or a key.
  uint64_t number() const { return uint64_t{use} << 32 | slot; }
  static Id of(uint64_t number) {
    return {static_cast<uint32_t>(number), static_cast<uint32_t>(number >> 32)};
  }
};

// T is not destroyed when its slot is freed: whoever takes the slot next sets all of it. References stay
// valid.
template <class T>
class Slots {
 public:
  Id take() {
    ++live_;
    if (free_.empty()) {
      slots_.emplace_back();
      return {static_cast<uint32_t>(slots_.size() - 1), slots_.back().use = 1};
    }
    const uint32_t slot = free_.back();
    free_.pop_back();
    return {slot, slots_[slot].use};
  }
  void free(Id id) {
    --live_;
    if (++slots_[id.slot].use == 0) slots_[id.slot].use = 1;
    free_.push_back(id.slot);
  }
  T* find(Id id) {
    return id.use != 0 && id.slot < slots_.size() && slots_[id.slot].use == id.use ? &slots_[id.slot].value
                                                                                   : nullptr;
  }
  const T* find(Id id) const { return const_cast<Slots*>(this)->find(id); }
  T& operator[](uint32_t slot) { return slots_[slot].value; }
  const T& operator[](uint32_t slot) const { return slots_[slot].value; }
  Id id_of(uint32_t slot) const { return {slot, slots_[slot].use}; }
  std::size_t size() const { return live_; }              // slots in use
  std::size_t capacity() const { return slots_.size(); }  // slots there are

 private:
  struct Slot {
    uint32_t use = 0;
    T value;
  };
  std::deque<Slot> slots_;
  std::vector<uint32_t> free_;
  std::size_t live_ = 0;
};

// Open addressing with linear probing. The hash must be seeded where peers choose what is hashed.
class HashIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // The first slot entered under this hash for which same(slot) is true, or kNone.
  template <class Same>
  uint32_t find(uint64_t hash, Same same) const {
    if (entries_.empty()) return kNone;
    for (std::size_t i = hash & mask(); entries_[i].slot != kNone; i = (i + 1) & mask()) {
      if (entries_[i].hash == hash && same(entries_[i].slot)) return entries_[i].slot;
    }
    return kNone;
  }
  void insert(uint64_t hash, uint32_t slot);
  void erase(uint64_t hash, uint32_t slot);

 private:
  struct Entry {
    uint64_t hash = 0;
    uint32_t slot = kNone;
  };
  std::size_t mask() const { return entries_.size() - 1; }

  std::vector<Entry> entries_;  // a power of two
  std::size_t used_ = 0;
};

}  // namespace stox::sip
