// Records by key in a file that outlives the process, each replaced when it changes: who watches whom, who
// is in which room. The death of the process costs nothing of it; after that of the machine some may be
// as they were a little earlier.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/result.h"
#include "common/journal/journal.h"

namespace stox {

class KeptTable {
 public:
  // Nothing is touched before open().
  explicit KeptTable(std::string path) : journal_(std::move(path), journal::Sync::kProcess) {}

  // Once, before anything else: what the process before us has left, oldest first. What of that is not put
  // again is gone with the next commit(). An Error in words for an operator: nothing is kept.
  Result<std::vector<std::string>> open();

  // Keys are the caller's. Written by commit().
  void put(uint64_t key, std::string record);
  void remove(uint64_t key);
  // What cannot be written now is tried again with the next.
  Result<void> commit();

 private:
  journal::Journal journal_;
  std::unordered_map<uint64_t, int64_t> rows_;  // by key
  std::map<uint64_t, std::string> staged_;      // records that are not known to be in the file
};

}  // namespace stox
