#include "xmpp_worker/xmpp/s2s/server_lookup.h"

#include <gtest/gtest.h>

#include <map>

namespace stox::xmpp {
namespace {

class ServerLookupTest : public ::testing::Test, public net::Resolver, public PathsUser, public S2sEvents {
 protected:
  void addresses(const std::string&, std::function<void(net::Resolved<std::vector<std::string>>)>) override {}
  void srv(const std::string& name,
           std::function<void(net::Resolved<std::vector<net::SrvRecord>>)> done) override {
    asked.push_back(done);
    names += name + " ";
  }
  void path_up(Path&) override {}
  void path_down(Path&) override {}
  void path_gone(Path&) override {}
  void about_to_write(Path&) override {}
  void stanza(const Element&, uint64_t) override {}
  void oversized(const Element&) override {}
  void state_changed() override {}
  void stream_event(const std::string&) override {}
  void stream_trouble(const std::string&) override {}

  static std::string show(const ServerLookup::Found& found) {
    std::string out;
    for (const ServerTarget& each : found.targets)
      out += each.host + " " + std::to_string(each.port) + (each.direct_tls ? " tls" : "") + "; ";
    return out + (found.is_not_offered ? "not offered" : "") + found.failure;
  }
  ServerLookup::Done take() {
    return [this](const ServerLookup::Found& found) { came += show(found); };
  }
  std::string host(const std::string& name) {
    came.clear();
    lookup.host(name, take());
    return came;
  }

  net::Loop loop;
  S2sSite site{loop, *this, *this, *this, {}, DialbackKeys("s"), nullptr, std::minstd_rand(1)};
  ServerLookup lookup{site};
  std::vector<std::function<void(net::Resolved<std::vector<net::SrvRecord>>)>> asked;
  std::string names, came;
};

TEST_F(ServerLookupTest, HostsWithAPortAndAddressesAreThemselves) {
  EXPECT_EQ(host("other.test:5270"), "other.test 5270; ");
  EXPECT_EQ(host("192.0.2.1"), "192.0.2.1 5269; ");
  EXPECT_EQ(host("192.0.2.1:1"), "192.0.2.1 1; ");
  EXPECT_EQ(host("[2001:db8::1]"), "2001:db8::1 5269; ");
  EXPECT_EQ(host("[2001:db8::1]:5270"), "2001:db8::1 5270; ");
  EXPECT_EQ(names, "");
}

TEST_F(ServerLookupTest, WhatIsNoHostIsSaid) {
  for (const char* none : {"", ":5269", "a.test:", "a.test:0", "a.test:65536", "a.test:x", "2001:db8::1",
                           "[a.test]", "[2001:db8::1]5269", "a b", "-"}) {
    EXPECT_NE(host(none).find("neither a host nor an address"), std::string::npos) << none << ": " << came;
  }
  EXPECT_EQ(names, "");
}

TEST_F(ServerLookupTest, WithoutAPortBothServicesAreLookedUpAndThenTheHostItself) {
  lookup.domain("peer.test", take());
  EXPECT_EQ(names, "_xmpp-server._tcp.peer.test _xmpps-server._tcp.peer.test ");
  asked[0](std::vector<net::SrvRecord>{{2, 0, 5269, "b.test"}});
  EXPECT_EQ(came, "");
  asked[1](std::vector<net::SrvRecord>{{1, 0, 5270, "a.test"}});
  EXPECT_EQ(came, "a.test 5270 tls; b.test 5269; ");

  came.clear();
  asked.clear();
  lookup.domain("other.test", take());
  asked[0](tl::make_unexpected(net::ResolveError{net::ResolveError::Kind::kNoName, "none"}));
  asked[1](tl::make_unexpected(net::ResolveError{net::ResolveError::Kind::kFailed, "no answer"}));
  EXPECT_EQ(came, "other.test 5269; no answer");
}

TEST_F(ServerLookupTest, TheConfigurationComesFirst) {
  site.options.static_servers["peer.test"] = "[2001:db8::1]:5270";
  lookup.domain("peer.test", take());
  EXPECT_EQ(came, "2001:db8::1 5270; ");
}

TEST_F(ServerLookupTest, WhatIsGivenUpSaysNothing) {
  lookup.domain("peer.test", take());
  lookup.cancel();
  asked[0](std::vector<net::SrvRecord>{{2, 0, 5269, "b.test"}});
  asked[1](std::vector<net::SrvRecord>{{2, 0, 5269, "b.test"}});
  EXPECT_EQ(came, "");
}

}  // namespace
}  // namespace stox::xmpp
