// The pair of pipes between this process and one peer: what waits to be written, what was counted, when the
// peer was last heard, and how its clock stands to ours.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "common/base/clock.h"
#include "common/bus/wire/wire.h"
#include "proto/control.pb.h"

namespace stox::bus {

// Items are what an operator counts: envelopes, outcomes, refusals, asks, answers and hand-overs (not hellos,
// heartbeats or membership). sent here - received there = what is in the pipe.
struct LinkFigures {
  std::string peer;  // name; empty until it said hello
  uint64_t peer_epoch = 0;
  bool up = false;
  bool ready = false;                // of a mapper
  std::string objection;             // of a mapper that does not take our hello: why, for people
  bool other_configuration = false;  // of a mapper: it has other values of the shared keys
  uint64_t sent = 0, sent_bytes = 0;
  uint64_t received = 0, received_bytes = 0;
  uint64_t resent = 0;   // envelopes sent again after an ask
  uint64_t dropped = 0;  // items thrown away: pipe gone, wrong epoch, nobody asked
  uint64_t queued = 0;   // in this process, not yet given to the wire
  Duration oldest{0};    // age of the oldest item that the peer has not yet said to have received
};

class Link {
 public:
  Link(Pipe pipe, Wire& wire) : pipe_(pipe), wire_(wire) {}

  void open(Time now);  // a new session, begun by a hello: counts from zero
  void close();         // what waits is dropped

  void add(const pb::Item&, Time now);
  // Gives what waits to the wire. False: the pipe is full, it still waits.
  bool flush(Time now);
  bool full() const { return full_; }

  void heard(std::size_t bytes, Time now);
  void count_received(const pb::Item&);
  void count_dropped(uint64_t items) { figures_.dropped += items; }
  void count_resent() { ++figures_.resent; }
  void heartbeat(const pb::Heartbeat&, Time now);
  pb::Heartbeat make_heartbeat(Time now, bool ready) const;

  bool up() const { return figures_.up; }
  Time heard() const { return heard_; }  // of the peer, last
  bool silent(Time now) const;           // up, but not heard for three heartbeats
  // A time of the peer's monotonic clock in ours. Errs to the late side by the fastest one-way delay seen.
  Time to_local(int64_t peer_us) const;

  void named(std::string peer, uint64_t epoch) {
    figures_.peer = std::move(peer);
    figures_.peer_epoch = epoch;
  }
  void set_ready(bool ready) { figures_.ready = ready; }
  void set_other_configuration(bool other) { figures_.other_configuration = other; }
  bool other_configuration() const { return figures_.other_configuration; }
  void set_objection(std::string why) { figures_.objection = std::move(why); }
  const std::string& objection() const { return figures_.objection; }
  const std::string& peer() const { return figures_.peer; }
  uint64_t peer_epoch() const { return figures_.peer_epoch; }
  bool ready() const { return figures_.up && figures_.ready; }
  LinkFigures figures(Time now) const;

 private:
  Pipe pipe_;
  Wire& wire_;
  LinkFigures figures_;
  std::string frame_;         // serialised items, as a Batch
  uint64_t frame_items_ = 0;  // of them counted
  bool full_ = false;
  Time heard_{};
  std::deque<std::pair<uint64_t, Time>>
      unheard_;                       // cumulative sent at each flush, until the peer received so many
  std::array<int64_t, 8> offsets_{};  // our clock - the peer's, as the last heartbeats showed it
  std::size_t offset_count_ = 0;
};

}  // namespace stox::bus
