// What an outcome means for the message's sender.
#pragma once

#include "common/base/ending.h"
#include "proto/delivery.pb.h"

namespace stox::bus {

inline Ending ending_of(const pb::Outcome& outcome) {
  if (outcome.verdict() == pb::DELIVERED) return Ending::kDelivered;
  if (outcome.verdict() == pb::PASSED_ON) return Ending::kPassedOn;
  if (outcome.reason() != pb::NOT_GIVEN) return Ending::kGivenUp;
  return outcome.target().empty() ? Ending::kRefusedHere : Ending::kRefused;
}

}  // namespace stox::bus
