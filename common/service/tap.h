// What passes and what is refused, as `stoxctl tap` sees it live. stoxctl asks again and again: each answer
// holds what is new since the one before, at once or when there is something. Nothing is kept, and nothing
// costs, while nobody asks; who has not asked for kLapse is gone.
//
//   {"command": "tap", "after": N, "refused": bool, "bodies": bool}
//     -> {"ok": true, "next": N, "missed": count, "events": [{"kind": "passed" | "refused", "time_us",
//     "trace", "id",
//         "from", "to", "decision", "outcome", "body"}]}    without "after": from now on
#pragma once

#include <cstdint>
#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/net/loop.h"
#include "common/service/process.h"
#include "common/service/trace.h"

namespace stox::service {

class Tap final : private TraceWatcher {
 public:
  static constexpr std::size_t kEvents = 2000;            // more that nobody fetched: the oldest go
  static constexpr std::size_t kBytes = 4 * 1024 * 1024;  // the same for their texts
  static constexpr std::size_t kMaxBody = 64 * 1024;      // of it more is cut off
  static constexpr Duration kLapse = std::chrono::seconds(5);
  static constexpr Duration kWait = std::chrono::seconds(1);  // then an empty answer

  // Both must outlive it.
  Tap(net::Loop&, Trace&);
  ~Tap() override;

  void answer(const nlohmann::json& request, const Reply&);

 private:
  struct Event {
    int64_t time_us = 0;
    bool refused = false;
    std::string trace, id, from, to, decision, outcome;
    std::string body;
  };
  struct Waiting {  // for something new
    uint64_t after;
    bool refused, bodies;
    Time until;
    Reply reply;
  };

  void passed(const TraceHop&, std::string_view body) override;
  void refused(const TraceHop&, std::string_view packet) override;
  void add(const TraceHop&, bool refused, bool with_body, std::string_view body);
  bool reply(const Waiting&, bool even_if_empty) const;
  void turn();

  net::Loop& loop_;
  Trace& trace_;
  net::Alarm alarm_;
  std::deque<Event> events_;
  uint64_t first_ = 0;  // number of events_[0]
  std::size_t bytes_ = 0;
  std::vector<Waiting> waiting_;
  // Until when somebody looks: at messages, refusals, bodies.
  Time messages_until_{}, refusals_until_{}, bodies_until_{};
};

}  // namespace stox::service
