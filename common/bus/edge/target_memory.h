// What a target remembers of the envelopes it was given, so that nothing begins twice: an id or a dedup_key
// (within one conversation) begins at most once in kMemory, but a dedup_key once more if its envelope was
// given back untouched, as its sender was told to try again; an id answered `unknown` does not begin again
// with that attempt or an earlier one.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/bus/wire/wire.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"

namespace stox::bus {

class TargetMemory {
 public:
  explicit TargetMemory(std::size_t max) : max_(max) {
    // Most searches are for what is not there: an empty bucket ends them before they touch a record.
    records_.max_load_factor(kLoad);
    by_dedup_.max_load_factor(kLoad);
  }

  enum class Verdict { kBegin, kPending, kEnded, kPromised, kOutOfOrder };
  // What to do with an envelope that came by this pipe. kBegin: it is remembered as begun. kPending: its
  // outcome comes. kEnded: `outcome` is it. kPromised: it was said to be unknown, this copy must not begin.
  // kOutOfOrder: its predecessor never began here.
  Verdict take(const pb::Envelope&, Pipe, Time now, pb::Outcome* outcome);

  // The envelope has ended. Returns each (id, pipe it came by) to be told: the one that began and those that
  // turned out to be the same message. Empty when the id is unknown or has ended before. `outcome` names the
  // envelope; its id is left as that of the last one.
  std::vector<std::pair<pb::EnvelopeId, Pipe>> finish(pb::Outcome& outcome, Time now);

  // For an ask. kPending, kEnded (with outcome) or kPromised: unknown, and from now on refused.
  Verdict ask(const pb::EnvelopeId&, uint32_t attempt, Time now, pb::Outcome* outcome);

  void forget_old(Time now);
  // What ended before this may have been forgotten; earlier than the process is old, if nothing was.
  Time remembers_since() const { return remembers_since_; }
  std::size_t pending() const { return pending_; }
  std::size_t size() const { return records_.size(); }

 private:
  static constexpr float kLoad = 0.25F;

  struct Key {
    uint64_t origin;  // name and epoch
    uint64_t number;
    bool operator==(const Key&) const = default;
  };
  struct HashKey {
    std::size_t operator()(const Key& k) const {
      return static_cast<std::size_t>(k.origin ^ (k.number * 0x9e3779b97f4a7c15ULL));
    }
  };
  struct Record {
    enum class State { kPending, kEnded, kPromised } state = State::kPending;
    uint32_t promised = 0;  // highest attempt said to be unknown
    uint64_t same_as = 0;   // dedup slot; 0 = none
    Pipe pipe = 0;
    Time until{};                                       // when it may be forgotten
    std::string outcome;                                // serialised, when ended
    std::vector<std::pair<pb::EnvelopeId, Pipe>> also;  // the same message under other ids
  };

  static Key key_of(const pb::EnvelopeId&);
  void end(const Key&, Record&, const pb::Outcome&, Time now);
  void remember_until(Time, const Key&, Record&);  // the last thing done with a record: it may be forgotten

  std::size_t max_;
  std::size_t pending_ = 0;
  Time remembers_since_ = Time::min();
  std::unordered_map<Key, Record, HashKey> records_;
  std::unordered_map<uint64_t, Key> by_dedup_;
  std::deque<std::pair<Time, Key>> ended_;  // in the order in which they are forgotten
};

}  // namespace stox::bus
