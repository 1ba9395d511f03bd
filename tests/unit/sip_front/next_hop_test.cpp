#include "sip_front/sip/next_hop.h"

#include <gtest/gtest.h>

namespace stox::sip {
namespace {

// A DNS of one name with two addresses; "slow.test" never answers, all others do not exist.
struct FakeResolver : net::Resolver {
  void addresses(const std::string& host,
                 std::function<void(net::Resolved<std::vector<std::string>>)> found) override {
    using Kind = net::ResolveError::Kind;
    if (host == "proxy.test") return found(std::vector<std::string>{"192.0.2.1", "2001:db8::1"});
    if (host == "slow.test") return found(tl::make_unexpected(net::ResolveError{Kind::kFailed, "no answer"}));
    found(tl::make_unexpected(net::ResolveError{Kind::kNoName, host + " does not exist"}));
  }
  void srv(const std::string&, std::function<void(net::Resolved<std::vector<net::SrvRecord>>)>) override {}
};

// "udp ADDRESS:PORT ..." or "permanent" or "temporary".
std::string hops(std::string_view outbound_proxy, std::string_view request_uri, std::size_t size = 500) {
  FakeResolver resolver;
  const auto next_hop = NextHop::create(resolver, outbound_proxy);
  EXPECT_TRUE(next_hop);
  std::string out;
  next_hop->find(request_uri, size, [&](Hops hops) {
    if (!hops) {
      out = hops.error().permanent ? "permanent" : "temporary";
      return;
    }
    for (const Hop& hop : *hops) {
      out += out.empty() ? "" : " ";
      out.append(name_of(hop.transport)).append(" ").append(hop.peer.str());
    }
  });
  return out;
}

TEST(NextHop, IsTheRequestUriWithoutAProxy) {
  EXPECT_EQ(hops("", "sip:a@192.0.2.7"), "UDP 192.0.2.7:5060");
  EXPECT_EQ(hops("", "sip:a@192.0.2.7:5070;transport=TCP"), "TCP 192.0.2.7:5070");
  EXPECT_EQ(hops("", "sip:a@[2001:db8::7]:5070"), "UDP [2001:db8::7]:5070");
  EXPECT_EQ(hops("", "sip:a@proxy.test"), "UDP 192.0.2.1:5060 UDP [2001:db8::1]:5060");
}

TEST(NextHop, IsTheOutboundProxyForEverything) {
  EXPECT_EQ(hops("sip:192.0.2.9:5080;transport=tcp", "sip:a@nowhere.test"), "TCP 192.0.2.9:5080");
}

TEST(NextHop, OfALargeRequestIsTcpFirst) {
  EXPECT_EQ(hops("", "sip:a@192.0.2.7", 1300), "UDP 192.0.2.7:5060");
  EXPECT_EQ(hops("", "sip:a@192.0.2.7", 1301), "TCP 192.0.2.7:5060 UDP 192.0.2.7:5060");
  EXPECT_EQ(hops("", "sip:a@192.0.2.7;transport=udp", 1301), "UDP 192.0.2.7:5060");
}

TEST(NextHop, TellsWhatWillNeverWorkFromWhatMay) {
  EXPECT_EQ(hops("", "sip:a@nowhere.test"), "permanent");
  EXPECT_EQ(hops("", "sip:a@slow.test"), "temporary");
  EXPECT_EQ(hops("", "sips:a@192.0.2.7"), "permanent");
  EXPECT_EQ(hops("", "sip:a@192.0.2.7;transport=sctp"), "permanent");
  EXPECT_EQ(hops("", "tel:+1555"), "permanent");
}

TEST(NextHop, AProxyThatCannotBeUsedIsRefusedAtOnce) {
  FakeResolver resolver;
  EXPECT_FALSE(NextHop::create(resolver, "sips:proxy.test"));
  EXPECT_FALSE(NextHop::create(resolver, "proxy.test"));
}

}  // namespace
}  // namespace stox::sip
