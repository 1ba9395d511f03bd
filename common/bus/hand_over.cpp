#include "common/bus/hand_over.h"

#include "common/bus/edge.h"

namespace stox::bus {
namespace {
constexpr Duration kAgain = std::chrono::seconds(1);
}

void HandOvers::put(const std::string& to, uint64_t stream, std::string_view payload, uint64_t epoch,
                    Time now) {
  Outgoing& out = outgoing_[{to, stream}];
  if (out.waiting.empty()) out.heard_at = now;
  pb::HandOver& h = out.waiting.emplace_back();
  h.set_from(name_);
  h.set_from_epoch(epoch);
  h.set_to(to);
  h.set_stream(stream);
  h.set_number(out.next++);
  h.set_payload(std::string(payload));
  out.sent_at = now;
  pb::Item item;
  *item.mutable_hand_over() = h;
  send_(to, item);
}

void HandOvers::acknowledged(const pb::HandOverAck& ack) {
  const auto out = outgoing_.find({ack.to(), ack.stream()});
  if (out == outgoing_.end()) return;
  auto& waiting = out->second.waiting;
  while (!waiting.empty() && waiting.front().from_epoch() == ack.from_epoch() &&
         waiting.front().number() <= ack.number()) {
    waiting.pop_front();
    out->second.heard_at = out->second.sent_at;
  }
}

bool HandOvers::arrived(const pb::HandOver& h) {
  uint64_t& last = last_arrived_[{h.from(), h.from_epoch(), h.stream()}];
  const bool next = h.number() == last + 1;  // a later one waits for the earlier to come again
  if (next) ++last;
  pb::Item item;
  pb::HandOverAck& ack = *item.mutable_hand_over_ack();
  ack.set_from(h.from());
  ack.set_from_epoch(h.from_epoch());
  ack.set_to(h.to());
  ack.set_stream(h.stream());
  ack.set_number(last);
  send_(h.from(), item);
  return next;
}

void HandOvers::replaced(const std::string& worker) {
  std::erase_if(outgoing_, [&](const auto& entry) { return entry.first.first == worker; });
  std::erase_if(last_arrived_, [&](const auto& entry) { return std::get<0>(entry.first) == worker; });
}

void HandOvers::turn(Time now) {
  std::erase_if(outgoing_, [&](const auto& o) {
    return !o.second.waiting.empty() && now - o.second.heard_at >= kMemory;
  });
  for (auto& [key, out] : outgoing_) {
    if (out.waiting.empty() || now - out.sent_at < kAgain) continue;
    out.sent_at = now;
    for (const pb::HandOver& h : out.waiting) {
      pb::Item item;
      *item.mutable_hand_over() = h;
      send_(key.first, item);
    }
  }
}

std::size_t HandOvers::unacknowledged() const {
  std::size_t n = 0;
  for (const auto& [key, out] : outgoing_) n += out.waiting.size();
  return n;
}

}  // namespace stox::bus
