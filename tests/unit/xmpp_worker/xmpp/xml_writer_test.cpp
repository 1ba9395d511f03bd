#include "xmpp_worker/xmpp/stream/xml_writer.h"

#include <gtest/gtest.h>

#include <random>

#include "common/base/text.h"
#include "xml_log.h"

namespace stox::xmpp {
namespace {

std::string text(std::string_view value) {
  std::string out;
  append_xml(out, value, XmlPlace::kText);
  return out;
}

TEST(XmlWriter, WritesElements) {
  std::string out = "kept ";
  XmlWriter xml(out);
  xml.open("iq", "jabber:client").attribute("to", "a'b").attribute_unless_empty("id", "");
  xml.open("empty").close().leaf("body", "1 < 2").close();
  EXPECT_EQ(out, "kept <iq xmlns='jabber:client' to='a&apos;b'><empty/><body>1 &lt; 2</body></iq>");
}

TEST(XmlWriter, LeavesAStreamHeaderOpen) {
  std::string out;
  XmlWriter xml(out);
  xml.open("stream:stream").attribute("to", "x").leave_open();
  xml.open("a").close();
  EXPECT_EQ(out, "<stream:stream to='x'><a/>");
}

TEST(XmlWriter, EscapesAndDrops) {
  EXPECT_EQ(text("<a b='c' d=\"e\">&amp;"), "&lt;a b=&apos;c&apos; d=&quot;e&quot;&gt;&amp;amp;");
  EXPECT_EQ(text(std::string_view("a\0b\x01\x1f\x7f", 6)), "ab\x7f");
  EXPECT_EQ(text("a\r\nb\tc"), "a&#13;\nb\tc");
  EXPECT_EQ(text("\xef\xbf\xbe\xef\xbf\xbfx"), "x");
  std::string attribute;
  append_xml(attribute, "a\nb\tc", XmlPlace::kAttribute);
  EXPECT_EQ(attribute, "a&#10;b&#9;c");
}

TEST(XmlWriter, BadUtf8BecomesReplacementCharacters) {
  EXPECT_EQ(text("\xc3\xa4\xf0\x9f\x98\x80"), "\xc3\xa4\xf0\x9f\x98\x80");
  EXPECT_EQ(text("\xc3"), "\xef\xbf\xbd");
  EXPECT_EQ(text("\xc3\xa4\xff\xc3\xb6"), "\xc3\xa4\xef\xbf\xbd\xc3\xb6");
  EXPECT_EQ(text("\xed\xa0\x80x"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx");
}

TEST(XmlWriter, WhateverGoesInAParserReadsIt) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string junk(random() % 40, '\0');
    for (char& c : junk) c = static_cast<char>(random());
    std::string out = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>";
    XmlWriter(out).open("a").attribute("to", junk).text(junk).close();
    XmlLog log;
    XmlStream stream({}, log);
    stream.feed(out);
    ASSERT_EQ(log.elements, 1) << to_hex(junk) << log.log;
  }
}

}  // namespace
}  // namespace stox::xmpp
