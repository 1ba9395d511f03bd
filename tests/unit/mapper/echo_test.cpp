#include "mapper/mapping/echo.h"

#include <gtest/gtest.h>

#include <string>

namespace stox::mapping {
namespace {

using std::chrono::seconds;

class Echo : public testing::Test {
 protected:
  bool from_sip(std::string_view text, std::string_view to = "juliet@example.com") {
    return window_.is_loop("romeo*example.net@sip.example", to, 0, text, now_);
  }
  bool from_xmpp(std::string_view text, std::string_view from = "juliet@example.com/balcony") {
    return window_.is_loop(from, "romeo*example.net@sip.example", 1, text, now_);
  }
  // How many exchanges of these words pass, of 100.
  int exchanges(std::string_view sip, std::string_view xmpp, Duration each = {}) {
    for (int i = 0; i < 100; ++i, now_ += each) {
      if (from_sip(sip) || from_xmpp(xmpp)) return i;
    }
    return 100;
  }

  EchoWindow window_;
  Time now_{};
};

TEST_F(Echo, TheSameWordsBackAndForthAreALoop) {
  const int passed = exchanges("I am away", "I am away");
  EXPECT_GE(passed, EchoWindow::kTurns / 2 - 1);
  EXPECT_LE(passed, EchoWindow::kTurns / 2 + 2);
}

TEST_F(Echo, TwoAutomatonsWithWordsOfTheirOwnAreALoop) {
  const int passed = exchanges("I am away", "I am a robot");
  EXPECT_GE(passed, EchoWindow::kTurns / 2 - 1);
  EXPECT_LE(passed, EchoWindow::kTurns / 2 + 2);
}

TEST_F(Echo, ASlowOneIsNone) { EXPECT_EQ(exchanges("still there?", "yes", seconds(10)), 100); }

TEST_F(Echo, NewWordsBeginAnew) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(from_sip(std::to_string(i)));
    EXPECT_FALSE(from_xmpp("ok"));
  }
}

TEST_F(Echo, OneSideAloneIsNoLoop) {
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(from_sip("alarm"));
}

TEST_F(Echo, ALoopEndsWithItsWindowAndConcernsNobodyElse) {
  exchanges("a", "a");
  EXPECT_TRUE(from_xmpp("a") || from_sip("a"));
  EXPECT_FALSE(from_sip("a", "nurse@example.com"));
  EXPECT_FALSE(from_xmpp("a", "nurse@example.com/hall"));
  now_ += EchoWindow::kWindow + seconds(1);
  EXPECT_FALSE(from_sip("a"));
  EXPECT_FALSE(from_xmpp("a"));
}

}  // namespace
}  // namespace stox::mapping
