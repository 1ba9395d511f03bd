// The end of a worker that was asked to stop: what is under way ends, and its place goes to another.
#include "xmpp_worker/worker.h"

namespace stox::worker {
namespace {
using service::State;

constexpr Duration kGivesPlaceWithin = std::chrono::seconds(2);
constexpr Duration kLendsWithin = std::chrono::seconds(4);
}  // namespace

void Worker::draining_changed() {
  if (is_ending()) presence_to_xmpp_.stop();
}

// First what was taken in from SIP, which needs the stream; then the stream is closed; then what came by it.
// The next process sends what errors are left.
void Worker::finish_drain() {
  if (target().begun() > 0 || (!journal_ && origin().awaited() > 0)) return;
  if (journal_) to_sip_.hold_errors();
  to_sip_.note_told();
  const bool owes = to_sip_.has_told() || (!journal_ && to_sip_.has_unsent());
  if (owes && streams_->status().state == State::kReady) return;
  if (!streams_->is_stopped()) {
    presence_to_sip_.stop();
    streams_->stop();
  }
  if (!streams_->is_stopped()) return;
  if (stopped_ == Time{}) stopped_ = now();
  to_sip_.hand_on();
  to_sip_.send_unsent();
  give_place();
  const bool lends = to_sip_.has_unsent() && others_.any() && now() < stopped_ + kLendsWithin;
  if (!lends) end_when_idle();
}

// Another worker may take ours when nothing that came later can overtake what we have.
void Worker::give_place() {
  if (place_given_ || (origin().awaited() > 0 && now() < stopped_ + kGivesPlaceWithin)) return;
  place_given_ = true;
  tell_serving();
}

}  // namespace stox::worker
