#include "tests/bench/tally.h"

#include <algorithm>
#include <bit>
#include <sstream>

#include "tests/support/ends/words.h"

namespace stox::bench {

void Latency::add(int64_t us) {
  const auto value = static_cast<uint64_t>(std::max<int64_t>(us, 0));
  const auto power = static_cast<unsigned>(std::bit_width(value | 31)) - 5;  // 0 for 0 to 31
  const std::size_t bucket = 32 * power + ((value >> power) & 31);
  ++buckets_[std::min(bucket, buckets_.size() - 1)];
  ++count_;
}

int64_t Latency::percentile(double fraction) const {
  auto wanted = static_cast<uint64_t>(fraction * static_cast<double>(count_));
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    if (buckets_[i] > wanted) return static_cast<int64_t>((i % 32) << (i / 32));
    wanted -= buckets_[i];
  }
  return 0;
}

uint64_t Tally::send() {
  messages_.push_back({});
  messages_.back().sent_us = ends::now_us();
  return messages_.size() - 1;
}

void Tally::end(Message& message) {
  if (!message.ended) ++ended_;
  message.ended = true;
}

void Tally::arrived(uint64_t number, uint64_t way) {
  if (number >= messages_.size()) return came_unasked();
  auto& message = messages_[number];
  if (message.arrived) {
    ++(way == message.way ? copies_ : duplicated_);
    return;
  }
  message.arrived = true;
  message.way = way;
  ++arrived_;
  one_way_.add(ends::now_us() - message.sent_us);
  auto& last = last_of_pair_[pair_of(number)];
  if (last > static_cast<int64_t>(number)) ++reordered_;
  last = std::max(last, static_cast<int64_t>(number));
  if (end_by_arrival_) end(message);
}

void Tally::answered(uint64_t number, int status) {
  if (number >= messages_.size()) return came_unasked();
  auto& message = messages_[number];
  if (message.status != 0) return;
  message.status = status;
  ++statuses_[status];
  round_trip_.add(ends::now_us() - message.sent_us);
  end(message);
}

std::string Tally::report(double seconds) const {
  uint64_t lost = 0, untold = 0;
  for (const auto& message : messages_) {
    const bool success = end_by_arrival_ ? message.status == 0 : message.status / 100 == 2;
    if (success && !message.arrived) ++lost;
    if (!message.ended) ++untold;
  }
  std::ostringstream out;
  out << "{\"seconds\":" << seconds << ",\"sent\":" << sent() << ",\"arrived\":" << arrived_
      << ",\"statuses\":{";
  const char* comma = "";
  for (const auto& [status, count] : statuses_) {
    out << comma << '"' << status << "\":" << count;
    comma = ",";
  }
  out << "},\"lost\":" << lost << ",\"unanswered\":" << untold << ",\"duplicated\":" << duplicated_
      << ",\"copies\":" << copies_ << ",\"reordered\":" << reordered_ << ",\"strange\":" << strange_;
  for (const auto& [name, latency] :
       {std::pair{"one_way_us", &one_way_}, std::pair{"round_trip_us", &round_trip_}})
    out << ",\"" << name << "\":{\"p50\":" << latency->percentile(.5)
        << ",\"p99\":" << latency->percentile(.99) << ",\"p999\":" << latency->percentile(.999) << '}';
  out << '}';
  return out.str();
}

}  // namespace stox::bench
