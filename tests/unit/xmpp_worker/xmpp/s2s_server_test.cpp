#include "xmpp_worker/xmpp/s2s/s2s_server.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/write.hpp>
#include <filesystem>
#include <map>

#include "tests/support/certificates.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::xmpp {
namespace {

class NoResolver : public net::Resolver {
 public:
  explicit NoResolver(net::Loop& loop) : loop_(loop) {}
  void addresses(const std::string& host,
                 std::function<void(net::Resolved<std::vector<std::string>>)> done) override {
    asio::post(loop_.io(), [host, done] {
      const bool literal = host.find_first_not_of("0123456789.") == std::string::npos;
      if (literal) return done(std::vector<std::string>{host});
      done(tl::make_unexpected(net::ResolveError{net::ResolveError::Kind::kNoName, host + ": no such name"}));
    });
  }
  void srv(const std::string& name,
           std::function<void(net::Resolved<std::vector<net::SrvRecord>>)> done) override {
    asio::post(loop_.io(), [this, name, done] {
      const auto found = services.find(name);
      if (found != services.end()) return done(std::vector<net::SrvRecord>{found->second});
      done(tl::make_unexpected(net::ResolveError{net::ResolveError::Kind::kNoName, name + ": no such name"}));
    });
  }

  std::map<std::string, net::SrvRecord> services;

 private:
  net::Loop& loop_;
};

// A server, and what it is told.
class End : public PathsUser, public S2sEvents {
 public:
  End(net::Loop& loop, net::Resolver& resolver, const std::string& domain, uint16_t port,
      const std::string& other, uint16_t other_port, const net::TlsFiles& tls = {},
      Duration idle_unused = std::chrono::minutes(2)) {
    S2sOptions options;
    options.serves = {domain};
    options.address = "127.0.0.1";
    options.port = port;
    options.dialback_secret = domain;
    options.require_tls = false;
    options.tls = tls;
    options.idle_unused = idle_unused;
    if (other_port != 0) options.static_servers[other] = "127.0.0.1:" + std::to_string(other_port);
    auto made = S2sServer::create(loop, resolver, options, *this, *this);
    EXPECT_TRUE(made) << made.error().text;
    server = std::move(*made);
    const auto listens = server->listen();
    EXPECT_TRUE(listens) << listens.error().text;
  }

  void path_up(Path&) override { log += "up "; }
  void path_down(Path&) override { log += "down "; }
  void path_gone(Path&) override { log += "gone "; }
  void about_to_write(Path&) override {}
  void stanza(const Element& element, uint64_t) override {
    log += std::string(element.content_child("body").text()) + " ";
  }
  void oversized(const Element&) override {}
  void state_changed() override { ++states; }
  void stream_event(const std::string& text) override { events += text + "\n"; }
  void stream_trouble(const std::string& text) override { events += text + "\n"; }

  std::string log, events;
  int states = 0;
  std::unique_ptr<S2sServer> server;
};

class S2sServers : public ::testing::Test {
 protected:
  static uint16_t free_port(net::Loop& loop) {
    asio::ip::tcp::acceptor probe(loop.io(), {asio::ip::make_address("127.0.0.1"), 0});
    return probe.local_endpoint().port();
  }
  template <class Condition>
  ::testing::AssertionResult until(Condition done) {
    const Time end = loop.now() + std::chrono::seconds(30);
    while (!done()) {
      if (loop.now() > end)
        return ::testing::AssertionFailure() << "not in 30 s\n" << a.events << "\n" << b.events;
      loop.io().run_one_for(std::chrono::milliseconds(10));
      loop.io().restart();
    }
    return ::testing::AssertionSuccess();
  }
  static std::string message(const std::string& from, const std::string& to, const std::string& body) {
    return "<message from='" + from + "' to='" + to + "'><body>" + body + "</body></message>";
  }

