#include "common/base/sip_uri.h"

#include <gtest/gtest.h>

namespace stox {
namespace {

TEST(SipUri, SplitsAllParts) {
  const auto uri = parse_sip_uri("sip:ann:pw@h.test:5070;transport=tcp;gr=a?Subject=x");
  ASSERT_TRUE(uri);
  EXPECT_EQ(uri->user, "ann");
  EXPECT_EQ(uri->password, "pw");
  EXPECT_EQ(uri->host, "h.test");
  EXPECT_EQ(uri->port, 5070);
  EXPECT_EQ(uri->param("GR"), "a");
  EXPECT_EQ(uri->param("none"), std::nullopt);
  EXPECT_EQ(uri->headers, "Subject=x");
}

TEST(SipUri, ParamsLeftOfAtBelongToTheUser) {
  EXPECT_EQ(parse_sip_uri("sip:+1-555;ext=9@gw.test;user=phone")->user, "+1-555;ext=9");
}

TEST(SipUri, ReadsIpv6AndOtherSchemes) {
  EXPECT_EQ(parse_sip_uri("sip:a@[2001:DB8::1]:5080")->host, "2001:DB8::1");
  EXPECT_EQ(normal_ipv6("2001:DB8:0::1"), "2001:db8::1");
  EXPECT_EQ(parse_sip_uri("tel:+1555")->opaque, "+1555");
}

TEST(SipUri, PasswordsAreMaskedWhereverUrisStand) {
  const std::pair<const char*, const char*> kTexts[] = {
      {"", ""},
      {"sip:ann@h", "sip:ann@h"},
      {"sip:ann:pw@h", "sip:ann:***@h"},
      {"SIPS:ann:p:w@h;x=y", "SIPS:ann:***@h;x=y"},
      {"sip:ann:@h", "sip:ann:@h"},
      {"From: \"A\" <sip:ann:pw@h>;tag=1\r\nm: sip:b:pw@h, <sip:c@h:5060>",
       "From: \"A\" <sip:ann:***@h>;tag=1\r\nm: sip:b:***@h, <sip:c@h:5060>"},
      {"sip:a:pw@h;route=sip:b:pw@h", "sip:a:***@h;route=sip:b:***@h"},
      {"sip:h:5060 sip:a:pw@h", "sip:h:5060 sip:a:***@h"},
      {"Call-ID: a:b@c", "Call-ID: a:b@c"},
  };
  for (const auto& [text, masked] : kTexts) EXPECT_EQ(mask_passwords(text), masked);
}

TEST(SipUri, RefusesWhatItCannotRouteBy) {
  for (const char* bad :
       {"", "ann@h", "sip:", "sip:@h", "sip:a%b@h", "sip:a%4@h", "sip:a b@h", "sip:a@h:0", "sip:a@h:70000",
        "sip:a@[::1", "sip:a@[zz]", "sip:a@h\r\nX: y", "sip:a@-h", "sip:a@h/x", "sip:a\\b@h"}) {
    EXPECT_FALSE(parse_sip_uri(bad)) << bad;
  }
}

}  // namespace
}  // namespace stox
