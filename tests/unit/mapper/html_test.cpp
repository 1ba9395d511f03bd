#include "mapper/mapping/html.h"

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
      {"<b>bold</b> and <i\nclass='x>y'>more</i>", "bold and y'>more"},
      {"one<br>two<BR/>three", "one\ntwo\nthree"},
      {"<p>one</p><p>two</p>", "one\ntwo"},
      {"<ul><li>one</li><li>two</li></ul>", "one\ntwo"},
      {"  a \n\t b  ", "a b"},
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
      {"a<b", "a"},
      {"a<script>b", "a"},
      {"a<!--b", "a"},
  };
  for (const auto& row : rows) EXPECT_EQ(text_of_html(row.html), row.text) << row.html;
}

}  // namespace
}  // namespace stox::mapping
