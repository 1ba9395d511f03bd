// CRLF keep-alive of the connections that we open (RFC 5626 3.5.1, 4.4.1), and what is kept for connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/write.hpp>

#include "tests/unit/sip_front/sip_text.h"
#include "tests/unit/sip_front/transport_scene.h"

namespace stox::sip {
namespace {

using ::testing::Each;
using ::testing::StartsWith;

class KeepAlive : public TransportTest {
 protected:
  KeepAlive() {
    options_.keepalive = 1ms;  // the sweep looks once a second
    options_.idle_timeout = 1ms;
  }
  void connect_out(bool keep = true) {
    hop_ = {Transport::kTcp, *Endpoint::parse("127.0.0.1", acceptor_.local_endpoint().port()), "", keep};
    flow_ = *transports_->flow_to(hop_);
    transports_->send(flow_, "hi!!");
    proxy_ = acceptor_.accept();
    proxy_.non_blocking(true);
    EXPECT_EQ(read_from(proxy_, 4), "hi!!");
  }
  void say(const std::string& text) { asio::write(proxy_, asio::buffer(text)); }

  asio::ip::tcp::acceptor acceptor_{loop_.io(), {asio::ip::address_v4::loopback(), 0}};
  asio::ip::tcp::socket proxy_{loop_.io()};
  Hop hop_;
  Flow flow_;
};

TEST_F(KeepAlive, WhoAnswersIsPingedAgainAndAgain) {
  open_usual();
  connect_out();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(read_from(proxy_, 4), "\r\n\r\n");
    say("\r\n");
  }
  EXPECT_TRUE(run_until([&] { return transports_->connections(1).at(0).answers_pings; }));
  EXPECT_EQ(transports_->flow_to(hop_)->connection, flow_.connection);
  EXPECT_TRUE(lost_.empty());
}

TEST_F(KeepAlive, AnAnswerInPiecesOrBeforeAMessageIsOne) {
  open_usual();
  connect_out();
  EXPECT_EQ(read_from(proxy_, 4), "\r\n\r\n");
  say("\r");
  say("\n" + kHello);
  ASSERT_TRUE(run_until([&] { return came_.size() == 1; }));
  EXPECT_TRUE(transports_->connections(1).at(0).answers_pings);
  EXPECT_EQ(read_from(proxy_, 4), "\r\n\r\n") << "and not the answer to a ping of theirs";
}

TEST_F(KeepAlive, WhoHasAnsweredAndDoesNotAnyMoreIsDeadAndConnectedToAnew) {
  options_.pong_within = 1500ms;  // longer than from one ping to the next
  open_usual();
  connect_out();
  EXPECT_EQ(read_from(proxy_, 4), "\r\n\r\n");
  say("\r\n");
  EXPECT_EQ(read_from(proxy_, 4), "\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return !lost_.empty(); }));
  EXPECT_EQ(lost_, std::vector<uint32_t>{flow_.connection});
  EXPECT_EQ(transports_->figures().pings_unanswered, 1u);
  EXPECT_EQ(transports_->figures().tcp_out, 1u);
  const auto anew = transports_->flow_to(hop_);
  EXPECT_NE(anew->connection, flow_.connection);
  transports_->send(*anew, "anew");
  proxy_ = acceptor_.accept();
  proxy_.non_blocking(true);
  EXPECT_EQ(read_from(proxy_, 4), "anew");
}

TEST_F(KeepAlive, WhoHasNeverAnsweredIsLeftInPeace) {
  options_.pong_within = 1ms;
  open_usual();
  connect_out();
  EXPECT_EQ(read_from(proxy_, 12), "\r\n\r\n\r\n\r\n\r\n\r\n");
  EXPECT_TRUE(lost_.empty());
  EXPECT_FALSE(transports_->connections(1).at(0).answers_pings);
}

TEST_F(KeepAlive, WhatIsNotKeptIsClosedWhenItIsIdle) {
  open_usual();
  connect_out(false);
  EXPECT_TRUE(closes(proxy_));
  EXPECT_EQ(lost_, std::vector<uint32_t>{flow_.connection});
}

TEST_F(KeepAlive, WithoutPingsNothingIsKept) {
  options_.keepalive = Duration::zero();
  open_usual();
  connect_out();
  EXPECT_TRUE(closes(proxy_));
}

TEST_F(TransportTest, HalfMessagesOfAllConnectionsTogetherAreBounded) {
  options_.max_kept = 100'000;
  open_usual();
  std::vector<asio::ip::tcp::socket> peers;
  const std::string half =
      replaced(kHello, "Content-Length: 5", "Content-Length: 60000") + std::string(30'000, 'x');
  for (int i = 0; i < 10; ++i) {
    peers.push_back(connect());
    asio::write(peers.back(), asio::buffer(half));
  }
  ASSERT_TRUE(run_until([&] { return transports_->figures().connections_crowded_out > 0; }));
  EXPECT_TRUE(run_until([&] { return transports_->figures().connections() <= 3; }));
  auto whole = connect();
  asio::write(whole, asio::buffer(kHello));
  EXPECT_TRUE(run_until([&] { return came_.size() == 1; }));
}

TEST_F(TransportTest, SomePlacesAreLeftForConnectionsOfOurOwn) {
  options_.max_connections = 16;
  open_usual();
  std::vector<asio::ip::tcp::socket> peers;
  for (int i = 0; i < 16; ++i) peers.push_back(connect());
  EXPECT_TRUE(closes(peers.back()));
  asio::ip::tcp::acceptor acceptor(loop_.io(), {asio::ip::address_v4::loopback(), 0});
  const Hop hop{Transport::kTcp, *Endpoint::parse("127.0.0.1", acceptor.local_endpoint().port())};
  EXPECT_TRUE(transports_->flow_to(hop));
}

}  // namespace
}  // namespace stox::sip
