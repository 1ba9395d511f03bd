#include "common/service/history.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace stox::service {
namespace {

using nlohmann::json;

// What is less than before was counted by a link that has gone.
uint64_t more(uint64_t now, uint64_t before) { return now > before ? now - before : 0; }

json rounded(double value) { return value < 0 ? json() : json(std::round(value * 1000) / 1000); }

// In milliseconds, on a straight line between the bounds of its bucket. Negative if nothing was counted.
template <class Buckets>
double quantile_ms(const Buckets& buckets, double part) {
  double count = 0;
  for (const uint64_t one : buckets) count += static_cast<double>(one);
  if (count == 0) return -1;
  double left = part * count;
  for (std::size_t i = 0; i < MessageFigures::kBounds.size(); ++i) {
    const double here = static_cast<double>(buckets[i]);
    const double from = i == 0 ? 0 : MessageFigures::kBounds[i - 1], to = MessageFigures::kBounds[i];
    if (here >= left && here > 0) return (from + (to - from) * left / here) * 1000;
    left -= here;
  }
  return MessageFigures::kBounds.back() * 1000;
}

int64_t number_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

}  // namespace

History::Load History::load_of(const json& queues) {
  Load out;
  for (const json& link : queues.value("links", json::array())) {
    out.items += static_cast<uint64_t>(std::max<int64_t>(0, number_at(link, "sent")));
    out.queued += number_at(link, "queued");
  }
  out.in_flight = number_at(queues.value("in_flight", json::object()), "count");
  return out;
}

History::Counts History::counts_of(const MessageFigures& messages, const Load& load) {
  Counts out;
  out.items = load.items;
  for (const Ending ending :
       {Ending::kDelivered, Ending::kPassedOn, Ending::kRefused, Ending::kRefusedHere, Ending::kGivenUp}) {
    const MessageFigures::Ended& ended = messages.of(ending);
    out.ended += ended.count;
    if (is_failure(ending)) out.failed += ended.count;
    out.seconds += ended.seconds;
    for (std::size_t i = 0; i < out.buckets.size(); ++i) out.buckets[i] += ended.buckets[i];
  }
  return out;
}

void History::add(Time now, int64_t wall_us, const MessageFigures& messages, const Load& load) {
  const double seconds = std::max(0.001, std::chrono::duration<double>(now - last_at_).count());
  const Counts counts = counts_of(messages, load);
  const uint64_t ended = more(counts.ended, last_.ended);
  Buckets buckets{};
  for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] = more(counts.buckets[i], last_.buckets[i]);

  Point& point = points_[added_++ % kPoints];
  point.at_s = wall_us / 1'000'000;
  point.per_second = static_cast<double>(ended) / seconds;
  point.failed_per_second = static_cast<double>(more(counts.failed, last_.failed)) / seconds;
  point.items_per_second = static_cast<double>(more(counts.items, last_.items)) / seconds;
  point.mean_ms = ended == 0 ? -1 : (counts.seconds - last_.seconds) * 1000 / static_cast<double>(ended);
  point.p95_ms = quantile_ms(buckets, 0.95);
  point.queued = load.queued;
  point.in_flight = load.in_flight;
  last_ = counts;
  last_at_ = now;
}

json History::columns() const {
  json out;
  for (const char* key : {"at_s", "per_second", "failed_per_second", "mean_ms", "p95_ms", "items_per_second",
                          "queued", "in_flight"})
    out[key] = json::array();
  for (std::size_t n = added_ - std::min(added_, kPoints); n < added_; ++n) {
    const Point& point = points_[n % kPoints];
    out["at_s"].push_back(point.at_s);
    out["per_second"].push_back(rounded(point.per_second));
    out["failed_per_second"].push_back(rounded(point.failed_per_second));
    out["mean_ms"].push_back(rounded(point.mean_ms));
    out["p95_ms"].push_back(rounded(point.p95_ms));
    out["items_per_second"].push_back(rounded(point.items_per_second));
    out["queued"].push_back(point.queued);
    out["in_flight"].push_back(point.in_flight);
  }
  return out;
}

}  // namespace stox::service
