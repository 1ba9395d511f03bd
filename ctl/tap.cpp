// stoxctl tap: asks all processes for what is new until its time is over.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "ctl/commands.h"
#include "ctl/control_client.h"
#include "ctl/output.h"
#include "ctl/processes.h"
#include "ctl/tap_view.h"

namespace stox::ctl {
namespace {

using nlohmann::json;
using Steady = std::chrono::steady_clock;

// What one process tells may be older than what another told before: shown after this time, all is in order.
constexpr int64_t kSettleUs = 300'000;

// Not the wall clock, which may be set while we look.
int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(Steady::now().time_since_epoch()).count();
}

}  // namespace

ExitCode tap(const Options& options, const TapOptions& wanted) {
  const std::vector<Known> known = known_processes(options.config);
  json question = {{"command", "tap"}, {"refused", wanted.refused}, {"bodies", wanted.bodies}};
  TapView view(wanted.from, wanted.to, wanted.count);
  std::vector<bool> reached(known.size()), complained(known.size());
  const auto print = [&](int64_t came_by) {
    for (const json& event : view.take(came_by)) {
      if (options.json) {
        print_json_line(event);
      } else {
        print_text(tap_text(event));
      }
    }
    std::fflush(stdout);
  };
  const auto complain_of = [&](std::size_t i, const std::string& text) {
    complain(fmt::format("{}: {}", known[i].name, text));
  };
  const auto next = [&](std::size_t i, const Answer& answer) -> std::optional<json> {
    if (const std::string why = answer.error(); !why.empty()) {
      if (!complained[i]) complain_of(i, why);
      complained[i] = true;
      question.erase("after");
      return question;
    }
    reached[i] = true;
    complained[i] = false;
    for (const json& event : answer.value.value("events", json::array()))
      view.add(known[i].name, event, now_us());
    if (const auto missed = answer.value.value("missed", uint64_t{0}); missed > 0)
      complain_of(i, fmt::format("{} events came too fast to be shown", missed));
    json again = question;
    again["after"] = answer.value.value("next", uint64_t{0});
    return again;
  };
  const auto end = Steady::now() + std::chrono::seconds(wanted.for_s);
  keep_asking(paths_of(known), question, next, [&] {
    print(now_us() - kSettleUs);
    return Steady::now() < end && !view.done();
  });
  print(INT64_MAX);
  const bool any = std::find(reached.begin(), reached.end(), true) != reached.end();
  return any || known.empty() ? kFine : kUnreachable;
}

}  // namespace stox::ctl
