#include "sip_front/sip/policy/admission.h"

namespace stox::sip {

bool Admission::has_room(const Endpoint& peer, bool stranger, Time now) {
  const auto found = sources_.find(source_of(peer));
  const Count there = found == sources_.end() ? Count() : found->second;
  if (there.all >= limits_.per_source) return false;
  if (!stranger) return true;
  return strangers_ < limits_.strangers && there.strangers < limits_.strangers_per_source &&
         new_strangers_.take(now);
}

void Admission::add(const Endpoint& peer, bool stranger) {
  Count& there = sources_[source_of(peer)];
  ++there.all;
  there.strangers += stranger;
  strangers_ += stranger;
}

void Admission::remove(const Endpoint& peer, bool stranger) {
  const auto there = sources_.find(source_of(peer));
  if (there == sources_.end()) return;
  there->second.strangers -= stranger;
  strangers_ -= stranger;
  if (--there->second.all == 0) sources_.erase(there);
}

void Admission::change(const Endpoint& peer, bool stranger) {
  Count& there = sources_[source_of(peer)];
  there.strangers += stranger ? 1 : std::size_t(-1);
  strangers_ += stranger ? 1 : std::size_t(-1);
}

}  // namespace stox::sip
