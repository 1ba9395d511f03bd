// An edge's end of the bus: a front or a worker. Four parts do its work, each with a header that can be read
// alone: it submits envelopes (origin.h), begins those of others (target.h), hands over to other workers
// (hand_over.h), asks and answers processes (calls.h). The edge brings them frames and time, and knows who is
// there. Free of I/O: frames come in by WireUser, go out by Wire, time by turn().
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/bus/calls/calls.h"
#include "common/bus/edge/edge_options.h"
#include "common/bus/edge/hand_over.h"
#include "common/bus/edge/item_reader.h"
#include "common/bus/edge/mappers.h"
#include "common/bus/edge/origin.h"
#include "common/bus/edge/target.h"
#include "common/bus/wire/link.h"
#include "common/bus/wire/wire.h"
#include "proto/control.pb.h"

namespace stox::bus {

// What the actor of a front or worker does for the bus. Calls come from frame() and turn(), and from
// Target::finish or Origin::submit never: so the actor is not re-entered.
class EdgeUser : public OriginUser, public TargetUser {
 public:
  // Worker: a hand-over from another worker, in order per stream, each once.
  virtual void handed_over(const pb::HandOver&) {}
  // A worker that did not acknowledge for too long gets no more hand-overs of the streams so far.
  virtual void hand_overs_lost() {}
  virtual void members_changed() {}
  // We stood still, or heard of no mapper, for so long that others have given up what we began. What has not
  // gone out must not go any more: newer messages may have overtaken it.
  virtual void out_of_reach() {}
  // A process, of any role, asks this one over the bus; the reply may come later.
  virtual void asked(const std::string& /*from*/, std::string_view /*text*/, Calls::TextReply reply) {
    reply({});
  }
  // The same for any question but stoxctl's. One that is not known is answered with nothing.
  virtual void call_came(const pb::Call&, Calls::Reply reply) { reply({}); }
  // Something keeps us from a mapper; for people, once until it changes.
  virtual void bus_trouble(const std::string& /*text*/) {}
};

class Edge : public WireUser, private Calls::Ways {
 public:
  // All references must outlive the edge. `mappers` is the number of pipes that the wire has already.
  Edge(EdgeOptions, std::size_t mappers, Wire&, const Clock&, EdgeUser&);

  Origin& origin() { return origin_; }
  const Origin& origin() const { return origin_; }
  Target& target() { return target_; }
  const Target& target() const { return target_; }
  HandOvers& hand_overs() { return hand_overs_; }
  const HandOvers& hand_overs() const { return hand_overs_; }
  Calls& calls() { return calls_; }

  const std::string& name() const { return options_.name; }
  uint64_t epoch() const { return options_.epoch; }
  void set_pace(Duration pace) { options_.pace = pace; }
  uint64_t received() const { return received_; }  // items, ever
  // All edges known through ready mappers.
  const std::vector<pb::Member>& members() const { return mappers_.members(); }
  bool has_mapper() const { return !mappers_.routes().empty(); }  // a ready one
  // None is ready, but one is there with other values of the shared keys.
  bool restart_pending() const { return mappers_.restart_pending(); }
  std::vector<LinkFigures> links() const { return mappers_.links(); }

  // Told to mappers, and by them to every edge. Say it again when it changes.
  void set_serving(pb::Serving serving) { mappers_.set_serving(std::move(serving)); }
  // Whether each mapper that we reach has heard that we drain, and all that it had given us before is here.
  bool has_last_envelope() const { return mappers_.all_know_that_we_drain(); }

  // Mappers come and go. A pipe for a new one; its number may have been one that was removed.
  Pipe add_mapper() { return mappers_.add(); }
  // Nothing new goes by it from now on; what is in flight by it still ends there.
  void leave_mapper(Pipe);
  bool done_with(Pipe) const;  // left, and nothing of ours is in flight by it
  void remove_mapper(Pipe);

  // Once per turn of the loop, before frames are read: heartbeats, time-outs, a loop that stood still.
  // Returns when it must be called next at the latest (at most a heartbeat away).
  Time turn();
  // Gives the queued items to the wire, about once per pace. Returns when to call again (kNever: nothing
  // queued).
  Time flush() { return mappers_.flush(); }
  // Called when something was queued while nothing was: the loop arranges a flush.
  void on_queued(std::function<void()> wake) { mappers_.on_queued(std::move(wake)); }

  void opened(Pipe) override;
  void frame(Pipe, std::string_view bytes) override;
  void closed(Pipe) override;

 private:
  bool pass_on(const std::string& to, const pb::Item& item) override { return mappers_.pass_on(to, item); }
  void asked(const std::string& from, std::string_view text, Calls::TextReply reply) override {
    user_.asked(from, text, std::move(reply));
  }
  void call_came(const pb::Call& question, Calls::Reply reply) override {
    user_.call_came(question, std::move(reply));
  }

  void handle(Pipe, pb::Item&);
  void update_routes();
  void update_members();
  void notice_standstill(Time now);
  void beat(Time now);
  void trouble(const std::string& text);

  EdgeOptions options_;
  uint64_t received_ = 0;
  const Clock& clock_;
  EdgeUser& user_;
  Mappers mappers_;
  Origin origin_;
  Target target_;
  HandOvers hand_overs_;
  Calls calls_;
  Time last_turn_, last_beat_;
  bool is_out_of_reach_ = true;
  std::string last_trouble_;
  Time trouble_said_{};
  ItemReader reader_;
};

}  // namespace stox::bus
