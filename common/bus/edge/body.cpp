#include "common/bus/edge/body.h"

namespace stox::bus {

BodyKinds::BodyKinds(std::initializer_list<BodyKind> kinds) {
  for (const BodyKind& kind : kinds)
    rows_.push_back({kind, pb::Envelope::descriptor()->FindFieldByNumber(kind.field)});
}

const BodyKind* BodyKinds::of(const pb::Envelope& envelope) const {
  const auto* reflection = pb::Envelope::GetReflection();
  for (const Row& row : rows_) {
    if (reflection->HasField(envelope, row.field)) return &row.kind;
  }
  return nullptr;
}

void BodyKinds::clear(pb::Envelope& envelope) const {
  const auto* reflection = pb::Envelope::GetReflection();
  for (const Row& row : rows_) reflection->ClearField(&envelope, row.field);
}

}  // namespace stox::bus
