#include "common/service/trace.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"

namespace stox::service {

TraceHop& Trace::Ring::add() {
  ++next;
  if (hops.size() < max) {
    if (hops.empty()) hops.reserve(max);  // no move of thousands of hops later; untouched pages are free
    return hops.emplace_back();
  }
  TraceHop& hop = hops[(next - 2) % max];
  for (std::string* text : {&hop.trace_id, &hop.envelope, &hop.message_id, &hop.other_id, &hop.room,
                            &hop.from, &hop.to, &hop.decision, &hop.outcome}) {
    text->clear();  // keeps its memory
  }
  hop.came_in = false;
  hop.ending = Ending::kOpen;
  hop.came_us = hop.went_us = hop.ended_us = 0;
  return hop;
}

TraceHop& Trace::add(Handle* handle, Of of) {
  Ring& ring = rings_[static_cast<int>(of)];
  if (handle != nullptr) *handle = 2 * ring.next + static_cast<Handle>(of);
  return ring.add();
}

TraceHop* Trace::at(Handle handle) {
  Ring& ring = rings_[handle % 2];
  return ring.has(handle / 2) ? &ring.hops[(handle / 2 - 1) % ring.max] : nullptr;
}

void Trace::presence_passed(std::string_view trace_id, std::string_view from, std::string_view to,
                            std::string decision, int64_t now_us) {
  TraceHop& hop = add(nullptr, Of::kPresence);
  hop.trace_id = trace_id;
  hop.from = from;
  hop.to = to;
  hop.decision = std::move(decision);
  hop.came_us = hop.went_us = now_us;
  show(hop);
}

std::vector<const TraceHop*> Trace::find(std::string_view id) const {
  std::vector<const TraceHop*> out;
  if (id.empty()) return out;
  const std::string lower = ascii_lower(id);  // trace ids may be typed in either case
  const bool may_be_trace = lower.size() >= kShortId && lower.size() <= 32 &&
                            lower.find_first_not_of("0123456789abcdef") == std::string::npos;
  for (const Ring& ring : rings_) {
    for (uint64_t number = ring.oldest(); number < ring.next; ++number) {
      const TraceHop& hop = ring.at(number);
      const bool is_trace =
          may_be_trace && hop.trace_id.size() == 16 && to_hex(hop.trace_id).starts_with(lower);
      if (is_trace || hop.envelope == id || hop.message_id == id || hop.other_id == id) out.push_back(&hop);
    }
  }
  return out;
}

std::vector<const TraceHop*> Trace::last(std::size_t max,
                                         const std::function<bool(const TraceHop&)>& which) const {
  std::vector<const TraceHop*> out;
  const Ring& ring = rings_[static_cast<int>(Of::kMessage)];
  for (uint64_t number = ring.next - 1; number >= ring.oldest() && number > 0 && out.size() < max; --number) {
    if (which(ring.at(number))) out.push_back(&ring.at(number));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace stox::service
