#include "common/base/text.h"

#include <gtest/gtest.h>

#include "common/base/shortened.h"

namespace stox {
namespace {

TEST(Text, Utf8IsStrict) {
  EXPECT_TRUE(is_utf8("a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"));
  for (const char* bad :
       {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3", "\xe2\x82", "\x80"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

TEST(Text, PercentCodingGoesBothWays) {
  EXPECT_EQ(percent_decode("a%2Ab%c3%BC"), "a*b\xc3\xbc");
  EXPECT_EQ(percent_decode("a%2"), std::nullopt);
  EXPECT_EQ(percent_encode("a b", [](unsigned char c) { return c != ' '; }), "a%20b");
}

TEST(Text, WhatIsShortenedEndsWithAWord) {
  const std::string text = "Your server's certificate has expired";
  EXPECT_EQ(shortened(text, text.size()), text);
  EXPECT_EQ(shortened(text, 24), "Your server's...");
  EXPECT_EQ(shortened(text, 28), "Your server's certificate...");
  EXPECT_EQ(shortened("it is here: and there", 14), "it is here...");
  EXPECT_EQ(shortened("a-very-long-name.of-a.host.example.org", 20), "a-very-long-name....");
  EXPECT_EQ(shortened("\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", 6), "\xc3\xbc...");
  EXPECT_EQ(shortened("a\nb", 10), "a b");
}

TEST(Text, OneLineNeverSplitsACharacterOrALine) {
  EXPECT_EQ(one_line("a\r\nb", 10), "a  b");
  EXPECT_EQ(one_line("a\xc3\xbc", 2), "a");
}

TEST(Text, XmlLegalDropsWhatWouldEndTheStream) {
  EXPECT_EQ(xml_legal(std::string_view("a\0b\x08\r\nc\rd\xef\xbf\xbf", 12)), "ab\nc\nd");
  // Wherever it stands between text that needs no change.
  const std::string plain = "what is said in plain words~\x7f";
  for (std::size_t at = 0; at <= plain.size(); ++at) {
    const std::string before = plain.substr(0, at), behind = plain.substr(at);
    EXPECT_EQ(xml_legal(before + "\x1f" + behind), plain) << at;
    EXPECT_EQ(xml_legal(before + "\t" + behind), before + "\t" + behind) << at;
    EXPECT_EQ(xml_legal(before + "\xef\xbf\xbe" + behind), plain) << at;
    EXPECT_EQ(xml_legal(before + "\u20ac" + behind), before + "\u20ac" + behind) << at;
  }
}

TEST(Text, NearestFindsATypoOnly) {
  EXPECT_EQ(nearest("xmpp_pasword", {"xmpp_password", "xmpp_port"}), "xmpp_password");
  EXPECT_EQ(nearest("xmpp_pass", {"xmpp_host", "xmpp_password", "xmpp_port"}), "xmpp_password");
  EXPECT_EQ(nearest("colour", {"xmpp_password", "xmpp_port"}), std::nullopt);
}

}  // namespace
}  // namespace stox
