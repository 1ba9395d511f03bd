// An edge's end of the bus: a front or a worker. It is the origin of the envelopes it submits and the target
// of those it is asked to begin. Free of I/O: frames come in by WireUser, go out by Wire, time by turn().
//
// As origin: every submitted envelope ends in exactly one EdgeUser::ended, before its end time.
// As target: every id, and every dedup_key within a conversation, begins at most once in 120 s, a dedup_key
// that was given back untouched (LINK_DOWN, OVERLOADED, STOPPING) once more; what was answered `unknown`
// never begins.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/bus/calls/calls.h"
#include "common/bus/edge/edge_user.h"
#include "common/bus/wire/link.h"
#include "common/bus/wire/wire.h"
#include "proto/control.pb.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"

namespace stox::bus {

class Edge : public WireUser {
 public:
  // All references must outlive the edge. `mappers` is the number of pipes that the wire has already.
  Edge(EdgeOptions, std::size_t mappers, Wire&, const Clock&, EdgeUser&);
  ~Edge() override;

  // Origin. Fills schema, id, conversation_number, after, hops, attempt; the caller fills the rest
  // (conversation, dedup_key, trace_id, body). No target begins after `begin_before`; the outcome comes at
  // `end_by` at the latest. Returns the number; an Error when nothing was taken: at the bound, or no mapper
  // for 10 s (refusal() says which). `held`: it waits, and with it what follows in its conversation, until
  // let_go(), or in vain until `begin_before`.
  Result<uint64_t> submit(pb::Envelope&, Time begin_before, Time end_by, bool held = false);
  void let_go(uint64_t number);  // ignored when it has ended
  // Once and at once, or not at all: it is not kept, has no outcome, and counts nowhere.
  void submit_lossy(pb::Envelope&, Time begin_before);
  // Whether submit() would take so many more. Nothing but turn(), frame() and closed() changes it.
  Result<void> room(std::size_t more);
  pb::Reason refusal() const { return refusal_; }  // why the last submit failed, or the last room()

  // For an origin that writes down what it submits. An envelope with such an id keeps it in submit().
  pb::EnvelopeId new_id();
  // Before anything is submitted: goes on with an envelope of a process of this name before us, its id
  // included. It is sent again only when every edge that could have it has said that it has not; what one
  // took with it that has gone is in doubt. `attempts`: higher than any it was sent with. Returns the number
  // that ended() will have; taken in any case.
  uint64_t restore(pb::Envelope&, const RestoredTimes&, uint32_t attempts);
  // Who could have been given what is restored, as possible_targets() said there.
  void restore_targets(const std::vector<PossibleTarget>&);
  std::vector<PossibleTarget> possible_targets() const;

  // Target. Verdict, said, text of the outcome are the caller's; id and target are filled in. Unknown ids are
  // ignored.
  void finish(const pb::EnvelopeId&, pb::Outcome);

  // To another worker's process, by the epoch that it began with: delivered in order per stream, again until
  // acknowledged. The stream and what is handed over are the caller's. False: too many wait already; it gets
  // no more of this stream (EdgeUser::hand_overs_lost).
  [[nodiscard]] bool hand_over(const std::string& to, uint64_t to_epoch, pb::HandOver);

  // Mappers come and go. A pipe for a new one; its number may have been one that was removed.
  Pipe add_mapper();
  // Nothing new goes by it from now on; what is in flight by it still ends there.
  void leave_mapper(Pipe);
  bool done_with(Pipe) const;  // left, and nothing of ours is in flight by it
  void remove_mapper(Pipe);

  // What processes ask each other.
  Calls& calls();

  // Told to mappers, and by them to every edge. Say it again when it changes.
  void set_serving(pb::Serving);
  // Whether each mapper that we reach has heard that we drain, and all that it had given us before is here.
  bool has_last_envelope() const;

  // Once per turn of the loop, before frames are read: heartbeats, time-outs, a loop that stood still.
  // Returns when it must be called next at the latest (at most a heartbeat away).
  Time turn();
  // Gives the queued items to the wire, about once per pace. Returns when to call again (kNever: nothing
  // queued).
  Time flush();
  // Called when something was queued while nothing was: the loop arranges a flush.
  void on_queued(std::function<void()> wake) { wake_ = std::move(wake); }

  const std::string& name() const;
  uint64_t epoch() const;
  std::vector<pb::Member> members() const;  // all edges known through ready mappers
  bool has_mapper() const;                  // a ready one
  bool restart_pending() const;   // none is ready, but one is there with other values of the shared keys
  std::size_t in_flight() const;  // as origin
  std::size_t awaited() const;    // of these, all that are not fleeting (BodyKind)
  std::size_t begun() const;      // as target: begun and not finished
  std::size_t limit() const;
  std::size_t hand_overs_waiting() const;  // not acknowledged
  uint64_t hand_overs_given_up() const;
  Duration oldest_in_flight() const;
  bool has_in_flight(const std::string& conversation, Time submitted_until) const;  // as origin
  std::vector<InFlight> list_in_flight(std::size_t max) const;
  std::vector<LinkFigures> links() const;
  const std::deque<GivenUp>& given_up() const;  // the last ones, latest last; none that are fleeting
  // Submits a copy of one, by its id as text (ORIGIN.EPOCH.NUMBER), as a message of its own. Its outcome is a
  // hop of its trace. Returns the trace id in hex. `again`: also if that was done before.
  Result<std::string> retry(const std::string& id, bool again);
  std::size_t forget_given_up();  // all of them; how many there were

  void opened(Pipe) override;
  void frame(Pipe, std::string_view bytes) override;
  void closed(Pipe) override;

 private:
  struct State;
  std::unique_ptr<State> s_;
  pb::Reason refusal_ = pb::NOT_GIVEN;
  std::function<void()> wake_;
};

}  // namespace stox::bus
