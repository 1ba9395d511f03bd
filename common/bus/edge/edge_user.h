// What an edge and the actor that owns it say to each other: options, what begins and ends, what there is to
// show.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/bus/edge/body.h"
#include "common/bus/wire/times.h"
#include "proto/control.pb.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"

namespace stox::bus {

struct EdgeOptions {
  std::string name;           // SECTION or SECTION@INSTANCE
  pb::Role role = pb::FRONT;  // FRONT or WORKER
  uint64_t epoch = 0;         // new at each start; 0: taken from the clock
  std::size_t max_in_flight = 4096;
  std::size_t max_memory = 262'144;  // ids remembered as target
  Duration pace = std::chrono::milliseconds(2);
  bool resend_on_doubt = false;  // whatever the kind of body
  uint64_t shared = 0;           // digest of the keys that all processes must have alike; 0: not compared
  BodyKinds bodies = {};         // that this edge speaks; it refuses others
};

// An edge that may have been given an envelope of ours.
struct PossibleTarget {
  std::string name;
  uint64_t process_epoch = 0;
  bool present = true;
  Time gone_at{};  // if not present
};

// Of an envelope that a process of this name before us has submitted. `submitted` is a lower bound.
struct RestoredTimes {
  Time submitted, begin_before, end_by;
};

// An envelope of ours that the gateway itself gave up: no peer refused it.
struct GivenUp {
  pb::Envelope envelope;
  bool has_body = true;  // false: it was too large to be kept
  pb::Outcome outcome;
  Time at{};
  int64_t wall_us = 0;
  bool is_doubt = false;   // it may have been delivered
  int64_t retried_us = 0;  // wall clock: it was sent once more then; 0 = never
};
// Its body is there, and young enough that somebody may still want it.
inline bool may_retry(const GivenUp& one, Time now) {
  return one.has_body && now - one.at < std::chrono::minutes(10);
}

// What the actor of a front or worker does for the bus. Calls come from frame() and turn(), and from finish()
// or submit() never: so the actor is not re-entered.
class EdgeUser {
 public:
  virtual ~EdgeUser() = default;
  // Target: begin this; call Edge::finish with its id exactly once, sooner or later. The envelope lives
  // during the call. `begin_before` is in our own clock: what waits in a queue past it must be finished as
  // DEADLINE, unbegun. A lossy envelope may come twice, and needs no finish.
  virtual void begin(const pb::Envelope&, Time begin_before) = 0;
  // Origin: how the envelope with this number ended. Its outcome is in our side's words, translated by a
  // mapper, unless `reason` is set: then the bus itself ended it.
  virtual void ended(uint64_t number, const pb::Outcome&) = 0;
  // Worker: a hand-over from another worker, in order per stream, each once.
  virtual void handed_over(const pb::HandOver&) {}
  // A worker that did not acknowledge for too long gets no more hand-overs of the streams so far.
  virtual void hand_overs_lost() {}
  virtual void members_changed() {}
  // We stood still, or heard of no mapper, for so long that others have given up what we began. What has not
  // gone out must not go any more: newer messages may have overtaken it.
  virtual void out_of_reach() {}
  // A process, of any role, asks this one over the bus; the reply may come later.
  virtual void asked(const std::string& /*from*/, std::string_view /*text*/,
                     std::function<void(std::string)> reply) {
    reply({});
  }
  // The same for any question but stoxctl's. One that is not known is answered with nothing.
  virtual void call_came(const pb::Call&, std::function<void(pb::Call)> reply) { reply({}); }
  // Something keeps us from a mapper; for people, once until it changes.
  virtual void bus_trouble(const std::string& /*text*/) {}
};

// An envelope this process originated and that has not ended.
struct InFlight {
  uint64_t number = 0;
  uint64_t id_epoch = 0, id_number = 0;  // of its id; another process's if it was restored
  std::string trace_id;                  // 16 bytes
  std::string conversation;
  const char* stage = "";  // waiting for order, waiting for a mapper, sent, asked
  std::string at;          // the mapper it was sent through last
  uint32_t attempts = 0;
  Time submitted{};
};

}  // namespace stox::bus
