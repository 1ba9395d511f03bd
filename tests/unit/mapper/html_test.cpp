#include "mapper/mapping/page/html.h"

#include <gtest/gtest.h>

namespace stox::mapping {
namespace {

TEST(Html, OnlyTheWordsStay) {
  const struct {
    const char* html;
    const char* text;
  } rows[] = {
      {"", ""},
      {"plain", "plain"},
      {"<b>bold</b> and <i\nclass='x>y'>more</i>", "bold and more"},
      {"one<br>two<BR/>three", "one\ntwo\nthree"},
      {"<p>one</p><p>two</p>", "one\ntwo"},
      {"<ul><li>one</li><li>two</li></ul>", "one\ntwo"},
      {"<p>  a \n\t b  ", "a b"},
      {"&lt;b&gt; &amp;amp; &quot;&apos;&#65;&#x42;&nbsp;", "<b> &amp; \"'AB\xc2\xa0"},
      {"&unknown; &; & &#; &#xd800; &#9999999;", "&unknown; &; & &#; \xef\xbf\xbd \xef\xbf\xbd"},
      {"a < b & c > d", "a < b & c > d"},
      {"<html><head><title>T</title><style>x{}</style></head><body>b<script>if(a</b)</script>c</body>", "bc"},
      {"a<!-- <b>no</b> -->b", "ab"},
      {"<a href=\"https://x.example/?a=1&amp;b\">here</a>.", "here (https://x.example/?a=1&b)."},
      {"<a href='https://x.example/'>https://x.example/</a>", "https://x.example/"},
      {"<a href=#top>up</a>", "up"},
      {"<a href=https://x.example/></a>", "https://x.example/"},
      {"<img src=x alt='a smile'>", "a smile"},
      {"<img src='x'>", ""},
      {"a<script>b", "ab"},
      {"<o:p>a</o:p><x-y/>b", "ab"},
      {"<table><tr><td>a</td><td>b</td></tr><tr><td nowrap>c</td></tr></table>", "a b\nc"},
      {"<pre>\n  a\n  b</pre> c", "  a\n  b\nc"},
      {"a<br\n/>\n<hr>b", "a\nb"},
      {"<b title='a>b' hidden>c</b>", "c"},
      {"&euro;&hearts;&Eacute;&hellip;&commat;&#150;&#x80; &EURO;",
       "\u20ac\u2665\u00c9\u2026@\u2013\u20ac &EURO;"},
      {"<a href='mailto:a@b.example'>a@b.example</a>", "a@b.example"},
      {"<?xml version='1.0'?><!DOCTYPE html><![CDATA[x]]><p>a", "a"},
  };
  for (const auto& row : rows) EXPECT_EQ(text_of_html(row.html), row.text) << row.html;
}

TEST(Html, WhatOnlyLooksLikeATagStays) {
  const char* const texts[] = {
      "I <3 you\nsecond line",
      "cost <20 EUR",
      "a<b",
      "mail <juliet@x.example>",
      "see <https://x.example/a> and <mailto:a@x.example>",
      "x<y then 5 else 6; total <20 EUR\nbye",
      "x<b and c>d",
      "AT&T & co: 3 < 4, <-- see here",
      "</3",
      "<- <> </> <!important> <?php",
      "press <enter> now",
      "a<!--b",
      "a<br",
      "<a href='x",
  };
  for (const char* text : texts) EXPECT_EQ(text_of_html(text), text);
  EXPECT_EQ(text_of_html("<p>I <3 <b>you</b>, <juliet@x.example>"), "I <3 you, <juliet@x.example>");
}

// Were any of it read over and over, this would run into the test's time limit.
TEST(Html, HostileTextIsReadOnce) {
  for (const char* unit : {"<", "<a ", "<a b='", "<a b=\"", "<!--", "<!doctype ", "<script>", "<head>",
                           "</a>", "<a href ", "<x>", "<?xml ", "&", "<a b=c "}) {
    std::string text = "<b>";
    while (text.size() < 200'000) text += unit;
    EXPECT_LE(text_of_html(text + std::string(50'000, ' ')).size(), text.size()) << unit;
  }
}

}  // namespace
}  // namespace stox::mapping
