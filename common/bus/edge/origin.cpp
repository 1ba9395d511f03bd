#include "common/bus/edge/origin.h"

#include <algorithm>

#include "common/base/hash.h"
#include "common/bus/edge/item_reader.h"
#include "common/bus/edge/origin_entry.h"
#include "common/bus/wire/times.h"

namespace stox::bus {
namespace {

constexpr Duration kRetry = std::chrono::milliseconds(50);
constexpr std::size_t kSpare = 4096;
constexpr const char* kSuperseded = "a newer one took its place";
// What is restored has at least so long to be asked for.
constexpr Duration kRestoredPatience = std::chrono::seconds(20);

}  // namespace

Origin::Origin(const EdgeOptions& options, const Clock& clock, Mappers& mappers, OriginUser& user)
    : options_(options),
      clock_(clock),
      mappers_(mappers),
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

Result<void> Origin::room(std::size_t more) {
  if (entries_.size() + more > options_.max_in_flight) {
    refusal_ = pb::OVERLOADED;
    return error("max_in_flight (" + std::to_string(options_.max_in_flight) + ") messages are in flight");
  }
  if (mappers_.routes().empty() && clock_.now() - route_seen_ >= kPatience) {
    refusal_ = pb::NO_TARGET;
    return error("no mapper is ready: is stox-mapper running and its address right?");
  }
  return {};
}

Result<uint64_t> Origin::submit(pb::Envelope& envelope, Time begin_before, Time end_by, bool held) {
  if (auto taken = room(1); !taken) return tl::make_unexpected(taken.error());
  if (envelope.id().number() == 0) *envelope.mutable_id() = new_id();
  if (envelope.conversation().empty())
    envelope.set_conversation("#" + std::to_string(envelope.id().number()));
  Entry& entry = insert(envelope, envelope.id().number());
  entry.submitted = clock_.now();
  entry.begin_before = begin_before;
  entry.end_by = end_by;
  entry.held = held;
  fill(entry.envelope, begin_before);
  if (entry.kind.newest_wins) supersede(entry);
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

void Origin::restore_targets(const std::vector<PossibleTarget>& targets) {
  for (const PossibleTarget& t : targets) {
    if (target({t.name, t.process_epoch}) == nullptr)
      targets_.push_back({t.name, t.process_epoch, true, t.present, false, t.gone_at});
  }
}

std::vector<PossibleTarget> Origin::possible_targets() const {
  std::vector<PossibleTarget> out;
  for (const Target& t : targets_) {
    if (t.other_role) out.push_back({t.name, t.process_epoch, t.present, t.gone_at});
  }
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
  const BodyKind* kind = options_.bodies.of(entry.envelope);
  entry.kind = kind != nullptr ? *kind : BodyKind{};
  if (!entry.kind.fleeting) ++awaited_;
  entry.number = number;
  Conversation& conversation = conversations_[entry.envelope.conversation()];
  entry.envelope.set_conversation_number(
      conversation.empty() ? 1 : conversation.back()->envelope.conversation_number() + 1);
  conversation.push_back(&entry);
  entry.conversation = &conversation;
  entries_[number] = std::move(fresh);
  return entry;
}

// Those before it that wait unsent. They end at the next turn, as submit() calls nobody back.
void Origin::supersede(const Entry& by) {
  for (Entry* earlier : *by.conversation) {
    const bool is_sent = earlier->stage == Stage::kSent || earlier->stage == Stage::kAsked;
    if (earlier == &by || is_sent || earlier->kind.field != by.kind.field) continue;
    earlier->superseded = true;
    wake(*earlier, clock_.now());
  }
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
  mappers_.put(route->pipe, item_);
  item_.mutable_envelope()->Swap(&envelope);
  envelope.set_lossy(false);
  envelope.clear_id();
}

std::optional<Route> Origin::choose(const std::string& conversation, uint32_t refusals) const {
  // The best mapper by rendezvous; after a refusal the next best.
  const auto& routes = mappers_.routes();
  if (routes.empty()) return std::nullopt;
  if (routes.size() == 1) return routes.front();
  std::vector<std::pair<uint64_t, const Route*>> ranked;
  ranked.reserve(routes.size());
  for (const Route& route : routes) ranked.emplace_back(rendezvous_weight(conversation, route.name), &route);
  std::sort(ranked.begin(), ranked.end(), std::greater<>());
  return *ranked[refusals % ranked.size()].second;
}

void Origin::try_send(Entry& entry) {
  if (entry.superseded) return wait(entry, Stage::kOrder, clock_.now());
  if (entry.held) return wait(entry, Stage::kOrder, entry.begin_before);
  const Time now = clock_.now();
  const auto route = choose(entry.envelope.conversation(), entry.refusals);
  if (!route) return wait(entry, Stage::kMapper, std::max(now, route_seen_) + kPatience);
  const Conversation& conversation = *entry.conversation;
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
  entry.envelope.set_members_seen(mappers_.members_seen(*route));
  item_.mutable_envelope()->Swap(&entry.envelope);
  entry.attempts > 1 ? mappers_.put_again(route->pipe, item_) : mappers_.put(route->pipe, item_);
  item_.mutable_envelope()->Swap(&entry.envelope);
  wake(entry, now + kAttemptTimeout);
}

void Origin::proceed(Entry& entry) {
  const bool alone = entry.conversation->back() == &entry;
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
  if (!mappers_.routes().empty()) route_seen_ = now;
  for (Target& t : targets_) {
    if (t.present && t.other_role) target_seen_ = now;
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
  if (entry.superseded) return fail(entry, pb::SUPERSEDED, kSuperseded);
  if (sent && now >= entry.end_by) {
    const std::string where = entry.holder.first.empty() ? entry.via.name : entry.holder.first;
    return fail(entry, pb::DEADLINE, "no answer in time from " + where + "; may have been delivered");
  }
  if (!sent && now >= entry.begin_before) {
    return fail(entry, pb::DEADLINE,
                entry.stage == Stage::kOrder ? "waited in vain for an earlier message of this conversation"
                : entry.refused.empty()      ? "could not be handed on in time"
                                             : "could not be handed on in time; " + entry.refused);
  }
  switch (entry.stage) {
    case Stage::kOrder:
      return wake(entry, entry.begin_before);
    case Stage::kMapper:
      if (now - std::max(route_seen_, entry.unplaced) >= entry.kind.patience) {
        return fail(entry, pb::NO_TARGET, "no mapper is ready: is stox-mapper running?");
      }
      return proceed(entry);
    case Stage::kTarget:
      if (now - entry.unplaced >= entry.kind.patience)
        return fail(entry, pb::NO_TARGET, "nobody there to take it");
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
  const Entry* last = entry->conversation->back();
  if (entry->kind.newest_wins && last != entry && last->kind.field == entry->kind.field)
    return fail(*entry, pb::SUPERSEDED, kSuperseded);
  const std::string by = refused.by() + ": " + refused.text();
  switch (refused.why()) {
    case pb::Refused::OUT_OF_ORDER:
      entry->after_all = true;
      wait(*entry, Stage::kOrder, entry->begin_before);
      return release(entry->envelope.conversation());
    case pb::Refused::NO_TARGET:
      // A target that was there a moment ago is being restarted: wait for it, but not for one that never was.
      if (!was_there(*entry) ||
          (entry->unplaced != Time{} && now - entry->unplaced >= entry->kind.patience)) {
        return fail(*entry, pb::NO_TARGET, by);
      }
      // Another mapper may see a target that this one does not: a link is down.
      ++entry->refusals;
      return wait(*entry, Stage::kTarget,
                  now + (entry->refusals < mappers_.routes().size() ? kRetry : kAskAgain));
    case pb::Refused::NEW_TARGET:
      return proceed(*entry);
    case pb::Refused::EXPIRED:
      return fail(*entry, pb::DEADLINE, by);
    case pb::Refused::TOO_MANY_HOPS:
    case pb::Refused::UNKNOWN_BODY:
      return fail(*entry, pb::UNSUPPORTED, by);
    default:  // BUSY, NOT_READY: another mapper, or this one a little later
      ++entry->refusals;
      entry->refused = by;
      return wait(*entry, Stage::kRetry, now + kRetry * std::min<uint32_t>(entry->refusals, 20));
  }
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
  if (outcome.verdict() == pb::FAILED && outcome.reason() != pb::NOT_GIVEN &&
      outcome.reason() != pb::SUPERSEDED && !entry.kind.fleeting)
    note_given_up(entry, outcome);
  if (!entry.kind.fleeting) --awaited_;
  const uint64_t number = entry.number;
  std::erase(*entry.conversation, &entry);
  const bool has_more = !entry.conversation->empty();
  const std::string conversation = has_more ? entry.envelope.conversation() : std::string();
  if (!restored_.empty()) restored_.erase({entry.envelope.id().epoch(), entry.envelope.id().number()});
  if (!has_more) conversations_.erase(entry.envelope.conversation());
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
  if (has_more) release(conversation);
  user_.ended(number, outcome);
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

// --- for others to see

std::vector<uint64_t> Origin::numbers(const std::function<bool(const Entry&)>& which) const {
  std::vector<uint64_t> found;
  for (const auto& [number, entry] : entries_) {
    if (which(*entry)) found.push_back(number);
  }
  std::sort(found.begin(), found.end());  // the order in which they were submitted
  return found;
}

bool Origin::uses(Pipe pipe) const {
  return std::any_of(entries_.begin(), entries_.end(), [pipe](const auto& entry) {
    const Stage stage = entry.second->stage;
    return (stage == Stage::kSent || stage == Stage::kAsked) && entry.second->via.pipe == pipe;
  });
}

Duration Origin::oldest_in_flight() const {
  Duration oldest{0};
  for (const auto& [number, entry] : entries_) oldest = std::max(oldest, clock_.now() - entry->submitted);
  return oldest;
}

std::vector<InFlight> Origin::list_in_flight(std::size_t max) const {
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
