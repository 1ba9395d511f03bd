#include "sip_front/sip/transport/reach.h"

#include <gtest/gtest.h>

namespace stox::sip {
namespace {

Endpoint at(std::string_view ip) { return *Endpoint::parse(ip, 5060); }

TEST(IsPublic, IsWhatAnybodyOnTheInternetCouldBe) {
  for (const char* ip : {"192.0.2.7", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1",
                         "169.253.0.1", "126.0.0.1", "128.0.0.1", "223.255.255.1", "2001:db8::1", "2a00::1",
                         "64:ff9b::8.8.8.8", "2002:808:808::1"}) {
    EXPECT_TRUE(is_public(at(ip))) << ip;
  }
  for (const char* ip : {"0.0.0.0",
                         "0.1.2.3",
                         "10.0.0.1",
                         "100.64.0.1",
                         "100.127.255.255",
                         "127.0.0.1",
                         "127.255.0.1",
                         "169.254.169.254",
                         "172.16.0.1",
                         "172.31.255.255",
                         "192.0.0.8",
                         "192.168.1.1",
                         "198.18.0.1",
                         "224.0.0.1",
                         "239.1.1.1",
                         "240.0.0.1",
                         "255.255.255.255",
                         "::",
                         "::1",
                         "::127.0.0.1",
                         "::ffff:127.0.0.1",
                         "::ffff:8.8.8.8",
                         "64:ff9b::10.0.0.1",
                         "64:ff9b:1::1",
                         "2002:a00:1::1",
                         "2002:7f00:1::1",
                         "100::1",
                         "fc00::1",
                         "fdff::1",
                         "fe80::1",
                         "febf::1",
                         "fec0::1",
                         "ff02::1"}) {
    EXPECT_FALSE(is_public(at(ip))) << ip;
  }
}

TEST(Reach, IsEverybodyAtPublicAddressesUnlessConfigured) {
  const Reach reach;
  EXPECT_TRUE(reach.has("sip.test"));
  EXPECT_TRUE(reach.has("127.0.0.1"));  // refused by its address
  EXPECT_FALSE(reach.lists("sip.test"));
  EXPECT_TRUE(reach.allows("sip.test", at("192.0.2.7")));
  EXPECT_FALSE(reach.allows("sip.test", at("10.0.0.7")));
  EXPECT_FALSE(reach.allows("127.0.0.1", at("127.0.0.1")));
}

TEST(Reach, IsTheListedHostsWhereverTheyAre) {
  const Reach reach = *Reach::create({"Sip.test", "*.pbx.test", "192.0.2.7", "10.1.0.0/16", "fd00::/8"});
  for (const char* host : {"sip.test", "SIP.TEST", "sip.test.", "a.pbx.test", "a.b.pbx.test", "192.0.2.7",
                           "10.1.2.3", "fd00::7"}) {
    EXPECT_TRUE(reach.has(host)) << host;
  }
  for (const char* host : {"", "test", "a.sip.test", "pbx.test", "xpbx.test", "192.0.2.8", "10.2.0.1",
                           "fe80::7", "sip.test.evil.test", "10.1.2.3.evil.test"}) {
    EXPECT_FALSE(reach.has(host)) << host;
  }
  EXPECT_TRUE(reach.allows("sip.test", at("127.0.0.1")));
  EXPECT_FALSE(reach.allows("other.test", at("127.0.0.1")));
  EXPECT_TRUE(reach.allows("other.test", at("10.1.2.3")));  // an address that is listed itself
}

TEST(Reach, SaysWhichNetworkItCannotRead) {
  const auto reach = Reach::create({"10.0.0.0/33"});
  ASSERT_FALSE(reach);
  EXPECT_EQ(reach.error().text.find("gateway.sip_domains: \"10.0.0.0/33\""), 0u);
}

}  // namespace
}  // namespace stox::sip
