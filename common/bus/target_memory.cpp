#include "common/bus/target_memory.h"

#include "common/base/hash.h"
#include "common/bus/edge.h"

namespace stox::bus {

TargetMemory::Key TargetMemory::key_of(const pb::EnvelopeId& id) {
  return {hash64(id.origin(), id.epoch()), id.number()};
}

TargetMemory::Verdict TargetMemory::take(const pb::Envelope& envelope, Pipe pipe, Time now,
                                         pb::Outcome* outcome) {
  const Key key = key_of(envelope.id());
  if (const auto known = records_.find(key); known != records_.end()) {
    const Record& record = known->second;
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
        records_[key].state = Record::State::kPending;
        return Verdict::kPending;
      }
      outcome->ParseFromString(first.outcome);
      *outcome->mutable_id() = envelope.id();
      Record& record = records_[key];
      record.state = Record::State::kEnded;
      record.outcome = outcome->SerializeAsString();
      remember_until(now + kMemory, key);
      return Verdict::kEnded;
    }
  }
  if (envelope.after() != 0) {
    const auto before = records_.find({key.origin, envelope.after()});
    if (before == records_.end() || before->second.state == Record::State::kPromised)
      return Verdict::kOutOfOrder;
  }
  Record& record = records_[key];
  record.state = Record::State::kPending;
  record.pipe = pipe;
  record.same_as = slot;
  if (slot != 0) by_dedup_[slot] = key;
  ++pending_;
  return Verdict::kBegin;
}

std::vector<std::pair<pb::EnvelopeId, Pipe>> TargetMemory::finish(const pb::EnvelopeId& id,
                                                                  const pb::Outcome& outcome, Time now) {
  std::vector<std::pair<pb::EnvelopeId, Pipe>> told;
  const Key key = key_of(id);
  const auto known = records_.find(key);
  if (known == records_.end() || known->second.state != Record::State::kPending) return told;
  --pending_;
  told.swap(known->second.also);
  told.insert(told.begin(), {id, known->second.pipe});
  for (const auto& [one, pipe] : told) {
    Record& record = records_[key_of(one)];
    record.state = Record::State::kEnded;
    pb::Outcome its = outcome;
    *its.mutable_id() = one;
    record.outcome = its.SerializeAsString();
    remember_until(now + kMemory, key_of(one));
  }
  return told;
}

TargetMemory::Verdict TargetMemory::ask(const pb::EnvelopeId& id, uint32_t attempt, Time now,
                                        pb::Outcome* outcome) {
  const Key key = key_of(id);
  auto [known, fresh] = records_.try_emplace(key);
  Record& record = known->second;
  if (fresh) {
    record.state = Record::State::kPromised;
    remember_until(now + kMemory, key);
  }
  if (record.state == Record::State::kPending) return Verdict::kPending;
  if (record.state == Record::State::kEnded) {
    outcome->ParseFromString(record.outcome);
    return Verdict::kEnded;
  }
  record.promised = std::max(record.promised, attempt);
  return Verdict::kPromised;
}

void TargetMemory::remember_until(Time until, const Key& key) {
  records_[key].until = until;
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
