// The last hour of a process, a point for each 10 s: rates, latency, what was in flight and what waited. For
// `stoxctl history` and the page of `stoxctl web`. Fixed memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "common/base/clock.h"
#include "common/service/message_figures.h"

namespace stox::service {

class History {
 public:
  static constexpr std::size_t kPoints = 360;
  static constexpr Duration kStep = std::chrono::seconds(10);

  // What Process::queues() says at an instant.
  struct Load {
    uint64_t items = 0;  // sent to all peers since the start
    int64_t queued = 0;  // of these, not written yet
    int64_t in_flight = 0;
  };
  static Load load_of(const nlohmann::json& queues);

  explicit History(Time started) : last_at_(started) {}

  // To be called every kStep; a point that comes late covers the time since the one before. `wall_us`: Unix
  // time. `messages`: those of this process since its start.
  void add(Time now, int64_t wall_us, const MessageFigures& messages, const Load&);

  // Oldest first, a list for each figure: {"at_s" (Unix time of the end of a point),"per_second",
  // "failed_per_second","mean_ms","p95_ms","items_per_second","queued","in_flight"}. Messages count where
  // they came into the gateway, when they end. mean_ms and p95_ms are null while none ends; p95_ms is as
  // exact as the bounds of the histogram.
  nlohmann::json columns() const;

 private:
  using Buckets = decltype(MessageFigures::Ended::buckets);
  struct Counts {  // since the start
    uint64_t ended = 0, failed = 0, items = 0;
    double seconds = 0;
    Buckets buckets{};
  };
  struct Point {
    int64_t at_s = 0;
    double per_second = 0, failed_per_second = 0, items_per_second = 0;
    double mean_ms = -1, p95_ms = -1;  // negative: none ended
    int64_t queued = 0, in_flight = 0;
  };
  static Counts counts_of(const MessageFigures&, const Load&);

  std::array<Point, kPoints> points_;
  std::size_t added_ = 0;
  Counts last_;
  Time last_at_;
};

}  // namespace stox::service
