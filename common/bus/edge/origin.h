// The origin's side of an edge: it submits envelopes. It keeps those in flight, their order within
// conversations, and finds out what became of one whose outcome does not come (doc/bus.md). Each ends in
// exactly one OriginUser::ended, before its end time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/deadlines.h"
#include "common/base/result.h"
#include "common/bus/edge/edge_options.h"
#include "common/bus/edge/mappers.h"
#include "proto/control.pb.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"

namespace stox::bus {

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

class OriginUser {
 public:
  virtual ~OriginUser() = default;
  // How the envelope with this number ended; never during submit(). Its outcome is in our side's words,
  // translated by a mapper, unless `reason` is set: then the bus itself ended it.
  virtual void ended(uint64_t number, const pb::Outcome&) = 0;
};

class Origin {
 public:
  // References must outlive it.
  Origin(const EdgeOptions&, const Clock&, Mappers&, OriginUser&);
  ~Origin();

  // Fills schema, id, conversation_number, after, hops, attempt; the caller fills the rest (conversation,
  // dedup_key, trace_id, body). No target begins after `begin_before`; the outcome comes at `end_by` at the
  // latest. Returns the number; an Error when nothing was taken: at the bound, or no mapper for 10 s
  // (refusal() says which). `held`: it waits, and with it what follows in its conversation, until let_go(),
  // or in vain until `begin_before`.
  Result<uint64_t> submit(pb::Envelope&, Time begin_before, Time end_by, bool held = false);
  void let_go(uint64_t number);  // ignored when it has ended
  // Once and at once, or not at all: it is not kept, has no outcome, and counts nowhere.
  void submit_lossy(pb::Envelope&, Time begin_before);
  // Whether submit() would take so many more. Nothing but the edge's turn(), frame() and closed() changes it.
  Result<void> room(std::size_t more);
  pb::Reason refusal() const { return refusal_; }  // why the last submit failed, or the last room()

  // For who writes down what it submits. An envelope with such an id keeps it in submit().
  pb::EnvelopeId new_id();
  // Before anything is submitted: goes on with an envelope of a process of this name before us, its id
  // included. It is sent again only when every edge that could have it has said that it has not; what one
  // took with it that has gone is in doubt. `attempts`: higher than any it was sent with. Returns the number
  // that ended() will have; taken in any case.
  uint64_t restore(pb::Envelope&, const RestoredTimes&, uint32_t attempts);
  // Who could have been given what is restored, as possible_targets() said there.
  void restore_targets(const std::vector<PossibleTarget>&);
  std::vector<PossibleTarget> possible_targets() const;

  std::size_t in_flight() const { return entries_.size(); }
  std::size_t limit() const { return options_.max_in_flight; }
  // Of those in flight, all that are not fleeting (BodyKind).
  std::size_t awaited() const { return awaited_; }
  bool has_in_flight(const std::string& conversation, Time submitted_until) const;
  Duration oldest_in_flight() const;
  std::vector<InFlight> list_in_flight(std::size_t max) const;

  const std::deque<GivenUp>& given_up() const { return given_up_; }  // latest last; none that are fleeting
  // Submits a copy of one, by its id as text (ORIGIN.EPOCH.NUMBER), as a message of its own. Its outcome is a
  // hop of its trace. Returns the trace id in hex. `again`: also if that was done before.
  Result<std::string> retry(const std::string& id, bool again);
  std::size_t forget_given_up();  // all of them; how many there were

 private:
  friend class Edge;  // brings what comes, and says what has changed

  void outcome(const pb::Outcome&);
  void refused(const pb::Refused&);
  void answer(const pb::Answer&);
  void routes_changed();       // a mapper became ready, went, or has a new epoch
  bool uses(Pipe pipe) const;  // something is in flight by it
  void members_changed();      // other edges came or went
  void turn();
  Time next() const { return deadlines_.next(); }

  enum class Stage { kOrder, kMapper, kTarget, kRetry, kSent, kAsked };
  struct Entry;
  using Conversation = std::deque<Entry*>;  // those in flight, in order
  // An edge that could have been given an envelope; stays known for a while after it has gone.
  struct Target {
    std::string name;
    uint64_t process_epoch = 0;
    bool other_role = true;  // it may be given what names no edge
    bool present = true;
    bool lost = false;  // gone for good: replaced, or gone for kGone
    Time gone_at{};
  };
  using TargetKey = std::pair<std::string, uint64_t>;

  Entry* find(uint64_t number) const;
  Entry* find(const pb::EnvelopeId&) const;
  Entry& insert(pb::Envelope&, uint64_t number);
  std::optional<Route> choose(const std::string& conversation, uint32_t refusals) const;
  void fill(pb::Envelope&, Time begin_before);
  void try_send(Entry&);  // or lets it wait
  void proceed(Entry&);   // the same, and then those behind it
  void wait(Entry&, Stage, Time at);
  void wake(Entry&, Time at);
  void ask(Entry&);
  void ask_those_waiting(Entry&);
  void resolve(Entry&);
  bool may_ask(const Entry&) const;
  void send_again(Entry&);
  void step(Entry&);
  void release(const std::string& conversation);
  void end(Entry&, const pb::Outcome&);
  void note_given_up(const Entry&, const pb::Outcome&);
  void fail(Entry&, pb::Reason, std::string text);
  void doubt(Entry&, const std::string& why);
  std::vector<uint64_t> numbers(const std::function<bool(const Entry&)>&) const;
  Target* target(const TargetKey&);
  bool could_have(const Target&, const Entry&) const;
  bool was_there(const Entry&) const;
  void supersede(const Entry& by);

  const EdgeOptions& options_;
  const Clock& clock_;
  Mappers& mappers_;
  OriginUser& user_;
  pb::Reason refusal_ = pb::NOT_GIVEN;
  const Time started_;
  uint64_t next_number_ = 1;
  uint64_t targets_version_ = 1;
  Time route_seen_;   // when there was a ready mapper last
  Time target_seen_;  // when there was any target last
  std::unordered_map<uint64_t, std::unique_ptr<Entry>> entries_;
  std::size_t awaited_ = 0;
  // Of restored entries, whose numbers were given by a process before us: ours for them.
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> restored_;  // (epoch, number)
  std::vector<std::unique_ptr<Entry>> spare_;                   // ended ones, their strings kept
  std::unordered_map<std::string, Conversation> conversations_;
  std::vector<Target> targets_;
  std::deque<GivenUp> given_up_;
  Deadlines<uint64_t> deadlines_;
  pb::Item item_;  // reused
};

}  // namespace stox::bus
