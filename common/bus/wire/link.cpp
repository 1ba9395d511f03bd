#include "common/bus/wire/link.h"

#include <algorithm>
#include <limits>

#include "common/bus/wire/times.h"

namespace stox::bus {
namespace {

constexpr std::size_t kFrameBytes = 64 * 1024;  // a longer frame leaves before the turn ends
constexpr char kItemsTag = 0x0a;                // field 1 of Batch, length-delimited

bool counted(const pb::Item& item) {
  const auto kind = item.kind_case();
  return kind <= pb::Item::kAnswer || kind == pb::Item::kHandOver || kind == pb::Item::kHandOverAck;
}

// Times come from the wire: whatever they are, the sum is defined.
int64_t saturating_sum(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a > 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min();
}

}  // namespace

void Link::open(Time now) {
  close();
  figures_ = LinkFigures{.peer = figures_.peer,
                         .peer_epoch = figures_.peer_epoch,
                         .up = true,
                         .objection = figures_.objection,
                         .dropped = figures_.dropped};
  offset_count_ = 0;
  heard_ = now;
}

void Link::close() {
  figures_.up = false;
  figures_.ready = false;
  figures_.dropped += frame_items_;
  frame_.clear();
  frame_items_ = 0;
  full_ = false;
  unheard_.clear();
}

void Link::add(const pb::Item& item, Time now) {
  const std::size_t size = item.ByteSizeLong();
  std::array<char, 10> length{};
  std::size_t n = 0;
  for (std::size_t rest = size;; rest >>= 7) {
    length[n++] = static_cast<char>((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    if (rest <= 0x7f) break;
  }
  const std::size_t start = frame_.size();
  frame_.resize(start + 1 + n + size);
  frame_[start] = kItemsTag;
  std::copy_n(length.data(), n, frame_.data() + start + 1);
  item.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(frame_.data() + start + 1 + n));
  if (counted(item)) ++frame_items_;
  if (frame_.size() >= kFrameBytes && !full_) flush(now);
}

bool Link::flush(Time now) {
  if (frame_.empty()) return true;
  full_ = !wire_.send(pipe_, frame_);
  if (full_) return false;
  figures_.sent += frame_items_;
  figures_.sent_bytes += frame_.size();
  if (frame_items_ > 0) unheard_.emplace_back(figures_.sent, now);
  frame_.clear();
  frame_items_ = 0;
  return true;
}

void Link::heard(std::size_t bytes, Time now) {
  heard_ = now;
  figures_.received_bytes += bytes;
}

void Link::count_received(const pb::Item& item) {
  if (counted(item)) ++figures_.received;
}

void Link::heartbeat(const pb::Heartbeat& beat, Time now) {
  offsets_[offset_count_++ % offsets_.size()] =
      saturating_sum(to_us(now), beat.now_us() == std::numeric_limits<int64_t>::min() ? 0 : -beat.now_us());
  while (!unheard_.empty() && unheard_.front().first <= beat.received()) unheard_.pop_front();
}

pb::Heartbeat Link::make_heartbeat(Time now, bool ready) const {
  pb::Heartbeat beat;
  beat.set_now_us(to_us(now));
  beat.set_received(figures_.received);
  beat.set_ready(ready);
  return beat;
}

bool Link::silent(Time now) const { return figures_.up && now - heard_ >= kGone; }

Time Link::to_local(int64_t peer_us) const {
  if (offset_count_ == 0) return from_us(peer_us);  // one host has one monotonic clock
  const auto end = offsets_.begin() + static_cast<std::ptrdiff_t>(std::min(offset_count_, offsets_.size()));
  return from_us(saturating_sum(peer_us, *std::min_element(offsets_.begin(), end)));
}

LinkFigures Link::figures(Time now) const {
  LinkFigures f = figures_;
  f.queued = frame_items_;
  if (!unheard_.empty()) f.oldest = now - unheard_.front().second;
  return f;
}

}  // namespace stox::bus
