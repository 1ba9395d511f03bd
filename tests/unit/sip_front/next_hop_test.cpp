#include "sip_front/sip/transport/next_hop.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/unit/sip_front/sip_text.h"

namespace stox::sip {
namespace {

using Kind = net::ResolveError::Kind;

// A DNS of what is put into it; "slow.test" and names below it never answer, all others do not exist.
struct FakeResolver : net::Resolver {
  std::map<std::string, std::vector<std::string>> hosts = {{"proxy.test", {"192.0.2.1", "2001:db8::1"}}};
  std::map<std::string, std::vector<net::SrvRecord>> services;
  std::map<std::string, std::vector<net::NaptrRecord>> pointers;
  std::vector<std::string> asked;

  template <class T>
  void answer(const std::string& kind, const std::map<std::string, T>& records, const std::string& name,
              const std::function<void(net::Resolved<T>)>& done) {
    asked.push_back(kind + " " + name);
    const auto found = records.find(name);
    if (found != records.end()) return done(found->second);
    const bool slow = name.ends_with("slow.test");
    done(tl::make_unexpected(net::ResolveError{slow ? Kind::kFailed : Kind::kNoName, "nothing of " + name}));
  }
  void addresses(const std::string& host,
                 std::function<void(net::Resolved<std::vector<std::string>>)> done) override {
    answer("A", hosts, host, done);
  }
  void srv(const std::string& name,
           std::function<void(net::Resolved<std::vector<net::SrvRecord>>)> done) override {
    answer("SRV", services, name, done);
  }
  void naptr(const std::string& name,
             std::function<void(net::Resolved<std::vector<net::NaptrRecord>>)> done) override {
    answer("NAPTR", pointers, name, done);
  }
};

class NextHopTest : public testing::Test {
 protected:
  // "UDP ADDRESS:PORT ..." or "permanent" or "temporary".
  std::string hops(std::string_view outbound_proxy, std::string_view request_uri, std::size_t size = 500) {
    const auto next_hop = NextHop::create(dns_, random_, outbound_proxy, reach_);
    EXPECT_TRUE(next_hop);
    std::string out;
    const auto found = [&](Hops hops) {
      if (!hops) {
        out = hops.error().refused ? "refused" : hops.error().permanent ? "permanent" : "temporary";
        why_ = hops.error().text;
        return;
      }
      for (const Hop& hop : *hops) {
        out += out.empty() ? "" : " ";
        out.append(name_of(hop.transport)).append(" ").append(hop.peer.str());
        if (!hop.domain.empty()) out += " as " + hop.domain;
        unlisted_ = hop.unlisted;
      }
    };
    next_hop->find(request_uri, size, found, chosen_);
    return out;
  }
  std::string hops(std::string_view request_uri) { return hops("", request_uri); }

  void add_servers() {
    dns_.hosts["a.test"] = {"192.0.2.11"};
    dns_.hosts["b.test"] = {"192.0.2.12", "192.0.2.13"};
  }

