// The origin's side of an edge: the table of its envelopes in flight, their order within conversations, and
// what is done when an outcome does not come (design: "The life of a message"). Every envelope ends once.
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
#include "common/bus/edge/edge_user.h"
#include "common/bus/wire/wire.h"
#include "proto/control.pb.h"

namespace stox::bus {

// A ready mapper.
struct Route {
  Pipe pipe = 0;
  std::string name;
  uint64_t epoch = 0;
  bool operator==(const Route&) const = default;
};

class Origin {
 public:
  // How the origin reaches others; the edge.
  class Outlet {
   public:
    virtual ~Outlet() = default;
    virtual const std::vector<Route>& routes() const = 0;
    // What was sent by this route can still be answered through it (it may no longer be one of routes()).
    virtual bool stands(const Route&) const = 0;
    // The version of the edges listed by its mapper that targets_changed() was told last.
    virtual uint64_t members_seen(const Route&) const = 0;
    virtual void send(const Route&, const pb::Item&, bool again) = 0;
    // A route whose mapper lists this edge; `preferred` if it does.
    virtual std::optional<Route> route_to(const std::string& edge, const Route& preferred) const = 0;
    // Every configured mapper is a route.
    virtual bool all_mappers_ready() const = 0;
  };

  Origin(const EdgeOptions&, const Clock&, Outlet&, EdgeUser&);
  ~Origin();

  // The id of the next envelope, to be put into it before submit().
  pb::EnvelopeId new_id();
  // Whether so many more would be taken now.
  Result<void> room(std::size_t more, pb::Reason* refusal) const;
  Result<uint64_t> submit(pb::Envelope&, Time begin_before, Time end_by, bool held, pb::Reason* refusal);
  void let_go(uint64_t number);
  bool has_in_flight(const std::string& conversation, Time submitted_until) const;
  void submit_lossy(pb::Envelope&, Time begin_before);
  uint64_t restore(pb::Envelope&, const RestoredTimes&, uint32_t attempts);
  void restore_target(const PossibleTarget&);
  std::vector<PossibleTarget> possible_targets() const;

  void outcome(const pb::Outcome&);
  void refused(const pb::Refused&);
  void answer(const pb::Answer&);

  void routes_changed();       // a mapper became ready, went, or has a new epoch
  bool uses(Pipe pipe) const;  // something is in flight by it
  // The other edges that are there now, of both roles.
  void targets_changed(const std::vector<pb::Member>& present);

  void turn();
  Time next() const { return deadlines_.next(); }
  std::size_t size() const { return entries_.size(); }
  std::size_t awaited() const { return awaited_; }  // that are not fleeting
  Duration oldest() const;
  std::vector<InFlight> list(std::size_t max) const;
  const std::deque<GivenUp>& given_up() const { return given_up_; }
  std::deque<GivenUp>& given_up() { return given_up_; }

 private:
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
  Outlet& outlet_;
  EdgeUser& user_;
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
