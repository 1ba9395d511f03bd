#include "sip_front/page/message_origin.h"

#include "common/base/hash.h"
#include "common/bus/edge/envelope_name.h"

namespace stox {

MessageOrigin::MessageOrigin(bus::Edge& edge, std::unique_ptr<TakenRequests> taken, const Clock& clock)
    : edge_(edge), taken_(std::move(taken)), clock_(clock) {
  if (taken_) edge_.origin().restore_targets(taken_->targets());
}

void MessageOrigin::members_changed() {
  if (taken_) taken_->set_targets(edge_.origin().possible_targets());
}

bool MessageOrigin::has_room() const { return edge_.origin().in_flight() < edge_.origin().limit(); }

bool MessageOrigin::is_connected() const { return edge_.has_mapper(); }

Result<uint64_t> MessageOrigin::submit(pb::Envelope& envelope, Time begin_before, Time end_by) {
  if (!taken_) return edge_.origin().submit(envelope, begin_before, end_by);
  const uint64_t key = hash64(envelope.conversation(), envelope.dedup_key());
  const TakenRequests::Earlier* earlier = taken_->find(key);
  if (earlier == nullptr) {
    const auto number = edge_.origin().submit(envelope, begin_before, end_by);
    if (number) taken_->add(key, edge_.epoch(), *number, clock_.now());
    return number;
  }
  // A copy of what a process before us had handed on.
  if (const auto room = edge_.origin().room(1); !room) return tl::make_unexpected(room.error());
  envelope.set_schema(bus::kSchemaVersion);
  envelope.mutable_id()->set_origin(edge_.name());
  envelope.mutable_id()->set_epoch(earlier->epoch);
  envelope.mutable_id()->set_number(earlier->number);
  envelope.set_conversation_number(1);
  taken_->add(key, earlier->epoch, earlier->number, clock_.now());
  return edge_.origin().restore(envelope, {earlier->taken, begin_before, end_by}, taken_->openings() << 16);
}

void MessageOrigin::submit_lossy(pb::Envelope& envelope, Time begin_before) {
  edge_.origin().submit_lossy(envelope, begin_before);
}

std::string MessageOrigin::id_of(uint64_t number) const {
  return bus::envelope_name(edge_.name(), edge_.epoch(), number);
}

}  // namespace stox
