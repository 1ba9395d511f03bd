#include "common/base/alarms.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace stox {
namespace {

TEST(Alarms, AKeyHasOneTimeHoweverOftenItIsMoved) {
  Alarms<std::string> alarms;
  Time a = kNever, b = kNever;
  for (int us = 1; us <= 1000; ++us) alarms.set("a", a, from_us(us % 2 == 0 ? us : 5000 - us));
  alarms.set("b", b, from_us(1500));
  EXPECT_EQ(alarms.size(), 2u);
  EXPECT_EQ(a, from_us(1000));
  EXPECT_EQ(alarms.next(), a);
  EXPECT_FALSE(alarms.pop_due(from_us(999)));
  EXPECT_EQ(alarms.pop_due(from_us(2000)), "a");
  EXPECT_EQ(alarms.pop_due(from_us(2000)), "b");
  EXPECT_FALSE(alarms.pop_due(from_us(2000)));
  EXPECT_EQ(alarms.next(), kNever);
}

TEST(Alarms, OneThatIsSetToNeverDoesNotCome) {
  Alarms<uint64_t> alarms;
  Time held = kNever;
  alarms.set(7, held, from_us(1));
  alarms.set(7, held, kNever);
  EXPECT_EQ(held, kNever);
  EXPECT_EQ(alarms.size(), 0u);
  EXPECT_FALSE(alarms.pop_due(from_us(1)));
}

}  // namespace
}  // namespace stox
