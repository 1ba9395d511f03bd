// Outcomes: one of our own making, and what one means for the message's sender.
#pragma once

#include <string>
#include <utility>

#include "common/base/ending.h"
#include "common/base/text.h"
#include "proto/delivery.pb.h"

namespace stox::bus {

// Of an envelope that the gateway itself gives up; `text` is for people.
inline pb::Outcome failure(pb::Reason reason, std::string text) {
  pb::Outcome outcome;
  outcome.set_reason(reason);
  outcome.set_text(std::move(text));
  return outcome;
}

inline Ending ending_of(const pb::Outcome& outcome) {
  if (outcome.verdict() == pb::DELIVERED) return Ending::kDelivered;
  if (outcome.verdict() == pb::PASSED_ON) return Ending::kPassedOn;
  if (outcome.reason() != pb::NOT_GIVEN) return Ending::kGivenUp;
  return outcome.target().empty() ? Ending::kRefusedHere : Ending::kRefused;
}

// Empty if it did not fail, else in a word for figures: a reason of the bus ("link_down"), a status ("404")
// or a condition
// ("item-not-found").
inline std::string reason_of(const pb::Outcome& outcome) {
  if (outcome.verdict() != pb::FAILED) return {};
  if (outcome.reason() != pb::NOT_GIVEN) return ascii_lower(pb::Reason_Name(outcome.reason()));
  if (outcome.has_sip_status()) return std::to_string(outcome.sip_status().code());
  const std::string& condition = outcome.stanza_error().condition();
  return condition.empty() ? "undefined-condition" : condition;
}

}  // namespace stox::bus
