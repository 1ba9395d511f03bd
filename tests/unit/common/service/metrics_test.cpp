#include "common/service/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

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
  const std::string text = metrics_text(common_metrics(State::kReady, 1'700'000'000'000'000));
  EXPECT_THAT(text, ContainsRegex("\nprocess_resident_memory_bytes [1-9]"));
  EXPECT_THAT(text, ContainsRegex("\nprocess_open_fds [1-9]"));
  EXPECT_THAT(text, ContainsRegex("\nprocess_max_fds [1-9]"));
  EXPECT_THAT(text, ContainsRegex("\nprocess_cpu_seconds_total [0-9]"));
  EXPECT_THAT(text, HasSubstr("\nprocess_start_time_seconds 1700000000\n"));
  EXPECT_THAT(text, HasSubstr("\nstox_state{state=\"ready\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nstox_state{state=\"draining\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("stox_build_info{version=\"" STOX_VERSION "\"} 1\n"));
}

TEST(Metrics, MessagesAreHistogramsByEndingAndFailuresByReason) {
  MessageFigures figures;
  figures.ended(Ending::kDelivered, 2000, "", 1);
  figures.ended(Ending::kDelivered, 2'000'000, "", 1);
  figures.ended(Ending::kGivenUp, 40'000'000, "deadline", 1);
  const std::string text = metrics_text({}, {{"name", "sip-1"}}, &figures, "to_xmpp");
  const std::string delivered = "{name=\"sip-1\",direction=\"to_xmpp\",ending=\"delivered\"";
  EXPECT_THAT(text, HasSubstr("stox_message_duration_seconds_count" + delivered + "} 2\n"));
  EXPECT_THAT(text, HasSubstr("stox_message_duration_seconds_sum" + delivered + "} 2.002"));
  EXPECT_THAT(text, HasSubstr("stox_message_duration_seconds_bucket" + delivered + ",le=\"0.001\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("stox_message_duration_seconds_bucket" + delivered + ",le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("stox_message_duration_seconds_bucket" + delivered + ",le=\"+Inf\"} 2\n"));
  EXPECT_THAT(
      text, HasSubstr("stox_message_failures_total{name=\"sip-1\",direction=\"to_xmpp\",ending=\"given_up\","
                      "reason=\"deadline\"} 1\n"));
}

TEST(Metrics, LinksAndWhatIsInFlight) {
  const auto queues = nlohmann::json::parse(R"({
    "links": [{"peer": "mapper-1", "up": true, "sent": 7, "oldest_age_ms": 1500}, {"peer": ""}],
    "in_flight": {"count": 3, "limit": 4096, "oldest_age_ms": 250}})");
  const std::string text = metrics_text(queue_metrics(queues));
  EXPECT_THAT(text, HasSubstr("stox_link_up{peer=\"mapper-1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("stox_link_sent_total{peer=\"mapper-1\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("stox_link_oldest_age_seconds{peer=\"mapper-1\"} 1.5\n"));
  EXPECT_THAT(text, HasSubstr("stox_messages_in_flight 3\n"));
  EXPECT_THAT(text, HasSubstr("stox_messages_in_flight_limit 4096\n"));
  EXPECT_THAT(text, HasSubstr("stox_messages_oldest_age_seconds 0.25\n"));
}

}  // namespace
}  // namespace stox::service
