#include "sip_front/presence/kept_watches.h"

#include <utility>

namespace stox {

Result<std::vector<KeptWatches::Kept>> KeptWatches::open() {
  auto records = journal_.open();
  if (!records) return tl::make_unexpected(records.error());
  std::vector<Kept> out;
  for (const journal::Record& one : *records) {
    Kept kept{static_cast<uint64_t>(one.row), {}};
    // What changes stands in the addition, which is newer.
    if (!kept.watch.ParseFromString(one.bytes) || !kept.watch.MergeFromString(one.addition)) {
      journal_.remove(one.row);
      continue;
    }
    rows_[kept.id] = one.row;
    out.push_back(std::move(kept));
  }
  return out;
}

void KeptWatches::put(uint64_t id, const pb::KeptWatch& watch) {
  const auto row = rows_.find(id);
  if (row == rows_.end()) {
    staged_[id] = watch;
    return;
  }
  pb::KeptWatch change = watch;
  change.clear_user();
  change.clear_contact();
  journal_.annotate(row->second, change.SerializeAsString());
}

void KeptWatches::remove(uint64_t id) {
  staged_.erase(id);
  const auto row = rows_.find(id);
  if (row == rows_.end()) return;
  journal_.remove(row->second);
  rows_.erase(row);
}

Result<void> KeptWatches::commit() {
  if (!journal_.is_open()) return {};
  for (const auto& [id, watch] : staged_) {
    pb::KeptWatch pair;
    pair.set_user(watch.user());
    pair.set_contact(watch.contact());
    rows_[id] = journal_.add(pair.SerializeAsString());
    put(id, watch);
  }
  if (!journal_.has_staged()) return {};
  auto done = journal_.commit();
  // Records that were added have been forgotten then, but not changes.
  for (const auto& [id, watch] : staged_) {
    if (!done) rows_.erase(id);
  }
  if (done) staged_.clear();
  return done;
}

}  // namespace stox
