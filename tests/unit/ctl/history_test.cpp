#include "ctl/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stox::ctl {
namespace {

using nlohmann::json;
using ::testing::ContainsRegex;
using ::testing::Not;

TEST(HistoryView, ARowForFiveMinutesAndTheRestComesFirst) {
  json front = {{"name", "sip-1"}, {"role", "sip_front"}};
  for (int i = 0; i < 31; ++i) {
    front["at_s"].push_back(1'000'000 + 10 * i);
    front["per_second"].push_back(i == 0 ? 5.0 : i == 1 ? 30.0 : 0.0);
    front["mean_ms"].push_back(i < 2 ? json(4.0) : json());
    front["p95_ms"].push_back(i < 2 ? json(9.0) : json());
    front["in_flight"].push_back(i == 7 ? 12 : 0);
  }
  const std::string text = history_text({{"step_ms", 10'000}, {"processes", {front}}});
  EXPECT_THAT(text, ContainsRegex("sip-1 +13:46:40 +5.0 +0.0 +4.0 ms +9.0 ms +0.0 +0 +0\n"));
  EXPECT_THAT(text, ContainsRegex("sip-1 +13:51:40 +1.0 +0.0 +4.0 ms +9.0 ms +0.0 +0 +12\n"));
}

TEST(HistoryView, AMapperHasNoMessagesOfItsOwn) {
  const json mapper = {{"name", "mapper-1"}, {"role", "mapper"}, {"at_s", {10}}, {"items_per_second", {2.5}}};
  EXPECT_THAT(history_text({{"processes", {mapper}}}),
              ContainsRegex("mapper-1 +00:00:10 +- +- +- +- +2.5 +0 +-\n"));
}

TEST(HistoryView, AProcessThatHasJustStartedHasNoRow) {
  EXPECT_THAT(history_text({{"processes", {{{"name", "sip-1"}, {"role", "sip_front"}}}}}),
              Not(ContainsRegex("sip-1")));
}

}  // namespace
}  // namespace stox::ctl
