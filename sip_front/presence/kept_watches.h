// The watches of XMPP users in a file that outlives the process: the pair, and what it was told.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/result.h"
#include "common/journal/journal.h"
#include "proto/watch.pb.h"

namespace stox {

class KeptWatches {
 public:
  // Nothing is touched before open().
  explicit KeptWatches(std::string path) : journal_(std::move(path), journal::Sync::kProcess) {}

  struct Kept {
    uint64_t id = 0;  // for put() and remove(); none is higher than the number of the last
    pb::KeptWatch watch;
  };
  // Once, before anything else: what the process before us has left. An Error in words for an operator:
  // nothing is kept.
  Result<std::vector<Kept>> open();

  // Written by commit(). Ids are the caller's; user and contact of one do not change.
  void put(uint64_t id, const pb::KeptWatch&);
  void remove(uint64_t id);
  // What cannot be written now is tried again with the next.
  Result<void> commit();

 private:
  journal::Journal journal_;
  std::unordered_map<uint64_t, int64_t> rows_;          // by id
  std::unordered_map<uint64_t, pb::KeptWatch> staged_;  // not known to be in the file
};

}  // namespace stox