  FakeResolver dns_;
  Random random_;
  Reach reach_;
  NextHop::Chosen chosen_ = NextHop::Chosen::kByAnybody;
  std::string why_;        // there is none
  bool unlisted_ = false;  // of the last hop
};

TEST_F(NextHopTest, IsTheRequestUriWithoutAProxy) {
  EXPECT_EQ(hops("sip:a@192.0.2.7"), "UDP 192.0.2.7:5060");
  EXPECT_EQ(hops("sip:a@192.0.2.7:5070;transport=TCP"), "TCP 192.0.2.7:5070");
  EXPECT_EQ(hops("sip:a@[2001:db8::7]:5070"), "UDP [2001:db8::7]:5070");
  EXPECT_EQ(hops("sip:a@192.0.2.7;transport=tls"), "TLS 192.0.2.7:5061 as 192.0.2.7");
  EXPECT_EQ(hops("sip:a@sip.test;maddr=192.0.2.8"), "UDP 192.0.2.8:5060");
  EXPECT_TRUE(dns_.asked.empty());
  EXPECT_EQ(hops("sip:a@proxy.test"), "UDP 192.0.2.1:5060 UDP [2001:db8::1]:5060");
}

TEST_F(NextHopTest, IsTheOutboundProxyForEverything) {
  EXPECT_EQ(hops("sip:192.0.2.9:5080;transport=tcp", "sip:a@nowhere.test"), "TCP 192.0.2.9:5080");
}

TEST_F(NextHopTest, ANameWithAPortHasAddressesOnly) {
  EXPECT_EQ(hops("sip:a@proxy.test:5070"), "UDP 192.0.2.1:5070 UDP [2001:db8::1]:5070");
  EXPECT_EQ(hops("sip:a@proxy.test:5070;transport=tls"),
            "TLS 192.0.2.1:5070 as proxy.test TLS [2001:db8::1]:5070 as proxy.test");
  EXPECT_EQ(dns_.asked, (std::vector<std::string>{"A proxy.test", "A proxy.test"}));
}

TEST_F(NextHopTest, NaptrSaysWhichServicesAndInWhatOrder) {
  add_servers();
  dns_.pointers["sip.test"] = {
      {20, 10, "s", "SIP+D2U", "", "late.test"},
      {10, 60, "S", "sip+d2u", "", "_sip._udp.elsewhere.test"},
      {10, 50, "s", "SIPS+D2T", "", "_sips._tcp.elsewhere.test"},
      {10, 10, "u", "E2U+sip", "!^.*$!sip:x@y!", "."},
      {5, 10, "s", "SIP+D2W", "", "_sip._ws.elsewhere.test"},
  };
  dns_.services["_sips._tcp.elsewhere.test"] = {{1, 0, 5071, "a.test"}};
  dns_.services["_sip._udp.elsewhere.test"] = {{1, 0, 5070, "b.test"}};
  EXPECT_EQ(hops("sip:a@sip.test"),
            "TLS 192.0.2.11:5071 as sip.test UDP 192.0.2.12:5070 UDP 192.0.2.13:5070");
}

TEST_F(NextHopTest, WithoutNaptrAllTransportsAreAskedFor) {
  add_servers();
  dns_.services["_sip._udp.sip.test"] = {{20, 0, 5060, "b.test"}, {10, 0, 5070, "a.test"}};
  dns_.services["_sips._tcp.sip.test"] = {{1, 0, 5061, "a.test"}};
  EXPECT_EQ(hops("sip:a@sip.test"),
            "UDP 192.0.2.11:5070 UDP 192.0.2.12:5060 UDP 192.0.2.13:5060 TLS 192.0.2.11:5061 as sip.test");
  EXPECT_EQ(hops("sip:a@sip.test;transport=tls"), "TLS 192.0.2.11:5061 as sip.test");
  dns_.services["_sip._udp.literal.test"] = {{1, 0, 5060, "192.0.2.20"}};
  EXPECT_EQ(hops("sip:a@literal.test"), "UDP 192.0.2.20:5060");
}

TEST_F(NextHopTest, ServersOfOnePriorityComeByTheOddsOfTheirWeights) {
  dns_.hosts["light.test"] = {"192.0.2.1"};
  dns_.hosts["heavy.test"] = {"192.0.2.2"};
  dns_.hosts["spare.test"] = {"192.0.2.3"};
  dns_.services["_sip._tcp.sip.test"] = {
      {2, 9, 1, "spare.test"}, {1, 10, 1, "light.test"}, {1, 90, 1, "heavy.test"}};
  int heavy_first = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string found = hops("sip:a@sip.test;transport=tcp");
    EXPECT_TRUE(found.ends_with("TCP 192.0.2.3:1")) << found;
    heavy_first += found.starts_with("TCP 192.0.2.2:1");
  }
  EXPECT_GT(heavy_first, 800);  // 900 are expected, with a standard deviation of 10
  EXPECT_LT(heavy_first, 980);
}

TEST_F(NextHopTest, AServerWithoutAddressIsLeftOut) {
  add_servers();
  dns_.services["_sip._udp.sip.test"] = {
      {1, 0, 5060, "nowhere.test"}, {2, 0, 5060, "slow.test"}, {3, 0, 5060, "a.test"}};
  EXPECT_EQ(hops("sip:a@sip.test"), "UDP 192.0.2.11:5060");
  dns_.services["_sip._udp.sip.test"].pop_back();
  EXPECT_EQ(hops("sip:a@sip.test"), "temporary");
}

TEST_F(NextHopTest, ADomainMaySayThatItHasNoSip) {
  dns_.hosts["web.test"] = {"192.0.2.80"};
  dns_.services["_sip._udp.web.test"] = {{0, 0, 0, "."}};
  EXPECT_EQ(hops("sip:a@web.test"), "permanent");
}

TEST_F(NextHopTest, OfALargeRequestIsTcpFirst) {
  EXPECT_EQ(hops("", "sip:a@192.0.2.7", 1300), "UDP 192.0.2.7:5060");
  EXPECT_EQ(hops("", "sip:a@192.0.2.7", 1301), "TCP 192.0.2.7:5060 UDP 192.0.2.7:5060");
  EXPECT_EQ(hops("", "sip:a@192.0.2.7;transport=udp", 1301), "TCP 192.0.2.7:5060 UDP 192.0.2.7:5060");
  EXPECT_EQ(hops("sip:192.0.2.9", "sip:a@sip.test", 1301), "TCP 192.0.2.9:5060 UDP 192.0.2.9:5060");
  EXPECT_EQ(hops("sip:192.0.2.9;transport=tls", "sip:a@sip.test", 1301), "TLS 192.0.2.9:5061 as 192.0.2.9");
  add_servers();
  dns_.services["_sip._udp.sip.test"] = {{1, 0, 5060, "a.test"}};
  EXPECT_EQ(hops("", "sip:a@sip.test", 1301), "TCP 192.0.2.11:5060 UDP 192.0.2.11:5060");
  dns_.services["_sip._tcp.sip.test"] = {{1, 0, 5070, "a.test"}};
  EXPECT_EQ(hops("", "sip:a@sip.test", 1301), "TCP 192.0.2.11:5070 UDP 192.0.2.11:5060");
}

TEST_F(NextHopTest, TellsWhatWillNeverWorkFromWhatMay) {
  EXPECT_EQ(hops("sip:a@nowhere.test"), "permanent");
  EXPECT_EQ(hops("sip:a@slow.test"), "temporary");
  EXPECT_EQ(hops("sip:a@slow.test:5060"), "temporary");
  EXPECT_EQ(hops("sips:a@192.0.2.7"), "permanent");
  EXPECT_EQ(hops("sip:a@192.0.2.7;transport=sctp"), "permanent");
  EXPECT_EQ(hops("tel:+1555"), "permanent");
}

TEST_F(NextHopTest, AProxyThatCannotBeUsedIsRefusedAtOnce) {
  EXPECT_FALSE(NextHop::create(dns_, random_, "sips:proxy.test"));
  EXPECT_FALSE(NextHop::create(dns_, random_, "proxy.test"));
}

TEST_F(NextHopTest, ALooseRouterGetsARoute) {
  EXPECT_EQ(NextHop::create(dns_, random_, "sip:192.0.2.1:5060;transport=tcp;lr")->route(),
            "sip:192.0.2.1:5060;transport=tcp;lr");
  EXPECT_EQ(NextHop::create(dns_, random_, "sip:192.0.2.1")->route(), "");
  EXPECT_EQ(NextHop::create(dns_, random_, "")->route(), "");
}

TEST_F(NextHopTest, NobodyIsSentToTheMachinesBesideUs) {
  dns_.hosts["inner.test"] = {"10.0.0.7", "fd00::7"};
  dns_.hosts["both.test"] = {"127.0.0.1", "192.0.2.1"};
  dns_.services["_sip._udp.trick.test"] = {{1, 0, 6379, "inner.test"}, {2, 0, 6379, "127.0.0.1"}};
  for (const char* uri : {"sip:a@127.0.0.77:6379", "sip:a@[::1]", "sip:a@inner.test", "sip:a@inner.test:25",
                          "sip:a@trick.test", "sip:a@proxy.test;maddr=127.0.0.1", "sip:a@169.254.169.254"}) {
    EXPECT_EQ(hops("", uri), "permanent") << uri;
    EXPECT_EQ(hops("", uri, 2000), "permanent") << uri;
    EXPECT_NE(why_.find("which is no public address"), std::string::npos) << why_;
  }
  EXPECT_EQ(hops("sip:a@both.test"), "UDP 192.0.2.1:5060");
  EXPECT_EQ(hops("sip:127.0.0.1:5090", "sip:a@inner.test"), "UDP 127.0.0.1:5090");
}

TEST_F(NextHopTest, HostsOfTheSiteMayBeAnywhereAndNobodyElseIsReached) {
  dns_.hosts["inner.test"] = {"10.0.0.7"};
  dns_.services["_sip._udp.sip.test"] = {{1, 0, 5070, "inner.test"}};
  reach_ = *Reach::create({"sip.test", "127.0.0.0/8"});
  EXPECT_EQ(hops("sip:a@sip.test"), "UDP 10.0.0.7:5070");
  EXPECT_FALSE(unlisted_);
  EXPECT_EQ(hops("sip:a@127.0.0.1:5090"), "UDP 127.0.0.1:5090");
  dns_.asked.clear();
  EXPECT_EQ(hops("sip:a@proxy.test"), "refused");
  EXPECT_EQ(why_, "proxy.test is none of gateway.sip_domains");
  EXPECT_EQ(hops("sip:a@sip.test;maddr=192.0.2.9"), "refused");
  EXPECT_EQ(hops("sip:192.0.2.9", "sip:a@proxy.test"), "refused");  // by a proxy, too
  EXPECT_TRUE(dns_.asked.empty());
  EXPECT_EQ(hops("sip:192.0.2.9", "sip:a@sip.test"), "UDP 192.0.2.9:5060");
}

TEST_F(NextHopTest, ATrustedPeerChoosesFreely) {
  reach_ = *Reach::create({"sip.test"});
  chosen_ = NextHop::Chosen::kByTrusted;
  EXPECT_EQ(hops("sip:a@10.0.0.7"), "UDP 10.0.0.7:5060");
  EXPECT_FALSE(unlisted_);
}

TEST_F(NextHopTest, TheRouteOfADialogLeadsPastTheProxyWithinTheSameReach) {
  const auto next_hop = NextHop::create(dns_, random_, "sip:192.0.2.9");
  const auto route = [&](std::string_view uri, NextHop::Chosen chosen) {
    std::string out;
    next_hop->find_route(
        uri, 500, [&](const Hops& hops) { out = hops ? hops->front().str() : hops.error().text; }, chosen);
    return out;
  };
  EXPECT_EQ(route("sip:10.0.0.7:5070;transport=tcp;lr", NextHop::Chosen::kByTrusted), "TCP 10.0.0.7:5070");
  EXPECT_EQ(route("sip:192.0.2.7;lr", NextHop::Chosen::kByAnybody), "UDP 192.0.2.7:5060");
  EXPECT_NE(route("sip:10.0.0.7;lr", NextHop::Chosen::kByAnybody).find("no public address"),
            std::string::npos);
}

TEST_F(NextHopTest, TellsWhatNobodyHasConfigured) {
  hops("sip:a@proxy.test");
  EXPECT_TRUE(unlisted_);
  hops("sip:192.0.2.9", "sip:a@proxy.test");
  EXPECT_FALSE(unlisted_);
}

TEST(UriOfSentBy, IsWhatTheTopViaNamesUnlessThatIsAnAddress) {
  const auto of = [](std::string_view sent_by, Transport transport) {
    return uri_of_sent_by(crlf("SIP/2.0 200 OK\nVia: SIP/2.0/TCP ") + std::string(sent_by) +
                              crlf(";branch=z9hG4bK1\n") + kHello.substr(kHello.find("From:")),
                          transport);
  };
  EXPECT_EQ(of("client.test", Transport::kTcp), "sip:client.test;transport=tcp");
  EXPECT_EQ(of("client.test:5070", Transport::kTls), "sip:client.test:5070;transport=tls");
  EXPECT_EQ(of("192.0.2.7:5070", Transport::kTcp), "");
  EXPECT_EQ(of("[2001:db8::7]", Transport::kTcp), "");
  EXPECT_EQ(uri_of_sent_by(kHello, Transport::kTcp), "");  // a request
  EXPECT_EQ(uri_of_sent_by("late", Transport::kTcp), "");
}

}  // namespace
}  // namespace stox::sip
