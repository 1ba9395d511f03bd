#include "common/base/memo.h"

#include <gtest/gtest.h>

namespace stox {
namespace {

TEST(Memo, AsksOnceForATextThatComesAgain) {
  Memo<std::string> memo;
  int asked = 0;
  const auto twice = [&](std::string_view text) {
    ++asked;
    return std::string(text) + std::string(text);
  };
  EXPECT_EQ(memo.get("ab", twice), "abab");
  EXPECT_EQ(memo.get("ab", twice), "abab");
  EXPECT_EQ(memo.get("", twice), "");
  EXPECT_EQ(asked, 2);
}

TEST(Memo, IsRightForMoreTextsThanItHasPlaces) {
  Memo<int> memo;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 20'000; ++i)
      ASSERT_EQ(memo.get(std::to_string(i), [](std::string_view t) { return std::stoi(std::string(t)); }), i);
  }
}

// A thousand users who write again and again.
TEST(Memo, AQuarterAsManyTextsAsItHasPlacesStayWithFewExceptions) {
  Memo<int> memo;
  int asked = 0;
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 1'000; ++i) {
      memo.get("sip:u" + std::to_string(i) + "@sip.test", [&](std::string_view) { return ++asked; });
    }
  }
  EXPECT_LT(asked, 1'000 + 9 * 1'000 / 20);
}

TEST(Memo, ALongTextIsAskedForEachTime) {
  Memo<std::size_t> memo;
  int asked = 0;
  for (int i = 0; i < 2; ++i) {
    memo.get(std::string(1000, 'x'), [&](std::string_view text) {
      ++asked;
      return text.size();
    });
  }
  EXPECT_EQ(asked, 2);
}

}  // namespace
}  // namespace stox
