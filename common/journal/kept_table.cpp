#include "common/journal/kept_table.h"

#include <utility>

namespace stox {

Result<std::vector<std::string>> KeptTable::open() {
  auto records = journal_.open();
  if (!records) return tl::make_unexpected(records.error());
  std::vector<std::string> out;
  for (journal::Record& one : *records) {
    journal_.remove(one.row);
    out.push_back(std::move(one.bytes));
  }
  return out;
}

void KeptTable::put(uint64_t key, std::string record) {
  remove(key);
  staged_[key] = std::move(record);
}

void KeptTable::remove(uint64_t key) {
  staged_.erase(key);
  const auto row = rows_.find(key);
  if (row == rows_.end()) return;
  journal_.remove(row->second);
  rows_.erase(row);
}

Result<void> KeptTable::commit() {
  if (!journal_.is_open()) return {};
  for (const auto& [key, record] : staged_) rows_[key] = journal_.add(record);
  if (!journal_.has_staged()) return {};
  auto done = journal_.commit();
  if (done) {
    staged_.clear();
  } else {  // the journal has forgotten what was added, but nothing else
    for (const auto& [key, record] : staged_) rows_.erase(key);
  }
  return done;
}

}  // namespace stox