  net::Loop loop;
  NoResolver resolver{loop};
  const uint16_t a_port = free_port(loop), b_port = free_port(loop);
  End a{loop, resolver, "a.test", a_port, "b.test", b_port};
  End b{loop, resolver, "b.test", b_port, "a.test", a_port};
};

TEST_F(S2sServers, FindProveAndWriteToEachOther) {
  Path* there = a.server->path("a.test", "b.test");
  ASSERT_NE(there, nullptr);
  EXPECT_FALSE(there->is_up());
  ASSERT_TRUE(until([&] { return there->is_up(); }));
  EXPECT_EQ(there->send("x@a.test", message("x@a.test", "y@b.test", "hello")), Path::Sent::kWritten);
  EXPECT_TRUE(until([&] { return b.log.find("hello") != std::string::npos; }));
}

TEST_F(S2sServers, ABidirectionalStreamIsTheWayBack) {
  Path* there = a.server->path("a.test", "b.test");
  ASSERT_TRUE(until([&] { return there->is_up(); }));
  Path* back = nullptr;
  ASSERT_TRUE(until(
      [&] { return b.server->inbound() == 1 && (back = b.server->path("b.test", "a.test"))->is_up(); }));
  EXPECT_EQ(back->send("y@b.test", message("y@b.test", "x@a.test", "answer")), Path::Sent::kWritten);
  EXPECT_TRUE(until([&] { return a.log.find("answer") != std::string::npos; }));
}

TEST_F(S2sServers, ADomainThatThereIsNotIsRefusedWithItsCondition) {
  Path* nowhere = a.server->path("a.test", "nowhere.test");
  ASSERT_TRUE(until([&] { return nowhere->is_refused(); }));
  EXPECT_EQ(nowhere->condition(), "remote-server-not-found");
  EXPECT_NE(nowhere->reason().find("nowhere.test: no such name"), std::string::npos);
  EXPECT_EQ(nowhere->send("x@a.test", "<message/>"), Path::Sent::kNotUp);
}

TEST_F(S2sServers, ADomainThatIsNoHostNameIsRefused) {
  Path* nowhere = a.server->path("a.test", "no host.test");
  ASSERT_TRUE(until([&] { return nowhere->is_refused(); }));
  EXPECT_EQ(nowhere->condition(), "remote-server-not-found");
  EXPECT_NE(nowhere->reason().find("\"no host.test\" is neither"), std::string::npos) << nowhere->reason();
}

TEST_F(S2sServers, ADomainHasOneRouteHoweverItIsWritten) {
  Path* there = a.server->path("a.test", "b.test");
  EXPECT_EQ(a.server->path("a.test", "B.test"), there);
  EXPECT_EQ(a.server->path("a.test", "b.TEST."), there);
  EXPECT_EQ(a.server->routes(), 1u);
  EXPECT_EQ(a.server->path("a.test", "A.Test"), nullptr);
}

TEST_F(S2sServers, AnotherDomainOfOursIsNoRemoteOne) {
  EXPECT_EQ(a.server->path("a.test", "a.test"), nullptr);
  EXPECT_EQ(a.server->path("foreign.test", "b.test"), nullptr);
}

TEST_F(S2sServers, WhatIsClosedComesBackWhenItIsWanted) {
  Path* there = a.server->path("a.test", "b.test");
  ASSERT_TRUE(until([&] { return there->is_up(); }));
  EXPECT_GE(a.server->close("b.test", "for a test"), 1u);
  EXPECT_FALSE(there->is_up());
  EXPECT_EQ(a.log, "up down ");
  EXPECT_EQ(a.server->path("a.test", "b.test"), there);
  EXPECT_TRUE(until([&] { return there->is_up(); }));
}

// As one that was made for a question of dialback.
TEST_F(S2sServers, AStreamThatCarriesNothingIsClosedSoon) {
  const uint16_t c_port = free_port(loop);
  End c(loop, resolver, "c.test", c_port, "b.test", b_port, {}, Duration(1));
  for (const auto& [domain, port] : {std::pair("a.test", a_port), std::pair("c.test", c_port)})
    resolver.services[std::string("_xmpp-server._tcp.") + domain] = {0, 0, port, "127.0.0.1"};
  const auto up = [](const End& end) {
    std::string out;
    for (const StreamInfo& each : end.server->list())
      if (each.direction == "out" && each.state == "up") out += each.domain + " ";
    return out;
  };
  Path* used = c.server->path("c.test", "b.test");
  ASSERT_TRUE(until([&] { return used->is_up(); }));
  used->send("x@c.test", message("x@c.test", "y@b.test", "hello"));
  c.server->path("c.test", "a.test");
  ASSERT_TRUE(until([&] { return up(c) == "a.test b.test "; }));
  EXPECT_TRUE(until([&] { return up(c) == "b.test "; })) << up(c);
  EXPECT_EQ(up(a), "c.test ") << "by which it asked, and which has time to carry an answer";
}

TEST_F(S2sServers, APeerThatStopsIsConnectedToAgain) {
  Path* there = a.server->path("a.test", "b.test");
  ASSERT_TRUE(until([&] { return there->is_up(); }));
  b.server->stop();
  ASSERT_TRUE(until([&] { return !there->is_up(); }));
  EXPECT_NE(there->reason().find("system-shutdown"), std::string::npos) << there->reason();
}

TEST_F(S2sServers, AStreamThatEndsWithoutAGoodbyeMayHaveTakenAnAnswerWithIt) {
  Path* there = a.server->path("a.test", "b.test");
  ASSERT_TRUE(until([&] { return there->is_up() && b.server->inbound() == 1; }));
  a.server->close("b.test", "for a test");
  ASSERT_TRUE(until([&] { return b.server->inbound() == 0; }));
  EXPECT_EQ(b.server->broken(), 0u);
  there = a.server->path("a.test", "b.test");
  ASSERT_TRUE(until([&] { return there->is_up() && b.server->inbound() == 1; }));
  const int before = b.states;
  a.server.reset();
  EXPECT_TRUE(until([&] { return b.server->broken() == 1; }));
  EXPECT_GT(b.states, before);
}

// On the port where streams without TLS come, too.
TEST_F(S2sServers, TlsMayBeThereFromTheFirstByte) {
  std::string folder = (std::filesystem::temp_directory_path() / "stox-s2s-XXXXXX").string();
  const stox::testing::Authority authority(mkdtemp(folder.data()));
  const uint16_t c_port = free_port(loop), d_port = free_port(loop);
  End c(loop, resolver, "c.test", c_port, "", 0, authority.sign("c", {"c.test", "DNS:c.test", {}, false}));
  End d(loop, resolver, "d.test", d_port, "", 0, authority.sign("d", {"d.test", "DNS:d.test", {}, false}));
  const uint16_t e_port = free_port(loop);
  End e(loop, resolver, "e.test", e_port, "d.test", d_port);
  std::filesystem::remove_all(folder);
  resolver.services["_xmpps-server._tcp.d.test"] = {0, 0, d_port, "127.0.0.1"};
  resolver.services["_xmpp-server._tcp.e.test"] = {0, 0, e_port, "127.0.0.1"};

  Path* there = c.server->path("c.test", "d.test");
  ASSERT_TRUE(until([&] { return there->is_up(); })) << c.events << d.events;
  const auto came = d.server->list();
  ASSERT_EQ(came.size(), 1u);
  EXPECT_EQ(came[0].authentication, "EXTERNAL");
  EXPECT_NE(came[0].tls, "");
  there->send("x@c.test", message("x@c.test", "y@d.test", "hello"));
  EXPECT_TRUE(until([&] { return d.log.find("hello") != std::string::npos; }));

  asio::ip::tcp::socket junk(loop.io());
  junk.connect({asio::ip::make_address("127.0.0.1"), d_port});
  asio::write(junk, asio::buffer(std::string("\x16 and what is no handshake")));
  ASSERT_TRUE(
      until([&] { return d.events.find("ended: the connection of 127.0.0.1") != std::string::npos; }));

  Path* without = e.server->path("e.test", "d.test");
  EXPECT_TRUE(until([&] { return without->is_up(); })) << e.events;
}

TEST_F(S2sServers, StopClosesAll) {
  Path* there = a.server->path("a.test", "b.test");
  ASSERT_TRUE(until([&] { return there->is_up(); }));
  a.server->stop();
  EXPECT_EQ(a.server->path("a.test", "b.test"), nullptr);
  EXPECT_TRUE(until([&] { return b.server->inbound() == 0; }));
}

}  // namespace
}  // namespace stox::xmpp
