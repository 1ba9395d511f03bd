#include "common/service/trace.h"

#include <algorithm>

#include "common/base/text.h"

namespace stox::service {

Hop& Trace::add(Handle* handle) {
  if (handle != nullptr) *handle = next_;
  ++next_;
  if (ring_.size() < kMessages) {
    if (ring_.empty())
      ring_.reserve(kMessages);  // no move of thousands of hops later; untouched pages are free
    return ring_.emplace_back();
  }
  Hop& hop = ring_[(next_ - 2) % kMessages];
  for (std::string* text : {&hop.trace_id, &hop.envelope, &hop.message_id, &hop.other_id, &hop.from, &hop.to,
                            &hop.decision, &hop.outcome}) {
    text->clear();  // keeps its memory
  }
  hop.came_in = false;
  hop.ending = Ending::kOpen;
  hop.came_us = hop.went_us = hop.ended_us = 0;
  return hop;
}

Hop* Trace::at(Handle handle) {
  if (handle == 0 || handle >= next_ || next_ - handle > kMessages) return nullptr;
  return &ring_[(handle - 1) % kMessages];
}

std::vector<const Hop*> Trace::find(std::string_view id) const {
  std::vector<const Hop*> out;
  if (id.empty()) return out;
  const std::string lower = ascii_lower(id);  // trace ids may be typed in either case
  const bool may_be_trace = lower.size() >= kShortId && lower.size() <= 32 &&
                            lower.find_first_not_of("0123456789abcdef") == std::string::npos;
  const Handle oldest = next_ - ring_.size();
  for (Handle handle = oldest; handle < next_; ++handle) {
    const Hop& hop = ring_[(handle - 1) % kMessages];
    const bool is_trace =
        may_be_trace && hop.trace_id.size() == 16 && to_hex(hop.trace_id).starts_with(lower);
    if (is_trace || hop.envelope == id || hop.message_id == id || hop.other_id == id) out.push_back(&hop);
  }
  return out;
}

std::vector<const Hop*> Trace::last(std::size_t max, const std::function<bool(const Hop&)>& which) const {
  std::vector<const Hop*> out;
  const Handle oldest = next_ - ring_.size();
  for (Handle handle = next_; handle > oldest && out.size() < max; --handle) {
    const Hop& hop = ring_[(handle - 2) % kMessages];
    if (which(hop)) out.push_back(&hop);
  }
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace stox::service
