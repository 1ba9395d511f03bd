#include "common/net/stream_socket.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <asio/ip/tcp.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>

#include "tests/support/certificates.h"

namespace stox::net {
namespace {

using asio::ip::tcp;

class Side : public StreamSocketUser {
 public:
  void connected() override {
    socket.flush();
    socket.wait_readable();
  }
  void readable() override {
    if (socket.read(buffer, plain) != StreamSocket::Read::kGone) socket.wait_readable();
  }
  void writable() override { socket.flush(); }
  Result<void> secured(TlsSession&) override {
    if (refusal.empty()) return {};
    return error(refusal);
  }
  void received(std::span<char> bytes) override {
    came.append(bytes.data(), bytes.size());
    if (when_received) when_received();
  }
  void ended(End, const std::string& why) override {
    socket = {};
    ending = why;
  }
  void say(const std::string& text) {
    socket.send(text);
    socket.flush();
  }

  StreamSocket socket;
  std::array<char, 65'536> buffer{};
  std::string plain, came, ending, refusal;
  std::function<void()> when_received;
};

class StreamSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/stox-XXXXXX";
    folder = mkdtemp(name);
    tcp::acceptor acceptor(loop.io(), {asio::ip::make_address("127.0.0.1"), 0});
    const tcp::endpoint at = acceptor.local_endpoint();
    auto made = StreamSocket::connect(loop, *at.data(), static_cast<socklen_t>(at.size()), client, kOptions);
    ASSERT_TRUE(made);
    client.socket = std::move(*made);
    server.socket = StreamSocket(loop, acceptor.accept().release(), server, kOptions);
    server.socket.wait_readable();
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  bool until(const std::function<bool()>& done) {
    const Time end = loop.now() + std::chrono::seconds(30);
    while (!done() && loop.now() < end) {
      loop.io().restart();
      loop.io().run_one_for(std::chrono::milliseconds(10));
    }
    return done();
  }
  TlsContext context() {
    auto made = TlsContext::create(testing::Authority(folder).sign("server", {"a.test", "DNS:a.test", {}}));
    return std::move(*made);
  }
  void serve_tls() { server.socket.start_tls(context(), {TlsOptions::Role::kServer, {}, {}}); }

  static constexpr StreamSocket::Options kOptions{std::chrono::seconds(30), {}, false};
  std::string folder;
  Loop loop;
  Side client, server;
};

TEST_F(StreamSocketTest, WhatIsSentBeforeTheHandshakeFollowsIt) {
  client.socket.start_tls(context(), {});
  client.socket.send("early, ");
  serve_tls();
  server.socket.send("and back");
  EXPECT_TRUE(until([&] { return !server.came.empty() && !client.came.empty(); }));
  client.say("late");
  EXPECT_TRUE(until([&] { return server.came == "early, late"; }));
  EXPECT_EQ(client.came, "and back");
}

TEST_F(StreamSocketTest, BecomesATlsOneInItsMiddle) {
  client.when_received = [&] {
    client.when_received = nullptr;
    client.socket.start_tls(context(), {});
  };
  server.say("proceed");
  serve_tls();
  server.socket.send(", safely");
  EXPECT_TRUE(until([&] { return client.came == "proceed, safely"; }));
}

TEST_F(StreamSocketTest, ThePeerMayBeRefused) {
  client.refusal = "not whom we want";
  client.socket.start_tls(context(), {});
  client.socket.send("a secret");
  serve_tls();
  EXPECT_TRUE(until([&] { return !client.ending.empty() && !server.ending.empty(); }));
  EXPECT_EQ(client.ending, "not whom we want");
  EXPECT_EQ(server.came, "");
}

TEST_F(StreamSocketTest, MayBeGivenUpWhileItIsRead) {
  client.socket.start_tls(context(), {});
  serve_tls();
  server.when_received = [&] { server.socket = {}; };
  client.socket.send("hello");
  EXPECT_TRUE(until([&] { return !client.ending.empty(); }));
  EXPECT_EQ(server.ending, "");
}

TEST_F(StreamSocketTest, TheEndComesBehindWhatWasSent) {
  std::string much(8'000'000, 'x');
  server.say(much);
  EXPECT_GT(server.socket.unsent(), 0U);
  EXPECT_TRUE(server.socket.is_blocked());
  server.socket.end();
  EXPECT_TRUE(until([&] { return !client.ending.empty(); }));
  EXPECT_EQ(client.came.size(), much.size());
  EXPECT_EQ(client.ending, "closed by the peer");
}

// Many connections may each have had a burst: what they keep is taken from all.
TEST_F(StreamSocketTest, KeepsLittleMemoryOfABurst) {
  server.say(std::string(200'000, 'x'));
  EXPECT_TRUE(until([&] { return client.came.size() == 200'000; }));
  EXPECT_LE(server.socket.kept(), 65'600U);
}

TEST_F(StreamSocketTest, KeepsNoMemoryOfWhatWasMuch) {
  server.say(std::string(8'000'000, 'x'));
  EXPECT_TRUE(until([&] { return server.socket.unsent() == 0; }));
  server.say("a little");
  EXPECT_TRUE(until([&] { return client.came.size() == 8'000'008; }));
  EXPECT_LT(server.socket.kept(), 10'000U);
}

}  // namespace
}  // namespace stox::net
