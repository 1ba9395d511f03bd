#include "common/bus/origin.h"

#include <algorithm>

#include "common/base/hash.h"
#include "common/bus/item_reader.h"

namespace stox::bus {
namespace {

constexpr Duration kAskAgain = std::chrono::seconds(1);
constexpr Duration kRetry = std::chrono::milliseconds(50);
constexpr std::size_t kSpare = 4096;
constexpr std::size_t kGivenUp = 500, kGivenUpBytes = 16'384;
// What is restored has at least so long to be asked for.
constexpr Duration kRestoredPatience = std::chrono::seconds(20);

}  // namespace

struct Origin::Entry {
  uint64_t number = 0;
  pb::Envelope envelope;
  Stage stage = Stage::kMapper;
  Time submitted{}, begin_before{}, end_by{};
  Time unplaced{};  // since when nobody could take it
  Time wake_at = kNever;
  Route via;
  Time sent_at{};
  uint32_t attempts = 0;
  uint32_t refusals = 0;
  bool held = false;       // until let_go()
  bool after_all = false;  // a target did not know the predecessor: wait until that has ended
  uint64_t targets_version = 0;
  TargetKey holder;                // who said that it is pending there; empty = not known
  bool via_waited = false;         // the mapper has not answered that it passed all on
  std::vector<TargetKey> waiting;  // asked, and no word yet
  bool restored = false;           // by us, and not asked for yet
  std::string lost_with;           // what became of a possible target, if that makes it a doubt
};

Origin::Origin(const EdgeOptions& options, const Clock& clock, Outlet& outlet, EdgeUser& user)
    : options_(options),
      clock_(clock),
      outlet_(outlet),
      user_(user),
      started_(clock.now()),
      route_seen_(clock.now()),
      target_seen_(clock.now()) {}

Origin::~Origin() = default;

Origin::Entry* Origin::find(uint64_t number) const {
  const auto it = entries_.find(number);
  return it == entries_.end() ? nullptr : it->second.get();
}

// An entry keeps the id it was submitted with: our epoch changes when the loop stood still.
Origin::Entry* Origin::find(const pb::EnvelopeId& id) const {
  Entry* entry = find(id.number());
  if (entry != nullptr && entry->envelope.id().epoch() == id.epoch() &&
      entry->envelope.id().number() == id.number()) {
    return entry;
  }
  const auto restored = restored_.find({id.epoch(), id.number()});
  return restored == restored_.end() ? nullptr : find(restored->second);
}

pb::EnvelopeId Origin::new_id() {
  pb::EnvelopeId id;
  id.set_origin(options_.name);
  id.set_epoch(options_.epoch);
  id.set_number(next_number_++);
  return id;
}

Result<void> Origin::room(std::size_t more, pb::Reason* refusal) const {
  if (entries_.size() + more > options_.max_in_flight) {
    *refusal = pb::OVERLOADED;
    return error("max_in_flight (" + std::to_string(options_.max_in_flight) + ") messages are in flight");
  }
  if (outlet_.routes().empty() && clock_.now() - route_seen_ >= kPatience) {
    *refusal = pb::NO_TARGET;
    return error("no mapper is ready: is stox-mapper running and its address right?");
  }
  return {};
}

Result<uint64_t> Origin::submit(pb::Envelope& envelope, Time begin_before, Time end_by, bool held,
                                pb::Reason* refusal) {
  if (auto taken = room(1, refusal); !taken) return tl::make_unexpected(taken.error());
  if (envelope.id().number() == 0) *envelope.mutable_id() = new_id();
  Entry& entry = insert(envelope, envelope.id().number());
  entry.submitted = clock_.now();
  entry.begin_before = begin_before;
  entry.end_by = end_by;
  entry.held = held;
  fill(entry.envelope, begin_before);
  try_send(entry);
  return entry.number;
}

void Origin::let_go(uint64_t number) {
  Entry* entry = find(number);
  if (entry != nullptr && std::exchange(entry->held, false)) release(entry->envelope.conversation());
}

bool Origin::has_in_flight(const std::string& conversation, Time submitted_until) const {
  const auto found = conversations_.find(conversation);
  return found != conversations_.end() && found->second.front()->submitted <= submitted_until;
}

uint64_t Origin::restore(pb::Envelope& envelope, const RestoredTimes& times, uint32_t attempts) {
  Entry& entry = insert(envelope, next_number_++);
  restored_[{entry.envelope.id().epoch(), entry.envelope.id().number()}] = entry.number;
  const Time now = clock_.now();
  entry.submitted = entry.sent_at = times.submitted;
  entry.begin_before = times.begin_before;
  entry.end_by = std::max(times.end_by, now + kRestoredPatience);
  entry.attempts = attempts;
  entry.restored = true;
  entry.envelope.set_begin_before_us(to_us(times.begin_before));
  entry.stage = Stage::kAsked;
  wake(entry, now);
  return entry.number;
}

void Origin::restore_target(const PossibleTarget& t) {
  if (target({t.name, t.process_epoch}) == nullptr)
    targets_.push_back({t.name, t.process_epoch, t.present, false, t.gone_at});
}

std::vector<PossibleTarget> Origin::possible_targets() const {
  std::vector<PossibleTarget> out;
  for (const Target& t : targets_) out.push_back({t.name, t.process_epoch, t.present, t.gone_at});
  return out;
}

// At the end of its conversation.
Origin::Entry& Origin::insert(pb::Envelope& envelope, uint64_t number) {
  std::unique_ptr<Entry> fresh;
  if (spare_.empty()) {
    fresh = std::make_unique<Entry>();
  } else {
    fresh = std::move(spare_.back());
    spare_.pop_back();
  }
  Entry& entry = *fresh;
  entry.envelope.Swap(&envelope);
  entry.number = number;
  Conversation& conversation = conversations_[entry.envelope.conversation()];
  entry.envelope.set_conversation_number(
      conversation.empty() ? 1 : conversation.back()->envelope.conversation_number() + 1);
  conversation.push_back(&entry);
  entries_[number] = std::move(fresh);
  return entry;
}

void Origin::fill(pb::Envelope& e, Time begin_before) {
  e.set_schema(kSchemaVersion);
  e.set_begin_before_us(to_us(begin_before));
  e.set_hops(0);
}

// Whatever comes back for it (a refusal by the mapper, say) finds no entry and is dropped.
void Origin::submit_lossy(pb::Envelope& envelope, Time begin_before) {
  const auto route = choose(envelope.conversation(), 0);
  if (!route) return;
  *envelope.mutable_id() = new_id();
  fill(envelope, begin_before);
  envelope.set_lossy(true);
  envelope.set_attempt(1);
  envelope.set_to_epoch(route->epoch);
  item_.mutable_envelope()->Swap(&envelope);
  outlet_.send(*route, item_, false);
  item_.mutable_envelope()->Swap(&envelope);
  envelope.set_lossy(false);
  envelope.clear_id();
}

std::optional<Route> Origin::choose(const std::string& conversation, uint32_t refusals) const {
  // The best mapper by rendezvous; after a refusal the next best.
  const auto& routes = outlet_.routes();
  if (routes.empty()) return std::nullopt;
  if (routes.size() == 1) return routes.front();
  std::vector<std::pair<uint64_t, const Route*>> ranked;
  ranked.reserve(routes.size());
  for (const Route& route : routes) ranked.emplace_back(rendezvous_weight(conversation, route.name), &route);
  std::sort(ranked.begin(), ranked.end(), std::greater<>());
  return *ranked[refusals % ranked.size()].second;
}

void Origin::try_send(Entry& entry) {
  if (entry.held) return wait(entry, Stage::kOrder, entry.begin_before);
  const Time now = clock_.now();
  const auto route = choose(entry.envelope.conversation(), entry.refusals);
  if (!route) return wait(entry, Stage::kMapper, std::max(now, route_seen_) + kPatience);
  const Conversation& conversation = conversations_[entry.envelope.conversation()];
  const Entry* before = nullptr;
  if (conversation.front() != &entry) {
    // Usually the last one; searched from the back, where the entry itself is.
    before = *std::next(std::find(conversation.rbegin(), conversation.rend(), &entry));
    // `after` names a number of the same epoch.
    const bool same_way = before->stage == Stage::kSent && before->via == *route &&
                          before->targets_version == targets_version_ &&
                          before->envelope.id().epoch() == entry.envelope.id().epoch();
    if (entry.after_all || !same_way) return wait(entry, Stage::kOrder, entry.begin_before);
  }
  entry.stage = Stage::kSent;
  entry.via = *route;
  entry.sent_at = now;
  entry.targets_version = targets_version_;
  entry.holder = {};
  entry.lost_with.clear();
  ++entry.attempts;
  entry.envelope.set_attempt(entry.attempts);
  entry.envelope.set_after(before == nullptr ? 0 : before->envelope.id().number());
  entry.envelope.set_to_epoch(route->epoch);
  item_.mutable_envelope()->Swap(&entry.envelope);
  outlet_.send(*route, item_, entry.attempts > 1);
  item_.mutable_envelope()->Swap(&entry.envelope);
  wake(entry, now + kAttemptTimeout);
}

void Origin::proceed(Entry& entry) {
  const bool alone = conversations_[entry.envelope.conversation()].back() == &entry;
  try_send(entry);
  if (!alone && entry.stage == Stage::kSent) release(entry.envelope.conversation());
}

void Origin::wait(Entry& entry, Stage stage, Time at) {
  if ((stage == Stage::kMapper || stage == Stage::kTarget) && entry.unplaced == Time{})
    entry.unplaced = clock_.now();
  entry.stage = stage;
  wake(entry, std::min(at, entry.begin_before));
}

void Origin::wake(Entry& entry, Time at) {
  entry.wake_at = std::min(at, entry.end_by);
  deadlines_.add(entry.wake_at, entry.number);
}

void Origin::turn() {
  const Time now = clock_.now();
  if (!outlet_.routes().empty()) route_seen_ = now;
  for (Target& t : targets_) {
    if (t.present) target_seen_ = now;
    if (!t.present && !t.lost && now - t.gone_at >= kGone) t.lost = true;
  }
  while (const auto number = deadlines_.pop_due(now)) {
    Entry* entry = find(*number);
    if (entry == nullptr || entry->wake_at > now) continue;  // ended, or a later deadline was added
    entry->wake_at = kNever;
    step(*entry);
  }
  std::erase_if(targets_,
                [&](const Target& t) { return t.lost && now - std::max(t.gone_at, started_) >= kMemory; });
}

void Origin::step(Entry& entry) {
  const Time now = clock_.now();
  const bool sent = entry.stage == Stage::kSent || entry.stage == Stage::kAsked;
  if (sent && now >= entry.end_by) {
    const std::string where = entry.holder.first.empty() ? entry.via.name : entry.holder.first;
    return fail(entry, pb::DEADLINE, "no answer in time from " + where + "; may have been delivered");
  }
  if (!sent && now >= entry.begin_before) {
    return fail(entry, pb::DEADLINE,
                entry.stage == Stage::kOrder ? "waited in vain for an earlier message of this conversation"
                                             : "could not be handed on in time");
  }
  switch (entry.stage) {
    case Stage::kOrder:
      return wake(entry, entry.begin_before);
    case Stage::kMapper:
      if (now - std::max(route_seen_, entry.unplaced) >= kPatience) {
        return fail(entry, pb::NO_TARGET, "no mapper is ready: is stox-mapper running?");
      }
      return proceed(entry);
    case Stage::kTarget:
      if (now - entry.unplaced >= kPatience) return fail(entry, pb::NO_TARGET, "nobody there to take it");
      return proceed(entry);
    case Stage::kRetry:
      return proceed(entry);
    case Stage::kSent:
      return ask(entry);
    case Stage::kAsked:
      return resolve(entry);
  }
}

void Origin::refused(const pb::Refused& refused) {
  Entry* entry = find(refused.id());
  if (entry == nullptr || refused.attempt() != entry->attempts) return;
  if (entry->stage != Stage::kSent && entry->stage != Stage::kAsked) return;
  const Time now = clock_.now();
  const std::string by = refused.by() + ": " + refused.text();
  switch (refused.why()) {
    case pb::Refused::OUT_OF_ORDER:
      entry->after_all = true;
      wait(*entry, Stage::kOrder, entry->begin_before);
      return release(entry->envelope.conversation());
    case pb::Refused::NO_TARGET:
      // A target that was there a moment ago is being restarted: wait for it, but not for one that never was.
      if (now - target_seen_ >= kPatience ||
          (entry->unplaced != Time{} && now - entry->unplaced >= kPatience)) {
        return fail(*entry, pb::NO_TARGET, by);
      }
      // Another mapper may see a target that this one does not: a link is down.
      ++entry->refusals;
      return wait(*entry, Stage::kTarget,
                  now + (entry->refusals < outlet_.routes().size() ? kRetry : kAskAgain));
    case pb::Refused::EXPIRED:
      return fail(*entry, pb::DEADLINE, by);
    case pb::Refused::TOO_MANY_HOPS:
    case pb::Refused::UNKNOWN_BODY:
      return fail(*entry, pb::UNSUPPORTED, by);
    default:  // BUSY, NOT_READY: another mapper, or this one a little later
      ++entry->refusals;
      return wait(*entry, Stage::kRetry, now + kRetry * std::min<uint32_t>(entry->refusals, 20));
  }
}

// --- asking
// -----------------------------------------------------------------------------------------------------

Origin::Target* Origin::target(const TargetKey& key) {
  const auto it = std::find_if(targets_.begin(), targets_.end(), [&](const Target& t) {
    return t.name == key.first && t.process_epoch == key.second;
  });
  return it == targets_.end() ? nullptr : &*it;
}

bool Origin::could_have(const Target& t, const Entry& entry) const {
  return t.present || t.gone_at >= entry.sent_at;
}

void Origin::ask(Entry& entry) {
  entry.stage = Stage::kAsked;
  entry.waiting.clear();
  if (!entry.holder.first.empty()) {
    entry.waiting.push_back(entry.holder);
    entry.via_waited = false;
  } else {
    for (const Target& t : targets_) {
      if (could_have(t, entry)) entry.waiting.emplace_back(t.name, t.process_epoch);
    }
    entry.via_waited = true;
  }
  resolve(entry);
}

// What is asked through the mapper that got the envelope follows it there; its own answer says that all
// before was passed on or refused.
void Origin::ask_those_waiting(Entry& entry) {
  pb::Ask& question = *item_.mutable_ask();
  *question.mutable_id() = entry.envelope.id();
  question.set_attempt(entry.attempts);
  if (entry.via_waited) {
    question.set_to(entry.via.name);
    outlet_.send(entry.via, item_, false);
  }
  for (const TargetKey& key : entry.waiting) {
    question.set_to(key.first);
    if (const auto route = outlet_.route_to(key.first, entry.via)) outlet_.send(*route, item_, false);
  }
  wake(entry, clock_.now() + kAskAgain);
}

// A restored envelope may still lie in the pipe from our predecessor to a mapper, and must not reach an edge
// that comes after we have asked. A mapper that has read our hello drops it, and so does one that was silent
// for long.
bool Origin::may_ask(const Entry& entry) const {
  if (!entry.restored) return true;
  return !outlet_.routes().empty() && (outlet_.all_mappers_ready() || clock_.now() - started_ >= kGone);
}

void Origin::resolve(Entry& entry) {
  if (!may_ask(entry)) return wake(entry, clock_.now() + kAskAgain);
  if (std::exchange(entry.restored, false)) return ask(entry);
  // A mapper that has gone takes with it what it had not passed on: that is lost, and known by all targets.
  if (!outlet_.stands(entry.via)) entry.via_waited = false;
  std::erase_if(entry.waiting, [&](const TargetKey& key) {
    const Target* t = target(key);
    if (t != nullptr && !t->lost) return false;
    entry.lost_with = key.first + " ended while it may have had this message";
    return true;
  });
  if (entry.via_waited || !entry.waiting.empty()) return ask_those_waiting(entry);
  if (!entry.lost_with.empty() && !options_.resend_on_doubt) return doubt(entry, entry.lost_with);
  send_again(entry);
}

void Origin::answer(const pb::Answer& answer) {
  Entry* entry = find(answer.id());
  if (entry == nullptr) return;
  if (answer.knows() == pb::Answer::ENDED) return outcome(answer.outcome());
  if (entry->stage != Stage::kAsked || answer.attempt() != entry->attempts) return;
  const TargetKey by{answer.by(), answer.by_process_epoch()};
  if (answer.knows() == pb::Answer::PENDING) {
    entry->stage = Stage::kSent;
    entry->holder = by;
    wake(*entry, clock_.now() + kAttemptTimeout);
    return release(entry->envelope.conversation());
  }
  if (answer.knows() != pb::Answer::UNKNOWN) return;  // unreachable through this mapper: asked again soon
  if (answer.by() == entry->via.name) {
    entry->via_waited = false;
  } else if (std::erase(entry->waiting, by) == 0) {
    return;
  } else if (const auto memory = answer.remembers_ms();
             clock_.now() - entry->sent_at >=
             (memory == 0 ? kMemory : Duration(std::chrono::milliseconds(memory)))) {
    entry->lost_with = answer.by() + " may have had this message and forgotten it";
  }
  if (!entry->via_waited && entry->waiting.empty()) resolve(*entry);
}

void Origin::send_again(Entry& entry) {
  entry.holder = {};
  if (clock_.now() >= entry.begin_before)
    return fail(entry, pb::DEADLINE, "was lost on the way, and its time is over");
  proceed(entry);
}

void Origin::doubt(Entry& entry, const std::string& why) {
  fail(entry, pb::IN_DOUBT, why + "; it may have been delivered");
}

// --- ends
// -------------------------------------------------------------------------------------------------------

void Origin::outcome(const pb::Outcome& outcome) {
  if (Entry* entry = find(outcome.id())) end(*entry, outcome);
}

void Origin::fail(Entry& entry, pb::Reason reason, std::string text) {
  pb::Outcome outcome;
  *outcome.mutable_id() = entry.envelope.id();
  outcome.set_verdict(pb::FAILED);
  outcome.set_reason(reason);
  outcome.set_text(std::move(text));
  end(entry, outcome);
}

void Origin::end(Entry& entry, const pb::Outcome& outcome) {
  if (outcome.verdict() == pb::FAILED && outcome.reason() != pb::NOT_GIVEN) note_given_up(entry, outcome);
  const uint64_t number = entry.number;
  const auto conversation = conversations_.find(entry.envelope.conversation());
  std::erase(conversation->second, &entry);
  const std::string key = conversation->first;
  if (!restored_.empty()) restored_.erase({entry.envelope.id().epoch(), entry.envelope.id().number()});
  if (conversation->second.empty()) conversations_.erase(conversation);
  std::unique_ptr<Entry> ended = std::move(entries_[number]);
  entries_.erase(number);
  if (spare_.size() < kSpare) {
    pb::Envelope kept;
    kept.Swap(&ended->envelope);
    clear_for_reuse(kept);
    *ended = Entry();
    ended->envelope.Swap(&kept);
    spare_.push_back(std::move(ended));
  }
  release(key);
  user_.ended(number, outcome);
}

void Origin::note_given_up(const Entry& entry, const pb::Outcome& outcome) {
  if (given_up_.size() >= kGivenUp) given_up_.pop_front();
  GivenUp& one = given_up_.emplace_back();
  one.envelope = entry.envelope;
  if (one.envelope.ByteSizeLong() > kGivenUpBytes) one.envelope.clear_body();
  one.outcome = outcome;
  one.at = clock_.now();
  one.wall_us = clock_.wall_us();
  const bool sent = entry.stage == Stage::kSent || entry.stage == Stage::kAsked;
  one.is_doubt = outcome.reason() == pb::IN_DOUBT || (outcome.reason() == pb::DEADLINE && sent);
}

// What waited for its predecessors may go now.
void Origin::release(const std::string& conversation) {
  const auto it = conversations_.find(conversation);
  if (it == conversations_.end()) return;
  for (std::size_t i = 0; i < it->second.size(); ++i) {
    Entry& entry = *it->second[i];
    if (entry.stage == Stage::kOrder) {
      if (i == 0) entry.after_all = false;
      try_send(entry);
      if (entry.stage != Stage::kSent) return;
    } else if (entry.stage != Stage::kSent) {
      return;  // nothing behind it may pass
    }
  }
}

// --- changes around us
// ------------------------------------------------------------------------------------------

std::vector<uint64_t> Origin::numbers(const std::function<bool(const Entry&)>& which) const {
  std::vector<uint64_t> found;
  for (const auto& [number, entry] : entries_) {
    if (which(*entry)) found.push_back(number);
  }
  std::sort(found.begin(), found.end());  // the order in which they were submitted
  return found;
}

void Origin::routes_changed() {
  const auto& routes = outlet_.routes();
  if (!routes.empty()) route_seen_ = clock_.now();
  for (const uint64_t number : numbers([](const Entry& e) { return e.stage == Stage::kMapper; })) {
    if (Entry* entry = find(number); entry != nullptr && entry->stage == Stage::kMapper) proceed(*entry);
  }
  for (const uint64_t number : numbers([&](const Entry& e) {
         return (e.stage == Stage::kSent || e.stage == Stage::kAsked) && !outlet_.stands(e.via);
       })) {
    // With no mapper there is nobody to ask through; resolve() asks again when one is there.
    if (Entry* entry = find(number)) entry->stage == Stage::kSent ? ask(*entry) : resolve(*entry);
  }
}

bool Origin::uses(Pipe pipe) const {
  return std::any_of(entries_.begin(), entries_.end(), [pipe](const auto& entry) {
    const Stage stage = entry.second->stage;
    return (stage == Stage::kSent || stage == Stage::kAsked) && entry.second->via.pipe == pipe;
  });
}

void Origin::targets_changed(const std::vector<pb::Member>& present) {
  const Time now = clock_.now();
  ++targets_version_;
  for (Target& t : targets_) {
    const bool here = std::any_of(present.begin(), present.end(), [&](const pb::Member& m) {
      return m.name() == t.name && m.process_epoch() == t.process_epoch;
    });
    const bool replaced = std::any_of(present.begin(), present.end(), [&](const pb::Member& m) {
      return m.name() == t.name && m.process_epoch() != t.process_epoch;
    });
    if (t.present && !here) t.gone_at = now;
    t.present = here;
    t.lost = !here && (t.lost || replaced);
  }
  for (const pb::Member& m : present) {
    if (target({m.name(), m.process_epoch()}) == nullptr) targets_.push_back({m.name(), m.process_epoch()});
  }
  if (!present.empty()) target_seen_ = now;
  for (const uint64_t number : numbers([](const Entry& e) {
         return e.stage == Stage::kTarget || e.stage == Stage::kAsked || e.stage == Stage::kSent;
       })) {
    Entry* entry = find(number);
    if (entry == nullptr) continue;
    if (entry->stage == Stage::kTarget) {
      proceed(*entry);
    } else if (entry->stage == Stage::kAsked) {
      resolve(*entry);
    } else if (entry->stage == Stage::kSent) {
      // Only who could have it and has gone is a reason to ask.
      const bool worry = std::any_of(targets_.begin(), targets_.end(), [&](const Target& t) {
        return !t.present && t.gone_at == now && could_have(t, *entry) &&
               (entry->holder.first.empty() || entry->holder == TargetKey{t.name, t.process_epoch});
      });
      if (worry) ask(*entry);
    }
  }
}

Duration Origin::oldest() const {
  Duration oldest{0};
  for (const auto& [number, entry] : entries_) oldest = std::max(oldest, clock_.now() - entry->submitted);
  return oldest;
}

std::vector<InFlight> Origin::list(std::size_t max) const {
  static constexpr const char* kStages[] = {
      "waits for its turn", "waits for a mapper", "waits for a target", "refused, tries again", "sent",
      "asked for"};
  std::vector<InFlight> found;
  for (const uint64_t number : numbers([](const Entry&) { return true; })) {
    if (found.size() >= max) break;
    const Entry& e = *find(number);
    found.push_back({number, e.envelope.id().epoch(), e.envelope.id().number(), e.envelope.trace_id(),
                     e.envelope.conversation(),
                     e.held ? "waits for another worker" : kStages[static_cast<int>(e.stage)],
                     e.holder.first.empty() ? e.via.name : e.holder.first, e.attempts, e.submitted});
  }
  return found;
}

}  // namespace stox::bus
