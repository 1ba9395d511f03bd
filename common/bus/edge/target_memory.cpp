#include "common/bus/edge/target_memory.h"

#include <utility>

#include "common/base/hash.h"
#include "common/bus/wire/times.h"

namespace stox::bus {

// It was given back before anything was done with it, for a reason that passes.
static bool may_come_again(const pb::Outcome& outcome) {
  return outcome.reason() == pb::LINK_DOWN || outcome.reason() == pb::OVERLOADED ||
         outcome.reason() == pb::STOPPING;
}

TargetMemory::Key TargetMemory::key_of(const pb::EnvelopeId& id) {
  return {hash64(id.origin(), id.epoch()), id.number()};
}

// One search for each table: they hold what came in two minutes, far more than a processor's cache.
TargetMemory::Verdict TargetMemory::take(const pb::Envelope& envelope, Pipe pipe, Time now,
                                         pb::Outcome* outcome) {
  const Key key = key_of(envelope.id());
  const auto [known, fresh] = records_.try_emplace(key);
  Record& record = known->second;
  if (!fresh) {
    if (record.state == Record::State::kPending) return Verdict::kPending;
    if (record.state == Record::State::kEnded) {
      outcome->ParseFromString(record.outcome);
      return Verdict::kEnded;
    }
    if (envelope.attempt() <= record.promised) return Verdict::kPromised;
  }
  const uint64_t slot = envelope.dedup_key() == 0 ? 0 : hash64(envelope.conversation(), envelope.dedup_key());
  if (slot != 0) {
    if (const auto same = by_dedup_.find(slot); same != by_dedup_.end()) {
      Record& first = records_.at(same->second);
      if (first.state == Record::State::kPending) {
        first.also.emplace_back(envelope.id(), pipe);
        record.state = Record::State::kPending;
        return Verdict::kPending;
      }
      outcome->ParseFromString(first.outcome);
      *outcome->mutable_id() = envelope.id();
      end(key, record, *outcome, now);
      return Verdict::kEnded;
    }
  }
  if (envelope.after() != 0) {
    const auto before = records_.find({key.origin, envelope.after()});
    if (before == records_.end() || before->second.state == Record::State::kPromised) {
      if (fresh) records_.erase(known);
      return Verdict::kOutOfOrder;
    }
  }
  record.state = Record::State::kPending;
  record.pipe = pipe;
  record.same_as = slot;
  if (slot != 0) by_dedup_.emplace(slot, key);
  ++pending_;
  return Verdict::kBegin;
}

std::vector<std::pair<pb::EnvelopeId, Pipe>> TargetMemory::finish(pb::Outcome& outcome, Time now) {
  std::vector<std::pair<pb::EnvelopeId, Pipe>> told;
  const Key key = key_of(outcome.id());
  const auto known = records_.find(key);
  if (known == records_.end() || known->second.state != Record::State::kPending) return told;
  --pending_;
  told.reserve(1 + known->second.also.size());
  told.emplace_back(outcome.id(), known->second.pipe);
  if (may_come_again(outcome)) by_dedup_.erase(known->second.same_as);
  for (auto& one : std::exchange(known->second.also, {})) told.push_back(std::move(one));
  end(key, known->second, outcome, now);
  for (std::size_t i = 1; i < told.size(); ++i) {
    *outcome.mutable_id() = told[i].first;
    const Key other = key_of(told[i].first);
    end(other, records_[other], outcome, now);
  }
  return told;
}

void TargetMemory::end(const Key& key, Record& record, const pb::Outcome& outcome, Time now) {
  record.state = Record::State::kEnded;
  outcome.SerializeToString(&record.outcome);
  remember_until(now + kMemory, key, record);
}

TargetMemory::Verdict TargetMemory::ask(const pb::EnvelopeId& id, uint32_t attempt, Time now,
                                        pb::Outcome* outcome) {
  const Key key = key_of(id);
  auto [known, fresh] = records_.try_emplace(key);
  Record& record = known->second;
  if (fresh) record.state = Record::State::kPromised;
  if (record.state == Record::State::kPending) return Verdict::kPending;
  if (record.state == Record::State::kEnded) {
    outcome->ParseFromString(record.outcome);
    return Verdict::kEnded;
  }
  record.promised = std::max(record.promised, attempt);
  if (fresh) remember_until(now + kMemory, key, record);
  return Verdict::kPromised;
}

void TargetMemory::remember_until(Time until, const Key& key, Record& record) {
  record.until = until;
  ended_.emplace_back(until, key);
  if (ended_.size() > max_) forget_old(ended_[ended_.size() - max_ - 1].first);
}

void TargetMemory::forget_old(Time now) {
  while (!ended_.empty() && ended_.front().first <= now) {
    const auto [until, key] = ended_.front();
    ended_.pop_front();
    remembers_since_ = until - kMemory;
    const auto known = records_.find(key);
    // A promise may have been followed by a later attempt: that has an entry of its own, now or when it ends.
    if (known == records_.end() || known->second.state == Record::State::kPending ||
        known->second.until > until) {
      continue;
    }
    if (const auto slot = by_dedup_.find(known->second.same_as);
        slot != by_dedup_.end() && slot->second == key) {
      by_dedup_.erase(slot);
    }
    records_.erase(known);
  }
}

}  // namespace stox::bus
