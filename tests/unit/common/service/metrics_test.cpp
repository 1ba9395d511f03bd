#include "common/service/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stox::service {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

TEST(Metrics, OneNameIsOneFamily) {
  EXPECT_EQ(metrics_text({{Metric::Kind::kCounter, "stox_sent_total", "Sent.", 2, {{"peer", "a"}}},
                          {Metric::Kind::kGauge, "stox_in_flight", "Now.", 1.5},
                          {Metric::Kind::kCounter, "stox_sent_total", "Sent.", 3, {{"peer", "b\"\\\n"}}}}),
            "# HELP stox_sent_total Sent.\n"
            "# TYPE stox_sent_total counter\n"
            "stox_sent_total{peer=\"a\"} 2\n"
            "stox_sent_total{peer=\"b\\\"\\\\\\n\"} 3\n"
            "# HELP stox_in_flight Now.\n"
            "# TYPE stox_in_flight gauge\n"
            "stox_in_flight 1.5\n");
}

TEST(Metrics, EveryProcessTellsOfItself) {
  const std::string text =
      metrics_text(common_metrics(State::kReady, std::chrono::seconds(3), 1'700'000'000'000'000));
  EXPECT_THAT(text, ContainsRegex("\nprocess_resident_memory_bytes [1-9]"));
  EXPECT_THAT(text, ContainsRegex("\nprocess_open_fds [1-9]"));
  EXPECT_THAT(text, ContainsRegex("\nprocess_max_fds [1-9]"));
  EXPECT_THAT(text, ContainsRegex("\nprocess_cpu_seconds_total [0-9]"));
  EXPECT_THAT(text, HasSubstr("\nprocess_start_time_seconds 1700000000\n"));
  EXPECT_THAT(text, HasSubstr("\nstox_uptime_seconds 3\n"));
  EXPECT_THAT(text, HasSubstr("\nstox_state{state=\"ready\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nstox_state{state=\"draining\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("stox_build_info{version=\"" STOX_VERSION "\"} 1\n"));
}

}  // namespace
}  // namespace stox::service
