#include "xmpp_worker/page/recent_words.h"

#include <gtest/gtest.h>

namespace stox::worker {
namespace {

constexpr const char *kJuliet = "juliet@x.test/balcony", *kRomeo = "romeo*s.test@gw.test";

class RecentWordsTest : public testing::Test {
 protected:
  std::string noted(std::string_view text) {
    words.note(kJuliet, kRomeo, "m1", text);
    return std::string(words.find(kJuliet, kRomeo, "m1"));
  }
  ManualClock clock;
  RecentWords words{clock};
};

TEST_F(RecentWordsTest, AreKnownToTheConversationAloneAndForTenMinutes) {
  EXPECT_EQ(noted("see you at nine"), "see you at nine");
  EXPECT_EQ(words.find("juliet@x.test/phone", kRomeo, "m1"), "see you at nine");
  EXPECT_EQ(words.find("juliet@x.test/phone", kRomeo, "m2"), "");
  EXPECT_EQ(words.find("nurse@x.test", kRomeo, "m1"), "");
  EXPECT_EQ(words.find(kJuliet, "tybalt*s.test@gw.test", "m1"), "");
  clock.advance(std::chrono::minutes(9));
  EXPECT_EQ(words.find(kJuliet, kRomeo, "m1"), "see you at nine");
  clock.advance(std::chrono::minutes(1));
  EXPECT_EQ(words.find(kJuliet, kRomeo, "m1"), "");
}

TEST_F(RecentWordsTest, AreFortyCharactersInOneLine) {
  EXPECT_EQ(noted(std::string(40, 'x')), std::string(40, 'x'));
  EXPECT_EQ(noted(std::string(41, 'x')), std::string(40, 'x') + "\u2026");
  std::string emoji;
  for (int i = 0; i < 40; ++i) emoji += "\U0001f44d";
  EXPECT_EQ(noted(emoji + "!"), emoji + "\u2026");
  EXPECT_EQ(noted("\n one\ntwo\x1b"), "one two ");
  EXPECT_EQ(noted(std::string(500, '\x80')).size(), 163u);
}

TEST_F(RecentWordsTest, LeaveOutWhatAReplyQuotes) {
  EXPECT_EQ(noted("> see you at nine\n> or ten\nat nine"), "at nine");
  EXPECT_EQ(noted("> nothing else"), "> nothing else");
}

TEST_F(RecentWordsTest, AreForgottenWhenNotWanted) {
  noted("see you at nine");
  words.keep(false);
  EXPECT_EQ(words.find(kJuliet, kRomeo, "m1"), "");
  EXPECT_EQ(noted("see you at ten"), "");
}

TEST_F(RecentWordsTest, AreOfTheLastMessages) {
  for (int i = 0; i < 100'000; ++i) words.note(kJuliet, kRomeo, std::to_string(i), std::to_string(i));
  int known = 0;
  for (int i = 99'000; i < 100'000; ++i) {
    const std::string id = std::to_string(i), found(words.find(kJuliet, kRomeo, id));
    ASSERT_TRUE(found.empty() || found == id);
    known += !found.empty();
  }
  EXPECT_GT(known, 900);
}

}  // namespace
}  // namespace stox::worker
