#include "common/bus/edge/hand_over.h"

#include "common/bus/wire/times.h"

namespace stox::bus {
namespace {
constexpr Duration kAgain = std::chrono::seconds(1);
constexpr Duration kIdle = std::chrono::hours(1);  // of a stream: its sender forgets it
constexpr Duration kForget = 2 * kIdle;            // and its receiver later, for no copy to seem new

// A stream that its sender has forgotten begins anew with higher numbers: the receiver still knows the old
// ones.
constexpr uint64_t first_of(uint64_t series) { return (series << 32) + 1; }
constexpr bool is_first(uint64_t number) { return (number & 0xffff'ffff) == 1; }
}  // namespace

bool HandOvers::put(const std::string& to, uint64_t to_epoch, pb::HandOver what) {
  const Time now = clock_.now();
  Outgoing& out = outgoing_[{to, to_epoch, what.stream()}];
  if (out.is_broken) return ++given_up_, true;
  if (out.waiting.size() >= kMaxWaiting) return ++given_up_, give_up(out), false;
  if (out.waiting.empty()) out.heard_at = now;
  if (out.next == 0) out.next = first_of(series_);
  pb::HandOver& h = out.waiting.emplace_back(std::move(what));
  h.set_from(name_);
  h.set_from_epoch(epoch_);
  h.set_to(to);
  h.set_to_epoch(to_epoch);
  h.set_number(out.next++);
  out.sent_at = now;
  pb::Item item;
  *item.mutable_hand_over() = h;
  send_(to, item);
  return true;
}

void HandOvers::give_up(Outgoing& out) {
  given_up_ += out.waiting.size();
  out.waiting.clear();
  out.is_broken = true;
}

void HandOvers::acknowledged(const pb::HandOverAck& ack) {
  const auto out = outgoing_.find({ack.to(), ack.to_epoch(), ack.stream()});
  if (out == outgoing_.end() || ack.from_epoch() != epoch_) return;
  auto& waiting = out->second.waiting;
  while (!waiting.empty() && waiting.front().number() <= ack.number()) {
    waiting.pop_front();
    out->second.heard_at = out->second.sent_at;
  }
}

bool HandOvers::arrived(const pb::HandOver& h) {
  pb::Item item;
  pb::HandOverAck& ack = *item.mutable_hand_over_ack();
  ack.set_from(h.from());
  ack.set_from_epoch(h.from_epoch());
  ack.set_to(h.to());
  ack.set_to_epoch(h.to_epoch());
  ack.set_stream(h.stream());
  ack.set_number(h.number());
  if (h.to_epoch() != epoch_) return send_(h.from(), item), false;  // whom it was for is no more
  Incoming& in = incoming_[{h.from(), h.from_epoch(), h.stream()}];
  in.at = clock_.now();
  // A later one waits for the earlier to come again.
  const bool next = h.number() == in.last + 1 || (h.number() > in.last && is_first(h.number()));
  if (next) in.last = h.number();
  ack.set_number(in.last);
  send_(h.from(), item);
  return next;
}

bool HandOvers::turn() {
  const Time now = clock_.now();
  bool all = true;
  for (auto& [key, out] : outgoing_) {
    if (out.waiting.empty() || now - out.sent_at < kAgain) continue;
    if (now - out.heard_at >= kMemory) {
      give_up(out);
      all = false;
      continue;
    }
    out.sent_at = now;
    for (const pb::HandOver& h : out.waiting) {
      pb::Item item;
      *item.mutable_hand_over() = h;
      send_(std::get<0>(key), item);
    }
  }
  const auto forgotten = std::erase_if(outgoing_, [&](const auto& each) {
    return each.second.waiting.empty() && now - each.second.sent_at >= kIdle;
  });
  if (forgotten > 0) ++series_;
  std::erase_if(incoming_, [&](const auto& each) { return now - each.second.at >= kForget; });
  return all;
}

std::size_t HandOvers::waiting() const {
  std::size_t n = 0;
  for (const auto& [key, out] : outgoing_) n += out.waiting.size();
  return n;
}

}  // namespace stox::bus
