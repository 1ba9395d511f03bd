#include "mapper/mapping/page/echo.h"

#include <gtest/gtest.h>

#include <string>

namespace stox::mapping {
namespace {

using std::chrono::milliseconds;
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

TEST_F(Echo, ASlowOneIsNone) {
  EXPECT_EQ(exchanges("ping", "pong", seconds(5)), 100);
  for (int i = 0; i < 100; ++i, now_ += milliseconds(1001))
    EXPECT_FALSE(i % 2 ? from_sip("a") : from_xmpp("a"));
}

TEST_F(Echo, EachMustFollowWithinASecond) {
  for (int i = 0; i < EchoWindow::kTurns; ++i, now_ += seconds(1))
    EXPECT_FALSE(i % 2 ? from_sip("a") : from_xmpp("a")) << i;
  EXPECT_TRUE(from_xmpp("a"));
}

TEST_F(Echo, APauseBeginsAnew) {
  for (int i = 0; i < 20; ++i, now_ += EchoWindow::kPause) {
    for (int turn = 0; turn < EchoWindow::kTurns / 2; ++turn) {
      EXPECT_FALSE(from_sip("a"));
      EXPECT_FALSE(from_xmpp("a"));
    }
  }
}

TEST_F(Echo, NewWordsBeginAnew) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(from_sip(std::to_string(i)));
    EXPECT_FALSE(from_xmpp("ok"));
  }
}

TEST_F(Echo, OneSideAloneIsNoLoop) {
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(from_sip("alarm"));
}

TEST_F(Echo, SeveralPeopleBehindOneAddressAreNone) {
  for (int i = 0; i < 100; ++i) {
    const std::string occupant = "room@example.com/" + std::to_string(i % 2);
    EXPECT_FALSE(from_sip("yes", occupant));
    EXPECT_FALSE(from_xmpp("no", occupant));
  }
}

TEST_F(Echo, ALongTextIsNoAutomatons) {
  const std::string text(EchoWindow::kMaxText + 1, 'x');
  EXPECT_EQ(exchanges(text, text), 100);
  EXPECT_LT(exchanges(text.substr(1), text.substr(1)), 100);
}

TEST_F(Echo, ALoopEndsWithAPauseAndConcernsNobodyElse) {
  exchanges("a", "a");
  EXPECT_TRUE(from_xmpp("a") || from_sip("a"));
  EXPECT_FALSE(from_sip("a", "nurse@example.com"));
  EXPECT_FALSE(from_xmpp("a", "nurse@example.com/hall"));
  now_ += EchoWindow::kPause;
  EXPECT_FALSE(from_sip("a"));
  EXPECT_FALSE(from_xmpp("a"));
}

}  // namespace
}  // namespace stox::mapping
