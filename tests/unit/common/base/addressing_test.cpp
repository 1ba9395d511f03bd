#include "common/base/addressing.h"

#include <gtest/gtest.h>

namespace stox {
namespace {

TEST(Addressing, TheXmppDomainStandsBehindTheSeparator) {
  EXPECT_EQ(xmpp_domain_in(address_key("sip:Juliet*X.test@gw.test;gr=desk"), '*'), "x.test");
  EXPECT_EQ(xmpp_domain_in("a*b*x.test@gw.test", '*'), "x.test");
  EXPECT_EQ(xmpp_domain_in("juliet@x.test", '*'), "") << "with gwmap there is none";
  EXPECT_EQ(xmpp_domain_in("juliet@a*b", '*'), "");
}

TEST(Addressing, SeparatorsThatCouldBeMisreadAreRefused) {
  for (const char* good : {"*", "!", "~", "=", "+", "$", ",", ";", "?", "%", "#", "|", "^"})
    EXPECT_EQ(refuse_separator(good), std::nullopt) << good;
  for (const char* bad : {"",  "**", "a", "Z", "0",  "-", ".", "_",  ":", "[",  "]",
                          "@", "&",  "'", "/", "\"", "<", ">", "\\", " ", "\n", "\xc3\xa4"}) {
    const auto why = refuse_separator(bad);
    ASSERT_TRUE(why) << bad;
    EXPECT_NE(why->find("such as *"), std::string::npos) << *why;
  }
}

TEST(Addressing, AWildcardMatchesNamesBelowIt) {
  EXPECT_TRUE(domain_matches("example.org", "example.org"));
  EXPECT_FALSE(domain_matches("example.org", "a.example.org"));
  EXPECT_TRUE(domain_matches("*.example.org", "a.b.example.org"));
  EXPECT_FALSE(domain_matches("*.example.org", "example.org"));
  EXPECT_FALSE(domain_matches("*.example.org", "badexample.org"));
  EXPECT_TRUE(domain_matches("*", "example.org"));
}

TEST(Addressing, AConversationIsItsBareAddresses) {
  const std::string key = conversation_key("sip:Romeo@Example.net", "sip:juliet*x.test@gw.example");
  EXPECT_EQ(key, "romeo@example.net juliet*x.test@gw.example");
  EXPECT_EQ(key, conversation_key("sip:romeo:secret@example.net;gr=a", "sip:juliet%2ax.test@GW.example?a=b"));
  EXPECT_NE(key, conversation_key("sip:romeo@example.net:5070", "sip:juliet*x.test@gw.example"));
  EXPECT_EQ(conversation_key("juliet@x.test/balcony", "romeo@sip.example/a@b"),
            "juliet@x.test romeo@sip.example");
}

}  // namespace
}  // namespace stox
