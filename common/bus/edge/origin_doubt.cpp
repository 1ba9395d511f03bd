// Of class Origin: an outcome did not come, or who was to bring it has gone. Those that could have the
// envelope are asked; then it is waited for, sent again, or in doubt.
#include <algorithm>

#include "common/bus/edge/origin_entry.h"

namespace stox::bus {

Origin::Target* Origin::target(const TargetKey& key) {
  const auto it = std::find_if(targets_.begin(), targets_.end(), [&](const Target& t) {
    return t.name == key.first && t.process_epoch == key.second;
  });
  return it == targets_.end() ? nullptr : &*it;
}

bool Origin::could_have(const Target& t, const Entry& entry) const {
  const bool is_meant = entry.envelope.to().empty() ? t.other_role : t.name == entry.envelope.to();
  return is_meant && (t.present || t.gone_at >= entry.sent_at);
}

// Whether who may be given it was there a moment ago.
bool Origin::was_there(const Entry& entry) const {
  const Time since = clock_.now() - entry.kind.patience;
  if (entry.envelope.to().empty()) return target_seen_ > since;
  return std::any_of(targets_.begin(), targets_.end(), [&](const Target& t) {
    return t.name == entry.envelope.to() && (t.present || t.gone_at > since);
  });
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
    mappers_.put(entry.via.pipe, item_);
  }
  for (const TargetKey& key : entry.waiting) {
    question.set_to(key.first);
    if (const auto route = mappers_.route_to(key.first, entry.via)) mappers_.put(route->pipe, item_);
  }
  wake(entry, clock_.now() + kAskAgain);
}

// A restored envelope may still lie in the pipe from our predecessor to a mapper, and must not reach an edge
// that comes after we have asked. A mapper that has read our hello drops it, and so does one that was silent
// for long.
bool Origin::may_ask(const Entry& entry) const {
  if (!entry.restored) return true;
  return !mappers_.routes().empty() && (mappers_.all_ready() || clock_.now() - started_ >= kGone);
}

void Origin::resolve(Entry& entry) {
  if (!may_ask(entry)) return wake(entry, clock_.now() + kAskAgain);
  if (std::exchange(entry.restored, false)) return ask(entry);
  // A mapper that has gone takes with it what it had not passed on: that is lost, and known by all targets.
  if (!mappers_.stands(entry.via)) entry.via_waited = false;
  std::erase_if(entry.waiting, [&](const TargetKey& key) {
    const Target* t = target(key);
    if (t != nullptr && !t->lost) return false;
    entry.lost_with = key.first + " ended, or was out of reach, while it may have had this message";
    return true;
  });
  if (entry.via_waited || !entry.waiting.empty()) return ask_those_waiting(entry);
  const bool may_repeat = options_.resend_on_doubt || entry.kind.repeat_in_doubt;
  if (!entry.lost_with.empty() && !may_repeat) return doubt(entry, entry.lost_with);
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

// --- changes around us

void Origin::routes_changed() {
  const auto& routes = mappers_.routes();
  if (!routes.empty()) route_seen_ = clock_.now();
  for (const uint64_t number : numbers([](const Entry& e) { return e.stage == Stage::kMapper; })) {
    if (Entry* entry = find(number); entry != nullptr && entry->stage == Stage::kMapper) proceed(*entry);
  }
  for (const uint64_t number : numbers([&](const Entry& e) {
         return (e.stage == Stage::kSent || e.stage == Stage::kAsked) && !mappers_.stands(e.via);
       })) {
    // With no mapper there is nobody to ask through; resolve() asks again when one is there.
    if (Entry* entry = find(number)) entry->stage == Stage::kSent ? ask(*entry) : resolve(*entry);
  }
}

void Origin::members_changed() {
  const Time now = clock_.now();
  std::vector<pb::Member> present;
  for (const pb::Member& m : mappers_.members()) {
    if (m.name() != options_.name) present.push_back(m);
  }
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
    const bool other_role = m.role() != options_.role;
    if (other_role) target_seen_ = now;
    if (target({m.name(), m.process_epoch()}) == nullptr)
      targets_.push_back({m.name(), m.process_epoch(), other_role});
  }
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

}  // namespace stox::bus
