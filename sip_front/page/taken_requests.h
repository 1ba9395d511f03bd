// Which requests this front has handed on lately, in a file that outlives the process: a copy that comes to
// the next process is asked for under the id that the first one had, and so never goes out as a message of
// its own. Who could have been given them is kept with them. Mapped memory: the death of the process costs
// nothing of it, that of the machine all, after which no client repeats a request of before.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/bus/edge/origin.h"

namespace stox {

class TakenRequests {
 public:
  struct Earlier {
    uint64_t epoch = 0, number = 0;  // of the envelope's id
    Time taken{};
  };

  // Makes the file if it is not there. An Error in words for an operator.
  static Result<std::unique_ptr<TakenRequests>> open(const std::string& path, const Clock&);
  ~TakenRequests();
  TakenRequests(const TakenRequests&) = delete;
  TakenRequests& operator=(const TakenRequests&) = delete;

  // `key` tells requests apart; the id is that of the envelope.
  void add(uint64_t key, uint64_t epoch, uint64_t number, Time taken);
  // Of a process before us, if a copy may still come; null: there is none.
  const Earlier* find(uint64_t key) const;
  uint32_t openings() const { return openings_; }  // this one included

  void set_targets(const std::vector<bus::PossibleTarget>&);
  std::vector<bus::PossibleTarget> targets() const;

 private:
  struct File;
  TakenRequests(File*, const Clock&);

  File* file_;
  const Clock& clock_;
  uint32_t openings_;
  std::unordered_map<uint64_t, Earlier> earlier_;
};

}  // namespace stox
