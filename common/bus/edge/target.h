// The target's side of an edge: it begins the envelopes that others submit. Every id, and every dedup_key
// within a conversation, begins at most once in 120 s, a dedup_key that was given back untouched (LINK_DOWN,
// OVERLOADED, STOPPING) once more; what was answered `unknown` never begins.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/base/clock.h"
#include "common/bus/edge/edge_options.h"
#include "common/bus/edge/mappers.h"
#include "common/bus/edge/target_memory.h"
#include "proto/control.pb.h"

namespace stox::bus {

class TargetUser {
 public:
  virtual ~TargetUser() = default;
  // Begin this; call Target::finish with its id exactly once, sooner or later. The envelope lives during the
  // call. `begin_before` is in our own clock: what waits in a queue past it must be finished as DEADLINE,
  // unbegun. A lossy envelope may come twice, and needs no finish.
  virtual void begin(const pb::Envelope&, Time begin_before) = 0;
};

class Target {
 public:
  // References must outlive it.
  Target(const EdgeOptions&, const Clock&, Mappers&, TargetUser&);

  // Verdict, said, text of the outcome are the caller's; id and target are filled in. Unknown ids are
  // ignored.
  void finish(const pb::EnvelopeId&, pb::Outcome);
  std::size_t begun() const { return memory_.pending(); }  // and not finished

 private:
  friend class Edge;  // brings what comes by its pipes

  void envelope(Pipe, const pb::Envelope&);
  void ask(Pipe, const pb::Ask&);
  void turn() { memory_.forget_old(clock_.now()); }
  void refuse(Pipe, const pb::Envelope&, pb::Refused::Why, const char* text);
  void tell(Pipe, pb::Outcome&);

  const EdgeOptions& options_;
  const uint64_t process_epoch_;
  const Clock& clock_;
  Mappers& mappers_;
  TargetUser& user_;
  TargetMemory memory_;
  pb::Item item_;  // reused
};

}  // namespace stox::bus
