#include "sip_front/sip/transaction/table.h"

#include <algorithm>

namespace stox::sip {

void HashIndex::insert(uint64_t hash, uint32_t slot) {
  if (2 * (used_ + 1) > entries_.size()) {
    std::vector<Entry> old(std::max<std::size_t>(64, entries_.size() * 2));
    old.swap(entries_);
    used_ = 0;
    for (const Entry& entry : old) {
      if (entry.slot != kNone) insert(entry.hash, entry.slot);
    }
  }
  std::size_t i = hash & mask();
  while (entries_[i].slot != kNone) i = (i + 1) & mask();
  entries_[i] = {hash, slot};
  ++used_;
}

void HashIndex::erase(uint64_t hash, uint32_t slot) {
  if (entries_.empty()) return;
  std::size_t hole = hash & mask();
  while (entries_[hole].hash != hash || entries_[hole].slot != slot) {
    if (entries_[hole].slot == kNone) return;
    hole = (hole + 1) & mask();
  }
  // Moves back what was pushed past the hole, so that no search ends at it.
  for (std::size_t i = (hole + 1) & mask(); entries_[i].slot != kNone; i = (i + 1) & mask()) {
    const std::size_t home = entries_[i].hash & mask();
    if (((i - home) & mask()) < ((i - hole) & mask())) continue;
    entries_[hole] = entries_[i];
    hole = i;
  }
  entries_[hole] = {};
  --used_;
}

}  // namespace stox::sip
