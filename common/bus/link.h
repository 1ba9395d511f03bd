// One directed pair of pipes between this process and a peer, as it counts it.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/clock.h"

namespace stox::bus {

// Items are what an operator counts: envelopes, outcomes, refusals, asks, answers and hand-overs (not hellos,
// heartbeats or membership). sent here - received there = what is in the pipe.
struct LinkFigures {
  std::string peer;  // name; empty until it said hello
  uint64_t peer_epoch = 0;
  bool up = false;
  bool ready = false;  // of a mapper
  uint64_t sent = 0, sent_bytes = 0;
  uint64_t received = 0, received_bytes = 0;
  uint64_t resent = 0;   // envelopes sent again after an ask
  uint64_t dropped = 0;  // items thrown away: pipe gone or full, wrong epoch, nobody asked
  uint64_t queued = 0;   // in this process, not yet given to the wire
  Duration oldest{0};    // age of the oldest item that the peer has not yet said to have received
};

}  // namespace stox::bus
