#include "common/bus/edge/edge.h"

#include <algorithm>
#include <map>

#include "common/base/text.h"
#include "common/bus/edge/envelope_name.h"
#include "common/bus/edge/hand_over.h"
#include "common/bus/edge/item_reader.h"
#include "common/bus/edge/origin.h"
#include "common/bus/edge/target_memory.h"

namespace stox::bus {
namespace {
constexpr Duration kSayAgain = std::chrono::minutes(1);
constexpr std::size_t kProcessesRemembered = 16;  // of one name, one after the other
}  // namespace

struct Edge::State final : Origin::Outlet, Calls::Ways {
  // What a mapper said of the edges, while it is ready.
  struct Mapper {
    Link link;
    std::vector<pb::Member> members;
    uint64_t members_version = 0;
    uint64_t session = 0;
    bool leaving = false;  // nothing new goes there
    bool removed = false;  // its place is free
  };

  State(EdgeOptions o, std::size_t mapper_count, Wire& w, const Clock& c, EdgeUser& u, Edge& e)
      : options(std::move(o)),
        wire(w),
        clock(c),
        user(u),
        edge(e),
        memory(options.max_memory),
        origin(options, clock, *this, user),
        hand_overs(options.name, options.epoch,
                   [this](const std::string& to, const pb::Item& i) {
                     if (const auto route = route_to(to, {})) put(route->pipe, i);
                   }),
        calls(options.name, clock, *this) {
    for (Pipe pipe = 0; pipe < mapper_count; ++pipe)
      mappers.push_back({.link = Link(pipe, wire), .members = {}});
  }

  const std::vector<Route>& routes() const override { return ready; }
  bool stands(const Route& route) const override {
    if (route.pipe >= mappers.size()) return false;
    const Link& link = mappers[route.pipe].link;
    return link.ready() && link.peer() == route.name && link.peer_epoch() == route.epoch;
  }
  uint64_t members_seen(const Route& route) const override { return mappers[route.pipe].members_version; }
  void send(const Route& route, const pb::Item& i, bool again) override {
    if (again) mappers[route.pipe].link.count_resent();
    put(route.pipe, i);
  }
  std::optional<Route> route_to(const std::string& name, const Route& preferred) const override {
    std::optional<Route> found;
    for (const Route& route : ready) {
      const auto& members = mappers[route.pipe].members;
      const bool lists =
          std::any_of(members.begin(), members.end(), [&](const pb::Member& m) { return m.name() == name; });
      if (lists && (!found || route == preferred)) found = route;
    }
    return found;
  }

  bool all_mappers_ready() const override {
    return std::all_of(mappers.begin(), mappers.end(),
                       [](const Mapper& m) { return m.leaving || m.link.ready(); });
  }

  bool pass_on(const std::string& to, const pb::Item& i) override {
    for (Pipe pipe = 0; pipe < mappers.size(); ++pipe) {
      if (mappers[pipe].link.up() && mappers[pipe].link.peer() == to) return put(pipe, i), true;
    }
    const auto route = route_to(to, {});
    if (route) put(route->pipe, i);
    return route.has_value();
  }
  void asked(const std::string& from, std::string_view text, Calls::TextReply reply) override {
    user.asked(from, text, std::move(reply));
  }
  void call_came(const pb::Call& question, Calls::Reply reply) override {
    user.call_came(question, std::move(reply));
  }

  void put(Pipe pipe, const pb::Item& i) {
    Link& link = mappers[pipe].link;
    if (!link.up()) return link.count_dropped(1);
    link.add(i, clock.now());
    if (!queued) {
      queued = true;
      if (edge.wake_) edge.wake_();
    }
  }

  void open(Pipe pipe);
  void hello(Pipe pipe);
  void beat(Pipe pipe);
  void lost(Pipe pipe);
  void update_routes();
  void note_members(const pb::Members&);
  bool is_newer(const pb::Member&, const pb::Member& than) const;
  void update_members();
  void handle(Pipe pipe, pb::Item& i);
  void envelope(Pipe pipe, const pb::Envelope& e);
  void refuse(Pipe pipe, const pb::Envelope& e, pb::Refused::Why why, const char* text);
  void ask(Pipe pipe, const pb::Ask& a);
  void tell(Pipe pipe, pb::Outcome& outcome);
  void trouble(const std::string& text);

