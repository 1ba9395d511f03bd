#include "mapper/mapping/page/names.h"

#include <gtest/gtest.h>

namespace stox::mapping {
namespace {

struct Case {
  const char *text, *shown;
};

constexpr Case kCases[] = {
    {"Romeo Montague", "Romeo Montague"},
    {"  Romeo \t Montague\r\n", "Romeo Montague"},
    {"J\u00fcrgen", "J\u00fcrgen"},
    {"\u0639\u0645\u0631", "\u0639\u0645\u0631"},
    {"Dr. O'Malley (work), 2nd", "Dr. O'Malley (work), 2nd"},
    {"\U0001f469\u200d\U0001f4bb Ann", "\U0001f469\u200d\U0001f4bb Ann"},
    {"", ""},
    {"\x1b[31mRomeo", "[31mRomeo"},
    {"\u202eoemoR\u2066\u009b", "oemoR"},
    {"\u200b\u200e", ""},
    {"bad \xff bytes", ""},
    // what may be another person's address
    {"tybalt@capulet.example", ""},
    {"tybalt\uff20capulet.example", ""},
    {"Tybalt <sip:tybalt@x>", ""},
    {"sip:tybalt", ""},
    {"tel:+4930123", ""},
    {"romeo*sip.example.org", ""},
    {"+49 30 123456", ""},
    {"(030) 12-34", ""},
    {"112", ""},
    {"Agent 47", "Agent 47"},
};

TEST(Names, AreShownWithoutWhatDeceives) {
  for (const Case& each : kCases) EXPECT_EQ(display_name(each.text), each.shown) << each.text;
}

TEST(Names, AreBounded) {
  EXPECT_EQ(display_name(std::string(1000, 'x')), std::string(64, 'x'));
  EXPECT_EQ(display_name(std::string(100, 'x') + "@x"), "");
  EXPECT_EQ(display_name(std::string(5000, 'x')), "");
}

TEST(Names, OfAJidAreItsUserPart) {
  EXPECT_EQ(display_name_of_jid("juliet@x.test/balcony"), "juliet");
  EXPECT_EQ(display_name_of_jid("d\\27artagnan@x.test"), "d'artagnan");
  EXPECT_EQ(display_name_of_jid("a\\40b@x.test"), "");
  EXPECT_EQ(display_name_of_jid("+15550100@x.test"), "");
  EXPECT_EQ(display_name_of_jid("x.test/a@b"), "");
}

}  // namespace
}  // namespace stox::mapping
