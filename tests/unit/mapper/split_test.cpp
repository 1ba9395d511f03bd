#include "mapper/mapping/page/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stox::mapping {
namespace {

using testing::ElementsAre;

TEST(Split, WhatFitsStaysWhole) {
  EXPECT_THAT(split_text("", 10), ElementsAre(""));
  EXPECT_THAT(split_text("0123456789", 10), ElementsAre("0123456789"));
}

TEST(Split, PartsAreNumberedAndEndBehindASpaceIfOneIsNear) {
  EXPECT_THAT(split_text("one two three four", 16), ElementsAre("(1/2) one two ", "(2/2) three four"));
  EXPECT_THAT(split_text("a bcdefghijklmnopqrst", 16),
              ElementsAre("(1/3) a bcdefghi", "(2/3) jklmnopqrs", "(3/3) t"));
}

TEST(Split, NeverInsideAGrapheme) {
  const std::string family = "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7";  // woman, joiner, girl
  const std::string flag = "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa";                // D and E
  const std::string accent = "e\xcc\x81";
  for (const std::string& one : {family, flag, accent}) {
    std::string text, joined;
    for (int i = 0; i < 50; ++i) text += one;
    for (std::size_t room = one.size() + 8; room < 60; ++room) {
      joined.clear();
      for (const std::string& part : split_text(text, room)) {
        EXPECT_LE(part.size(), room);
        const std::string words = part.substr(part.find(' ') + 1);
        EXPECT_EQ(words.size() % one.size(), 0u) << room;
        joined += words;
      }
      EXPECT_EQ(joined, text) << room;
    }
  }
}

TEST(Split, NothingIsLostWhateverTheNumbersWidth) {
  for (const std::size_t size : {100u, 1'000u, 9'999u, 60'000u}) {
    const std::string text(size, 'x');
    std::string joined;
    for (const std::string& part : split_text(text, 90)) joined += part.substr(part.find(' ') + 1);
    EXPECT_EQ(joined, text);
  }
}

TEST(Split, WhatCannotBeDoneIsSaid) {
  EXPECT_TRUE(split_text("0123456789", 0).empty());
  EXPECT_TRUE(split_text("0123456789", 6).empty());
  EXPECT_TRUE(split_text(std::string(60'000, 'x'), 20).empty());  // too many parts
  std::string zalgo = "e";
  for (int i = 0; i < 100; ++i) zalgo += "\xcc\x81";
  EXPECT_TRUE(split_text(zalgo, 100).empty());
}

}  // namespace
}  // namespace stox::mapping
