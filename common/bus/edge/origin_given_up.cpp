// Of class Origin: what the gateway itself gave up is kept for a while, for people to see and to send once
// more.
#include <string>

#include "common/base/text.h"
#include "common/bus/edge/envelope_name.h"
#include "common/bus/edge/origin_entry.h"
#include "common/bus/wire/times.h"

namespace stox::bus {
namespace {
constexpr std::size_t kGivenUp = 500, kGivenUpBytes = 16'384;
}  // namespace

void Origin::note_given_up(const Entry& entry, const pb::Outcome& outcome) {
  if (given_up_.size() >= kGivenUp) given_up_.pop_front();
  GivenUp& one = given_up_.emplace_back();
  one.envelope = entry.envelope;
  one.has_body = one.envelope.ByteSizeLong() <= kGivenUpBytes;
  if (!one.has_body) options_.bodies.clear(one.envelope);
  one.outcome = outcome;
  one.at = clock_.now();
  one.wall_us = clock_.wall_us();
  const bool sent = entry.stage == Stage::kSent || entry.stage == Stage::kAsked;
  one.is_doubt = outcome.reason() == pb::IN_DOUBT || (outcome.reason() == pb::DEADLINE && sent);
}

Result<std::string> Origin::retry(const std::string& id, bool again) {
  for (GivenUp& one : given_up_) {
    const pb::EnvelopeId& its = one.envelope.id();
    if (envelope_name(its.origin(), its.epoch(), its.number()) != id) continue;
    const Time now = clock_.now();
    if (!may_retry(one, now))
      return error(id + " cannot be sent once more: it is too old, or too large to be kept");
    if (one.retried_us != 0 && !again) {
      return error(id + " was sent once more already, " +
                   std::to_string((clock_.wall_us() - one.retried_us) / 1'000'000) +
                   " s ago; once again, it may arrive twice: --again");
    }
    pb::Envelope copy = one.envelope;
    copy.clear_id();
    copy.set_dedup_key(0);
    const auto number = submit(copy, now + kRetryWithin, now + 2 * kRetryWithin);
    if (!number) return tl::make_unexpected(number.error());
    one.retried_us = clock_.wall_us();
    return to_hex(one.envelope.trace_id());
  }
  return error(id + " is not among what was given up here: `stoxctl failed` lists that");
}

std::size_t Origin::forget_given_up() {
  const std::size_t count = given_up_.size();
  given_up_.clear();
  return count;
}

}  // namespace stox::bus
