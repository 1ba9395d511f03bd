#include "xmpp_worker/xmpp/s2s/peer_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stox::xmpp {
namespace {

using testing::HasSubstr;

PeerNames with_dns(std::vector<std::string> names) {
  PeerNames peer{.present = true, .valid = true};
  peer.dns = std::move(names);
  return peer;
}

TEST(PeerNames, DnsNamesAreComparedWithoutCase) {
  EXPECT_TRUE(stands_for(with_dns({"other.test", "XMPP.Example.org"}), "xmpp.example.org"));
  EXPECT_FALSE(stands_for(with_dns({"xmpp.example.org"}), "example.org"));
  EXPECT_FALSE(stands_for(with_dns({"example.org"}), "xmpp.example.org"));
  EXPECT_FALSE(stands_for(with_dns({}), "example.org"));
}

TEST(PeerNames, AWildcardIsOneWholeLeftMostLabel) {
  const PeerNames peer = with_dns({"*.example.org"});
  EXPECT_TRUE(stands_for(peer, "xmpp.example.org"));
  EXPECT_FALSE(stands_for(peer, "example.org"));
  EXPECT_FALSE(stands_for(peer, "a.b.example.org"));
  EXPECT_FALSE(stands_for(peer, ".example.org"));
  EXPECT_FALSE(stands_for(with_dns({"x*.example.org"}), "xmpp.example.org"));
  EXPECT_FALSE(stands_for(with_dns({"xmpp.*.org"}), "xmpp.example.org"));
  EXPECT_FALSE(stands_for(with_dns({"*"}), "localhost"));
}

TEST(PeerNames, InternationalDomainsStandAsALabelsInDnsNames) {
  EXPECT_TRUE(stands_for(with_dns({"xn--bcher-kva.example"}), "b\u00fccher.example"));
}

TEST(PeerNames, ServiceNames) {
  PeerNames peer = with_dns({});
  peer.srv_names = {"_xmpp-server.example.org", "_xmpp-client.example.net"};
  EXPECT_TRUE(stands_for(peer, "example.org"));
  EXPECT_FALSE(stands_for(peer, "example.net"));
  EXPECT_FALSE(stands_for(peer, "xmpp.example.org"));
}

TEST(PeerNames, XmppAddresses) {
  PeerNames peer = with_dns({});
  peer.xmpp_addrs = {"Example.ORG", "juliet@example.net"};
  EXPECT_TRUE(stands_for(peer, "example.org"));
  EXPECT_FALSE(stands_for(peer, "example.net"));
}

TEST(PeerNames, OneThatEndsEarlyInCStandsForNothing) {
  using std::string_literals::operator""s;
  const PeerNames peer = with_dns({"a.test"s, "evil.test\0b.test"s, "c.test"s});
  EXPECT_TRUE(has_name(peer, "a.test"));
  EXPECT_FALSE(has_name(peer, "evil.test"));
  EXPECT_FALSE(has_name(peer, "b.test"));
  EXPECT_TRUE(has_name(peer, "c.test"));
}

TEST(PeerNames, OfACertificateThatIsNotTrustedCountForNothing) {
  PeerNames peer = with_dns({"example.org"});
  peer.valid = false;
  EXPECT_FALSE(stands_for(peer, "example.org"));
}

TEST(PeerNames, PeopleAreToldWhatIsWrong) {
  PeerNames peer = with_dns({"a.test", "b.test"});
  peer.subject = "CN = a.test";
  EXPECT_THAT(why_not(peer, "c.test"), HasSubstr("\"CN = a.test\" is not for c.test but for a.test, b.test"));
  peer.valid = false;
  peer.problem = "certificate has expired";
  EXPECT_THAT(why_not(peer, "a.test"), HasSubstr("\"CN = a.test\" is not valid: certificate has expired"));
  EXPECT_THAT(why_not({}, "a.test"), HasSubstr("no certificate"));
}

}  // namespace
}  // namespace stox::xmpp
