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

TEST(SipUri, RefusesWhatItCannotRouteBy) {
  for (const char* bad :
       {"", "ann@h", "sip:", "sip:@h", "sip:a%b@h", "sip:a%4@h", "sip:a b@h", "sip:a@h:0", "sip:a@h:70000",
        "sip:a@[::1", "sip:a@[zz]", "sip:a@h\r\nX: y", "sip:a@-h", "sip:a@h/x", "sip:a\\b@h"}) {
    EXPECT_FALSE(parse_sip_uri(bad)) << bad;
  }
}

}  // namespace
}  // namespace stox
