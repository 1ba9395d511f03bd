#include "ctl/top.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stox::ctl {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json look(int delivered, int refused, double seconds, int sent) {
  return {
      {"status",
       {{"processes",
         {{{"name", "sip-1"},
           {"role", "sip_front"},
           {"state", "ready"},
           {"messages",
            {{"delivered", delivered},
             {"passed_on", 0},
             {"refused", refused},
             {"refused_here", 0},
             {"given_up", 0},
             {"seconds", seconds}}}},
          {{"name", "mapper-1"}, {"role", "mapper"}, {"state", "unreachable"}}}}}},
      {"queues",
       {{"links",
         {{{"from", "sip-1"}, {"to", "mapper-1"}, {"sent", sent}, {"depth", 3}, {"oldest_age_ms", 12}}}},
        {"in_flight", {{{"process", "sip-1"}, {"count", 7}, {"limit", 4096}, {"oldest_age_ms", 1500}}}}}}};
}

TEST(Top, RatesAreThoseBetweenTwoLooks) {
  const json top = top_json(look(100, 10, 1.0, 1000), look(118, 12, 1.2, 1100), 2.0);
  const json& front = top["processes"][0];
  EXPECT_EQ(front["messages_per_second"], 10.0);
  EXPECT_EQ(front["failed_per_second"], 1.0);
  EXPECT_NEAR(front["mean_ms"].get<double>(), 10, 0.001);
  EXPECT_EQ(front["in_flight"], 7);
  EXPECT_EQ(top["links"][0]["items_per_second"], 50.0);
  EXPECT_TRUE(top["processes"][1]["messages_per_second"].is_null());
  const std::string text = top_text(top);
  EXPECT_THAT(text,
              HasSubstr("sip-1     ready        10.0        1.0       10.0 ms  7          4096   1.5 s"));
  EXPECT_THAT(text, HasSubstr("mapper-1  unreachable  -"));
  EXPECT_THAT(text, HasSubstr("sip-1  mapper-1  50.0     3      12.0 ms"));
}

TEST(Top, AProcessThatWasRestartedCountsFromNothing) {
  const json top = top_json(look(100, 10, 1.0, 1000), look(4, 0, 0.1, 20), 2.0);
  EXPECT_EQ(top["processes"][0]["messages_per_second"], 2.0);
  EXPECT_EQ(top["links"][0]["items_per_second"], 10.0);
  EXPECT_TRUE(top["processes"][0]["mean_ms"].is_null());
}

}  // namespace
}  // namespace stox::ctl
