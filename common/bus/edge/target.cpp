#include "common/bus/edge/target.h"

#include <algorithm>

#include "common/bus/wire/times.h"

namespace stox::bus {

Target::Target(const EdgeOptions& options, const Clock& clock, Mappers& mappers, TargetUser& user)
    : options_(options),
      process_epoch_(options.epoch),
      clock_(clock),
      mappers_(mappers),
      user_(user),
      memory_(options.max_memory) {}

void Target::finish(const pb::EnvelopeId& id, pb::Outcome outcome) {
  outcome.set_target(options_.name);
  *outcome.mutable_id() = id;
  const auto told = memory_.finish(outcome, clock_.now());
  for (const auto& [one, pipe] : told) {
    if (told.size() > 1) *outcome.mutable_id() = one;
    tell(pipe, outcome);
  }
}

// Through the mapper that brought the envelope, or any: outcomes find their origin by name. With none, it is
// asked for.
void Target::tell(Pipe pipe, pb::Outcome& outcome) {
  if (!mappers_.link(pipe).up()) {
    if (mappers_.routes().empty()) return;
    pipe = mappers_.routes().front().pipe;
  }
  item_.mutable_outcome()->Swap(&outcome);
  mappers_.put(pipe, item_);
  item_.mutable_outcome()->Swap(&outcome);
}

void Target::envelope(Pipe pipe, const pb::Envelope& e) {
  const Time now = clock_.now();
  Link& link = mappers_.link(pipe);
  if (e.to_epoch() != options_.epoch) return link.count_dropped(1);  // to what we were before we stood still
  if (options_.bodies.of(e) == nullptr)
    return refuse(pipe, e, pb::Refused::UNKNOWN_BODY, "this version does not know such a message");
  if (mappers_.drains()) return refuse(pipe, e, pb::Refused::NOT_READY, "is draining");
  const Time begin_before = link.to_local(e.begin_before_us());
  if (now >= begin_before) return refuse(pipe, e, pb::Refused::EXPIRED, "came too late to begin");
  if (e.lossy()) return user_.begin(e, begin_before);
  pb::Outcome outcome;
  switch (memory_.take(e, pipe, now, &outcome)) {
    case TargetMemory::Verdict::kBegin:
      return user_.begin(e, begin_before);
    case TargetMemory::Verdict::kEnded:
      return tell(pipe, outcome);
    case TargetMemory::Verdict::kOutOfOrder:
      return refuse(pipe, e, pb::Refused::OUT_OF_ORDER, "the message before it has not begun here");
    case TargetMemory::Verdict::kPending:
    case TargetMemory::Verdict::kPromised:
      return link.count_dropped(1);
  }
}

void Target::refuse(Pipe pipe, const pb::Envelope& e, pb::Refused::Why why, const char* text) {
  pb::Refused& refused = *item_.mutable_refused();
  *refused.mutable_id() = e.id();
  refused.set_attempt(e.attempt());
  refused.set_why(why);
  refused.set_text(text);
  refused.set_by(options_.name);
  mappers_.put(pipe, item_);
}

void Target::ask(Pipe pipe, const pb::Ask& a) {
  pb::Answer& answer = *item_.mutable_answer();
  answer.Clear();
  pb::Outcome outcome;
  switch (memory_.ask(a.id(), a.attempt(), clock_.now(), &outcome)) {
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
  answer.set_by(options_.name);
  answer.set_by_process_epoch(process_epoch_);
  const Time since = std::max(memory_.remembers_since(), clock_.now() - 10 * kMemory);
  answer.set_remembers_ms(static_cast<uint32_t>(std::max<int64_t>(1, to_ms(clock_.now() - since))));
  mappers_.put(pipe, item_);
}

}  // namespace stox::bus
