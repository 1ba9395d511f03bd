#include "common/service/history.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace stox::service {
namespace {

using nlohmann::json;
using std::chrono::seconds;

TEST(History, APointHasWhatHappenedSinceTheOneBefore) {
  const Time start{};
  History history(start);
  MessageFigures messages;
  for (int i = 0; i < 18; ++i) messages.ended(Ending::kDelivered, 4000, "", 1);
  messages.ended(Ending::kRefused, 90'000, "404", 1);
  messages.ended(Ending::kGivenUp, 90'000, "deadline", 1);
  history.add(start + seconds(10), 1'000'000'000, messages, {.items = 40, .queued = 3, .in_flight = 5});
  history.add(start + seconds(20), 1'010'000'000, messages, {.items = 30, .queued = 0, .in_flight = 0});
  const json now = history.columns();
  EXPECT_EQ(now["at_s"], json({1000, 1010}));
  EXPECT_EQ(now["per_second"], json({2.0, 0.0}));
  EXPECT_EQ(now["failed_per_second"], json({0.2, 0.0}));
  EXPECT_EQ(now["mean_ms"], json({12.6, nullptr}));
  EXPECT_GT(now["p95_ms"][0], 50);
  EXPECT_LE(now["p95_ms"][0], 100);
  EXPECT_EQ(now["p95_ms"][1], nullptr);
  EXPECT_EQ(now["items_per_second"], json({4.0, 0.0})) << "a link that has gone makes no negative rate";
  EXPECT_EQ(now["queued"], json({3, 0}));
  EXPECT_EQ(now["in_flight"], json({5, 0}));
}

TEST(History, ALatePointCoversTheTimeSinceTheOneBefore) {
  History history(Time{});
  MessageFigures messages;
  for (int i = 0; i < 60; ++i) messages.ended(Ending::kDelivered, 1000, "", 1);
  history.add(Time{} + seconds(60), 0, messages, {});
  EXPECT_EQ(history.columns()["per_second"], json({1.0}));
}

TEST(History, KeepsTheLastHour) {
  History history(Time{});
  for (int64_t i = 1; i <= 400; ++i)
    history.add(Time{} + History::kStep * i, i * 10'000'000, MessageFigures(), {});
  const json at = history.columns()["at_s"];
  ASSERT_EQ(at.size(), History::kPoints);
  EXPECT_EQ(at.front(), 410);
  EXPECT_EQ(at.back(), 4000);
}

TEST(History, TheLoadIsTheSumOfAllLinks) {
  const json queues = {
      {"links", {{{"sent", 7}, {"queued", 1}}, {{"sent", 5}, {"queued", 2}}, {{"sent", nullptr}}}},
      {"in_flight", {{"count", 4}}}};
  const History::Load load = History::load_of(queues);
  EXPECT_EQ(load.items, 12U);
  EXPECT_EQ(load.queued, 3);
  EXPECT_EQ(load.in_flight, 4);
  EXPECT_EQ(History::load_of(json::object()).items, 0U);
}

}  // namespace
}  // namespace stox::service
