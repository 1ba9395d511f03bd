#include "sip_front/sip/policy/rate_limit.h"

#include <gtest/gtest.h>

namespace stox::sip {
namespace {

using namespace std::chrono_literals;

struct RateLimits : testing::Test {
  int taken(std::string_view sender, int tries, uint32_t per_second = 10) {
    int count = 0;
    for (int i = 0; i < tries; ++i) count += limit.take(sender, per_second, clock.now()) ? 1 : 0;
    return count;
  }
  ManualClock clock;
  RateLimit limit{42};
};

TEST_F(RateLimits, TwoSecondsWorthAtOnceThenTheRate) {
  EXPECT_EQ(taken("a", 100), 20);
  clock.advance(1s);
  EXPECT_EQ(taken("a", 100), 10);
  clock.advance(100ms);
  EXPECT_EQ(taken("a", 100), 1);
  clock.advance(1h);
  EXPECT_EQ(taken("a", 100), 20);
}

TEST_F(RateLimits, EachHasItsOwn) {
  EXPECT_EQ(taken("a", 100), 20);
  EXPECT_EQ(taken("b", 100), 20);
}

TEST_F(RateLimits, ZeroIsNone) {
  EXPECT_EQ(taken("a", 1000, 0), 1000);
  EXPECT_EQ(limit.size(), 0u);
}

TEST_F(RateLimits, AFloodOfSendersTakesNoMoreMemoryAndFreesNobodyWhoIsOver) {
  EXPECT_EQ(taken("busy", 100), 20);
  const std::size_t size = limit.size();
  for (int i = 0; i < 1'000'000; ++i) limit.take(std::to_string(i), 10, clock.now());
  EXPECT_EQ(limit.size(), size);
  EXPECT_EQ(taken("busy", 100), 0);
}

TEST_F(RateLimits, AnIpv6NetworkIsOneSender) {
  const auto take = [&](const char* ip) { return limit.take(*Endpoint::parse(ip, 1), 1, clock.now()); };
  EXPECT_TRUE(take("2001:db8::1"));
  EXPECT_TRUE(take("2001:db8::2"));
  EXPECT_FALSE(take("2001:db8::3"));
  EXPECT_TRUE(take("2001:db8:0:1::3"));
  EXPECT_TRUE(take("192.0.2.1"));
  EXPECT_TRUE(take("192.0.2.1"));
  EXPECT_FALSE(take("192.0.2.1"));
  EXPECT_TRUE(take("192.0.2.2"));
}

}  // namespace
}  // namespace stox::sip
