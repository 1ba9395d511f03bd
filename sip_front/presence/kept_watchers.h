// The watchers of XMPP users in a file that outlives the process: a record for each dialog, replaced when it
// changes. The death of the process costs nothing of it; after that of the machine some may be as they were a
// little earlier.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/journal/journal.h"
#include "sip_front/sip/subscription/notifier.h"
#include "sip_front/sip/transaction/table.h"

namespace stox {

class KeptWatchers {
 public:
  struct Kept {
    sip::Subscription subscription;   // without its resource
    std::string watcher, presentity;  // addr-specs
  };
  // Of those that have expired, a refresh may be on its way that came to nobody while the process was away.
  static constexpr Duration kRefreshComes = std::chrono::seconds(40);

  // Nothing is touched before open(). The clock must outlive it.
  KeptWatchers(std::string path, const Clock& clock)
      : clock_(clock), journal_(std::move(path), journal::Sync::kProcess) {}

  // Once, before anything else: what the process before us has left and has not expired; the file is empty
  // then until they are put there again. An Error in words for an operator: nothing is kept.
  Result<std::vector<Kept>> open();

  // By its id in the notifier. Written by commit().
  void put(sip::Id, const Kept&);
  void remove(sip::Id);
  // What cannot be written now is tried again with the next.
  Result<void> commit();

 private:
  const Clock& clock_;
  journal::Journal journal_;
  std::map<uint64_t, int64_t> rows_;        // by id
  std::map<uint64_t, std::string> staged_;  // records that are not known to be in the file
};

}  // namespace stox
