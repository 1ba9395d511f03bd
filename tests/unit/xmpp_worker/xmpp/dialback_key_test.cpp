#include "xmpp_worker/xmpp/s2s/dialback_key.h"

#include <gtest/gtest.h>

namespace stox::xmpp {
namespace {

const DialbackKeys kKeys("s3cr3tf0rd14lb4ck");

// XEP-0185, "Recommended Dialback Key Generation".
constexpr auto kKey = "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643";

TEST(DialbackKeys, AreThoseOfXep0185) {
  EXPECT_EQ(kKeys.make("xmpp.example.com", "example.org", "D60000229F"), kKey);
}

TEST(DialbackKeys, AreCheckedByWhoeverHasTheSecret) {
  EXPECT_TRUE(DialbackKeys("s3cr3tf0rd14lb4ck").check(kKey, "xmpp.example.com", "example.org", "D60000229F"));
}

TEST(DialbackKeys, HoldForOnePairAndOneStreamOnly) {
  EXPECT_FALSE(kKeys.check(kKey, "example.org", "xmpp.example.com", "D60000229F"));
  EXPECT_FALSE(kKeys.check(kKey, "xmpp.example.com", "example.org", "D60000229E"));
  EXPECT_FALSE(kKeys.check(kKey, "xmpp.example.com", "example.net", "D60000229F"));
  EXPECT_FALSE(DialbackKeys("another").check(kKey, "xmpp.example.com", "example.org", "D60000229F"));
}

TEST(DialbackKeys, OfAnotherLengthAreWrong) {
  EXPECT_FALSE(kKeys.check("", "xmpp.example.com", "example.org", "D60000229F"));
  EXPECT_FALSE(kKeys.check(std::string(kKey) + "0", "xmpp.example.com", "example.org", "D60000229F"));
}

}  // namespace
}  // namespace stox::xmpp
