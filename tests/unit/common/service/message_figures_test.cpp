#include "common/service/message_figures.h"

#include <gtest/gtest.h>

namespace stox::service {
namespace {

TEST(MessageFigures, CountEndingsTimesAndReasons) {
  MessageFigures figures;
  figures.ended(Ending::kDelivered, 1000, "", 100);
  figures.ended(Ending::kDelivered, 1001, "", 100);
  figures.ended(Ending::kDelivered, 60'000'000, "", 100);
  figures.ended(Ending::kRefused, 0, "404", 100);
  figures.ended(Ending::kRefused, 0, "404", 100);
  figures.ended(Ending::kGivenUp, 0, "deadline", 100);
  const auto& delivered = figures.of(Ending::kDelivered);
  EXPECT_EQ(delivered.count, 3U);
  EXPECT_NEAR(delivered.seconds, 60.002, 0.0001);
  EXPECT_EQ(delivered.buckets[0], 1U) << "a bound belongs to its bucket";
  EXPECT_EQ(delivered.buckets[1], 1U);
  EXPECT_EQ(delivered.buckets.back(), 1U);
  ASSERT_EQ(figures.failures().size(), 2U);
  EXPECT_EQ(figures.failures().at({Ending::kRefused, "404"}), 2U);
}

TEST(MessageFigures, ReasonsAreBounded) {
  MessageFigures figures;
  for (int i = 0; i < 1000; ++i) figures.ended(Ending::kRefused, 0, "reason " + std::to_string(i), 1);
  EXPECT_EQ(figures.failures().size(), MessageFigures::kMaxReasons + 1);
  EXPECT_EQ(figures.failures().at({Ending::kRefused, "other"}), 1000 - MessageFigures::kMaxReasons);
}

TEST(MessageFigures, TheRateIsThatOfTheLastMinute) {
  MessageFigures figures;
  EXPECT_EQ(figures.rate(1000), 0);
  for (int64_t s = 1000; s < 1120; ++s) {
    for (int i = 0; i < 5; ++i) figures.ended(Ending::kDelivered, 0, "", s);
  }
  EXPECT_NEAR(figures.rate(1120), 5, 0.1);
  EXPECT_EQ(figures.rate(1300), 0);
}

}  // namespace
}  // namespace stox::service