  EdgeOptions options;
  Wire& wire;
  const Clock& clock;
  EdgeUser& user;
  Edge& edge;
  uint64_t process_epoch = 0;
  pb::Serving serving;
  std::vector<Mapper> mappers;
  std::vector<Route> ready;
  std::map<std::string, std::vector<uint64_t>> process_epochs;  // of every edge ever seen, newest last
  bool is_out_of_reach = true;
  std::vector<pb::Member> known;  // all edges, as the ready mappers list them
  TargetMemory memory;
  Origin origin;
  HandOvers hand_overs;
  Calls calls;
  Time last_turn{}, last_beat{}, last_flush{}, last_forget{};
  bool queued = false;
  std::string last_trouble;
  Time trouble_said{};
  ItemReader reader;
  pb::Item item;  // reused
};

Edge::Edge(EdgeOptions options, std::size_t mappers, Wire& wire, const Clock& clock, EdgeUser& user) {
  if (options.epoch == 0) options.epoch = static_cast<uint64_t>(clock.wall_us());
  s_ = std::make_unique<State>(std::move(options), mappers, wire, clock, user, *this);
  s_->process_epoch = s_->options.epoch;
  s_->last_turn = s_->last_beat = clock.now();
}

Edge::~Edge() = default;

// --- origin and target
// ------------------------------------------------------------------------------------------

Result<uint64_t> Edge::submit(pb::Envelope& envelope, Time begin_before, Time end_by, bool held) {
  if (auto taken = room(1); !taken) return tl::make_unexpected(taken.error());
  return s_->origin.submit(envelope, begin_before, end_by, held, &refusal_);
}

void Edge::let_go(uint64_t number) { s_->origin.let_go(number); }

Result<void> Edge::room(std::size_t more) { return s_->origin.room(more, &refusal_); }

pb::EnvelopeId Edge::new_id() { return s_->origin.new_id(); }

uint64_t Edge::restore(pb::Envelope& envelope, const RestoredTimes& times, uint32_t attempts) {
  return s_->origin.restore(envelope, times, attempts);
}

void Edge::restore_targets(const std::vector<PossibleTarget>& targets) {
  for (const PossibleTarget& one : targets) s_->origin.restore_target(one);
}

std::vector<PossibleTarget> Edge::possible_targets() const { return s_->origin.possible_targets(); }

void Edge::submit_lossy(pb::Envelope& envelope, Time begin_before) {
  s_->origin.submit_lossy(envelope, begin_before);
}

void Edge::finish(const pb::EnvelopeId& id, pb::Outcome outcome) {
  outcome.set_target(s_->options.name);
  *outcome.mutable_id() = id;
  const auto told = s_->memory.finish(outcome, s_->clock.now());
  for (const auto& [one, pipe] : told) {
    if (told.size() > 1) *outcome.mutable_id() = one;
    s_->tell(pipe, outcome);
  }
}

// Through the mapper that brought the envelope, or any: outcomes find their origin by name. With none, it is
// asked for.
void Edge::State::tell(Pipe pipe, pb::Outcome& outcome) {
  if (!mappers[pipe].link.up()) {
    if (ready.empty()) return;
    pipe = ready.front().pipe;
  }
  item.mutable_outcome()->Swap(&outcome);
  put(pipe, item);
  item.mutable_outcome()->Swap(&outcome);
}

void Edge::State::envelope(Pipe pipe, const pb::Envelope& e) {
  const Time now = clock.now();
  if (e.to_epoch() != options.epoch)
    return mappers[pipe].link.count_dropped(1);  // sent to what we were before we stood still
  if (options.bodies.of(e) == nullptr)
    return refuse(pipe, e, pb::Refused::UNKNOWN_BODY, "this version does not know such a message");
  if (serving.state() == pb::DRAINING) return refuse(pipe, e, pb::Refused::NOT_READY, "is draining");
  const Time begin_before = mappers[pipe].link.to_local(e.begin_before_us());
  if (now >= begin_before) return refuse(pipe, e, pb::Refused::EXPIRED, "came too late to begin");
  if (e.lossy()) return user.begin(e, begin_before);
  pb::Outcome outcome;
  switch (memory.take(e, pipe, now, &outcome)) {
    case TargetMemory::Verdict::kBegin:
      return user.begin(e, begin_before);
    case TargetMemory::Verdict::kEnded:
      return tell(pipe, outcome);
    case TargetMemory::Verdict::kOutOfOrder:
      return refuse(pipe, e, pb::Refused::OUT_OF_ORDER, "the message before it has not begun here");
    case TargetMemory::Verdict::kPending:
    case TargetMemory::Verdict::kPromised:
      return mappers[pipe].link.count_dropped(1);
  }
}

void Edge::State::refuse(Pipe pipe, const pb::Envelope& e, pb::Refused::Why why, const char* text) {
  pb::Refused& refused = *item.mutable_refused();
  *refused.mutable_id() = e.id();
  refused.set_attempt(e.attempt());
  refused.set_why(why);
  refused.set_text(text);
  refused.set_by(options.name);
  put(pipe, item);
}

void Edge::State::ask(Pipe pipe, const pb::Ask& a) {
  pb::Answer& answer = *item.mutable_answer();
  answer.Clear();
  pb::Outcome outcome;
  switch (memory.ask(a.id(), a.attempt(), clock.now(), &outcome)) {
    case TargetMemory::Verdict::kPending:
      answer.set_knows(pb::Answer::PENDING);
      break;
    case TargetMemory::Verdict::kEnded:
      answer.set_knows(pb::Answer::ENDED);
      *answer.mutable_outcome() = outcome;
      break;
    default:
      answer.set_knows(pb::Answer::UNKNOWN);
  }
  *answer.mutable_id() = a.id();
  answer.set_attempt(a.attempt());
  answer.set_by(options.name);
  answer.set_by_process_epoch(process_epoch);
  const Time since = std::max(memory.remembers_since(), clock.now() - 10 * kMemory);
  answer.set_remembers_ms(static_cast<uint32_t>(std::max<int64_t>(1, to_ms(clock.now() - since))));
  put(pipe, item);
}

bool Edge::hand_over(const std::string& to, uint64_t to_epoch, pb::HandOver what) {
  return s_->hand_overs.put(to, to_epoch, std::move(what), s_->clock.now());
}

Calls& Edge::calls() { return s_->calls; }

void Edge::set_serving(pb::Serving serving) {
  s_->serving = std::move(serving);
  for (Pipe pipe = 0; pipe < s_->mappers.size(); ++pipe) {
    if (s_->mappers[pipe].link.up()) s_->hello(pipe);
  }
}

// A mapper gives nothing to who drains, and says that it knows behind what it gave before.
bool Edge::has_last_envelope() const {
  return std::all_of(s_->mappers.begin(), s_->mappers.end(), [&](const State::Mapper& mapper) {
    return !mapper.link.up() ||
           std::any_of(mapper.members.begin(), mapper.members.end(), [&](const pb::Member& m) {
             return m.name() == s_->options.name && m.epoch() == s_->options.epoch &&
                    m.serving().state() == pb::DRAINING;
           });
  });
}

// --- mappers
// ----------------------------------------------------------------------------------------------------

void Edge::State::hello(Pipe pipe) {
  pb::Hello& h = *item.mutable_hello();
  pb::Member& who = *h.mutable_who();
  who.set_role(options.role);
  who.set_name(options.name);
  who.set_epoch(options.epoch);
  who.set_process_epoch(process_epoch);
  *who.mutable_serving() = serving;
  who.set_shared(options.shared);
  h.set_schema(kSchemaVersion);
  h.set_version(STOX_VERSION);
  h.set_session(mappers[pipe].session);
  put(pipe, item);
}

void Edge::State::open(Pipe pipe) {
  mappers[pipe].link.open(clock.now());
  ++mappers[pipe].session;
  hello(pipe);
  beat(pipe);
}

void Edge::State::beat(Pipe pipe) {
  *item.mutable_heartbeat() = mappers[pipe].link.make_heartbeat(clock.now(), true);
  put(pipe, item);
}

Pipe Edge::add_mapper() {
  auto& mappers = s_->mappers;
  const auto free = std::find_if(mappers.begin(), mappers.end(), [](const auto& m) { return m.removed; });
  if (free == mappers.end()) {
    const auto pipe = static_cast<Pipe>(mappers.size());
    mappers.push_back({.link = Link(pipe, s_->wire), .members = {}});
    return pipe;
  }
  free->leaving = free->removed = false;
  free->link.named({}, 0);
  return static_cast<Pipe>(free - mappers.begin());
}

void Edge::leave_mapper(Pipe pipe) {
  s_->mappers[pipe].leaving = true;
  s_->update_routes();
}

bool Edge::done_with(Pipe pipe) const { return s_->mappers[pipe].leaving && !s_->origin.uses(pipe); }

void Edge::remove_mapper(Pipe pipe) {
  s_->mappers[pipe].leaving = s_->mappers[pipe].removed = true;
  s_->lost(pipe);
}

void Edge::opened(Pipe pipe) {
  s_->open(pipe);
  s_->update_routes();
}

void Edge::closed(Pipe pipe) { s_->lost(pipe); }

void Edge::State::lost(Pipe pipe) {
  if (!mappers[pipe].link.up()) return;
  mappers[pipe].link.close();
  mappers[pipe].members.clear();
  if (mappers[pipe].leaving) return origin.routes_changed();  // asks for what was still in flight by it
  update_routes();
}

void Edge::State::update_routes() {
  std::vector<Route> now_ready;
  for (Pipe pipe = 0; pipe < mappers.size(); ++pipe) {
    const Link& link = mappers[pipe].link;
    if (link.ready() && !mappers[pipe].leaving) now_ready.push_back({pipe, link.peer(), link.peer_epoch()});
  }
  if (now_ready == ready) return;
  ready = std::move(now_ready);
  update_members();
  origin.routes_changed();
}

// Processes are as new as the news of them: epochs are of the wall clock, which may have been set back.
void Edge::State::note_members(const pb::Members& listed) {
  for (const pb::Member& m : listed.members()) {
    auto& seen = process_epochs[m.name()];
    if (std::find(seen.begin(), seen.end(), m.process_epoch()) != seen.end()) continue;
    if (seen.size() == kProcessesRemembered) seen.erase(seen.begin());
    seen.push_back(m.process_epoch());
  }
}

bool Edge::State::is_newer(const pb::Member& one, const pb::Member& than) const {
  // Only a process that renews its own epoch makes it greater than the one before.
  if (one.process_epoch() == than.process_epoch()) return one.epoch() > than.epoch();
  const auto& seen = process_epochs.at(one.name());
  return std::find(seen.rbegin(), seen.rend(), one.process_epoch()) <
         std::find(seen.rbegin(), seen.rend(), than.process_epoch());
}

// The union over ready mappers; without one, what was known last.
void Edge::State::update_members() {
  if (ready.empty()) return;
  std::vector<pb::Member> now_known;
  for (const Route& route : ready) {
    for (const pb::Member& m : mappers[route.pipe].members) {
      const auto same = std::find_if(now_known.begin(), now_known.end(),
                                     [&](const pb::Member& k) { return k.name() == m.name(); });
      if (same == now_known.end()) {
        now_known.push_back(m);
      } else if (is_newer(m, *same)) {
        *same = m;
      }
    }
  }
  const auto order = [](const pb::Member& a, const pb::Member& b) { return a.name() < b.name(); };
  std::sort(now_known.begin(), now_known.end(), order);
  const bool same =
      std::equal(now_known.begin(), now_known.end(), known.begin(), known.end(),
                 [](const auto& a, const auto& b) { return a.SerializeAsString() == b.SerializeAsString(); });
  if (same) return;
  known = std::move(now_known);
  std::vector<pb::Member> targets;
  for (const pb::Member& m : known) {
    if (m.name() != options.name) targets.push_back(m);
  }
  origin.targets_changed(targets);
  user.members_changed();
}

void Edge::frame(Pipe pipe, std::string_view bytes) {
  State& s = *s_;
  Link& link = s.mappers[pipe].link;
  if (!link.up()) opened(pipe);  // thought gone, and here it is
  link.heard(bytes.size(), s.clock.now());
  const bool whole = s.reader.read(bytes, [&](pb::Item& item) {
    link.count_received(item);
    s.handle(pipe, item);
  });
  if (whole) return;
  link.count_dropped(1);
  s.trouble(link.peer() + " sent what cannot be read" +
            (s.reader.why_broken().empty() ? "" : ": " + s.reader.why_broken()));
}

void Edge::State::trouble(const std::string& text) {
  if (text == last_trouble && clock.now() - trouble_said < kSayAgain) return;
  last_trouble = text;
  trouble_said = clock.now();
  user.bus_trouble(text);
}

void Edge::State::handle(Pipe pipe, pb::Item& i) {
  Link& link = mappers[pipe].link;
  switch (i.kind_case()) {
    case pb::Item::kEnvelope:
      return envelope(pipe, i.envelope());
    case pb::Item::kOutcome:
      return origin.outcome(i.outcome());
    case pb::Item::kRefused:
      return origin.refused(i.refused());
    case pb::Item::kAsk:
      return ask(pipe, i.ask());
    case pb::Item::kAnswer:
      return origin.answer(i.answer());
    case pb::Item::kHeartbeat:
      return link.heartbeat(i.heartbeat(), clock.now());
    case pb::Item::kHello:
      link.named(i.hello().who().name(), i.hello().who().epoch());
      return update_routes();
    case pb::Item::kMembers:
      mappers[pipe].members.assign(i.members().members().begin(), i.members().members().end());
      mappers[pipe].members_version = i.members().version();
      link.set_ready(i.members().ready());
      link.set_other_configuration(i.members().other_configuration());
      link.set_objection({});
      note_members(i.members());
      update_routes();
      return update_members();
    case pb::Item::kHelloWanted:
      open(pipe);
      return update_routes();
    case pb::Item::kHelloRefused:
      if (link.objection() == i.hello_refused().why()) return;
      link.set_objection(i.hello_refused().why());
      return user.bus_trouble("a mapper does not take us for " + options.name + ": " + link.objection());
    case pb::Item::kHandOver:
      if (hand_overs.arrived(i.hand_over(), clock.now())) user.handed_over(i.hand_over());
      return;
    case pb::Item::kHandOverAck:
      return hand_overs.acknowledged(i.hand_over_ack());
    case pb::Item::kCall:
      return calls.arrived(i.call(), [this, pipe](const pb::Item& answer) { put(pipe, answer); });
    case pb::Item::KIND_NOT_SET:
      return link.count_dropped(1);  // of a newer version
  }
}

// --- time
// -------------------------------------------------------------------------------------------------------

Time Edge::turn() {
  State& s = *s_;
  const Time now = s.clock.now();
  if (now - s.last_turn > kGone) {
    // Others think us gone, and may have begun elsewhere what waits for us unread: it was sent to the old
    // epoch.
    s.options.epoch = std::max(s.options.epoch + 1, static_cast<uint64_t>(s.clock.wall_us()));
    for (Pipe pipe = 0; pipe < s.mappers.size(); ++pipe) {
      if (s.mappers[pipe].link.up()) opened(pipe);
    }
  }
  Time heard{};
  for (const auto& m : s.mappers) heard = std::max(heard, m.link.heard());
  const bool stood_still = now - s.last_turn >= kOutOfReach;
  const bool is_out = stood_still || now - heard >= kOutOfReach;
  const bool was_out = std::exchange(s.is_out_of_reach, is_out);
  if (stood_still || (is_out && !was_out)) s.user.out_of_reach();
  s.last_turn = now;
  for (Pipe pipe = 0; pipe < s.mappers.size(); ++pipe) {
    if (s.mappers[pipe].link.silent(now)) s.lost(pipe);
  }
  if (now - s.last_beat >= kHeartbeat) {
    s.last_beat = now;
    for (Pipe pipe = 0; pipe < s.mappers.size(); ++pipe) {
      if (s.mappers[pipe].link.up()) s.beat(pipe);
    }
    if (!s.hand_overs.turn(now)) s.user.hand_overs_lost();
    s.calls.turn();
    s.memory.forget_old(now);
  }
  s.origin.turn();
  return std::min(s.last_beat + kHeartbeat, s.origin.next());
}

Time Edge::flush() {
  State& s = *s_;
  if (!s.queued) return kNever;
  const Time now = s.clock.now();
  // A wakeup that comes a little early, with others of the process, need not be followed by one of our own.
  if (now < s.last_flush + s.options.pace * 3 / 4) return s.last_flush + s.options.pace;
  s.last_flush = now;
  s.queued = false;
  for (State::Mapper& m : s.mappers) {
    if (m.link.up() && !m.link.flush(now)) s.queued = true;
  }
  return s.queued ? now + std::max<Duration>(s.options.pace, std::chrono::milliseconds(1)) : kNever;
}

// --- figures
// ----------------------------------------------------------------------------------------------------

const std::string& Edge::name() const { return s_->options.name; }
uint64_t Edge::epoch() const { return s_->options.epoch; }
std::vector<pb::Member> Edge::members() const { return s_->known; }
bool Edge::has_mapper() const { return !s_->ready.empty(); }
bool Edge::restart_pending() const {
  return !has_mapper() && std::any_of(s_->mappers.begin(), s_->mappers.end(), [](const State::Mapper& m) {
    return m.link.up() && m.link.other_configuration();
  });
}
std::size_t Edge::in_flight() const { return s_->origin.size(); }
std::size_t Edge::awaited() const { return s_->origin.awaited(); }
std::size_t Edge::begun() const { return s_->memory.pending(); }
std::size_t Edge::hand_overs_waiting() const { return s_->hand_overs.waiting(); }
uint64_t Edge::hand_overs_given_up() const { return s_->hand_overs.given_up(); }
std::size_t Edge::limit() const { return s_->options.max_in_flight; }
Duration Edge::oldest_in_flight() const { return s_->origin.oldest(); }
bool Edge::has_in_flight(const std::string& conversation, Time submitted_until) const {
  return s_->origin.has_in_flight(conversation, submitted_until);
}
std::vector<InFlight> Edge::list_in_flight(std::size_t max) const { return s_->origin.list(max); }

const std::deque<GivenUp>& Edge::given_up() const { return s_->origin.given_up(); }

Result<std::string> Edge::retry(const std::string& id, bool again) {
  for (GivenUp& one : s_->origin.given_up()) {
    const pb::EnvelopeId& its = one.envelope.id();
    if (envelope_name(its.origin(), its.epoch(), its.number()) != id) continue;
    const Time now = s_->clock.now();
    if (!may_retry(one, now))
      return error(id + " cannot be sent once more: it is too old, or too large to be kept");
    if (one.retried_us != 0 && !again) {
      return error(id + " was sent once more already, " +
                   std::to_string((s_->clock.wall_us() - one.retried_us) / 1'000'000) +
                   " s ago; once again, it may arrive twice: --again");
    }
    pb::Envelope copy = one.envelope;
    copy.clear_id();
    copy.set_dedup_key(0);
    const auto number = submit(copy, now + kRetryWithin, now + 2 * kRetryWithin);
    if (!number) return tl::make_unexpected(number.error());
    one.retried_us = s_->clock.wall_us();
    return to_hex(one.envelope.trace_id());
  }
  return error(id + " is not among what was given up here: `stoxctl failed` lists that");
}

std::size_t Edge::forget_given_up() {
  const std::size_t count = given_up().size();
  s_->origin.given_up().clear();
  return count;
}

std::vector<LinkFigures> Edge::links() const {
  std::vector<LinkFigures> out;
  for (const State::Mapper& m : s_->mappers) {
    if (!m.removed) out.push_back(m.link.figures(s_->clock.now()));
  }
  return out;
}

}  // namespace stox::bus
