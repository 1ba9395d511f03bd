#include "sip_front/sip/transport/transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/ip/udp.hpp>
#include <asio/write.hpp>

#include "tests/unit/sip_front/sip_text.h"
#include "tests/unit/sip_front/transport_scene.h"

namespace stox::sip {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST_F(TransportTest, UdpAnswersFromTheSocketThatGotTheRequest) {
  for (const char* address : {"127.0.0.1", "::1"}) {
    came_.clear();
    open_usual(address);
    answer_ = "an answer";
    const auto ip = asio::ip::make_address(address);
    asio::ip::udp::socket peer(loop_.io(), {ip, 0});
    peer.send_to(asio::buffer(kHello), {ip, udp_port_});
    ASSERT_TRUE(run_until([&] { return peer.available() > 0; }));
    std::array<char, 100> buffer;
    asio::ip::udp::endpoint from;
    const std::size_t n = peer.receive_from(asio::buffer(buffer), from);
    EXPECT_EQ(std::string(buffer.data(), n), "an answer");
    EXPECT_EQ(from.port(), udp_port_);
    EXPECT_EQ(came_.at(0).body, "hello");
    EXPECT_EQ(came_.at(0).flow.peer.port, peer.local_endpoint().port());
    transports_.reset();
    loop_.io().poll();
  }
}

TEST_F(TransportTest, UdpOnAWildcardAnswersFromTheAddressThatWasAsked) {
  for (const auto& [any, asked] : {std::pair("0.0.0.0", "127.0.0.77"), std::pair("::", "::1")}) {
    open_usual(any);
    answer_ = "an answer";
    const auto to = asio::ip::make_address(asked);
    asio::ip::udp::socket peer(loop_.io(), {to.is_v6() ? to : asio::ip::make_address("127.0.0.1"), 0});
    peer.send_to(asio::buffer(kHello), {to, udp_port_});
    ASSERT_TRUE(run_until([&] { return peer.available() > 0; }));
    std::array<char, 100> buffer;
    asio::ip::udp::endpoint from;
    peer.receive_from(asio::buffer(buffer), from);
    EXPECT_EQ(from.address(), to);
    EXPECT_EQ(from.port(), udp_port_);
    transports_->send(
        *transports_->flow_to({Transport::kUdp, *Endpoint::parse(peer.local_endpoint().address().to_string(),
                                                                 peer.local_endpoint().port())}),
        "a request");
    EXPECT_TRUE(run_until([&] { return peer.available() > 0; }));
    transports_.reset();
    loop_.io().poll();
  }
}

TEST_F(TransportTest, UdpTakesBurstsWholeAndInOrder) {
  open_usual();
  asio::ip::udp::socket peer(loop_.io(), {asio::ip::address_v4::loopback(), 0});
  std::vector<std::string> wanted;
  for (int i = 0; i < 150; ++i) {
    wanted.push_back(std::to_string(10000 + i));
    peer.send_to(asio::buffer(replaced(kHello, "hello", wanted.back())),
                 {asio::ip::address_v4::loopback(), udp_port_});
  }
  EXPECT_TRUE(run_until([&] { return came_.size() >= wanted.size(); }));
  EXPECT_EQ(bodies(), wanted);
  EXPECT_EQ(transports_->figures().datagrams_in, 150u);
}

TEST_F(TransportTest, UdpSendsManyInOneTurn) {
  open_usual();
  asio::ip::udp::socket peer(loop_.io(), {asio::ip::address_v4::loopback(), 0});
  const auto flow =
      transports_->flow_to({Transport::kUdp, *Endpoint::parse("127.0.0.1", peer.local_endpoint().port())});
  ASSERT_TRUE(flow);
  for (int i = 0; i < 100; ++i) transports_->send(*flow, std::to_string(i));
  std::size_t came = 0;
  EXPECT_TRUE(run_until([&] {
    std::array<char, 100> buffer;
    while (peer.available() > 0) {
      const std::size_t n = peer.receive(asio::buffer(buffer));
      EXPECT_EQ(std::string(buffer.data(), n), std::to_string(came++));
    }
    return came == 100;
  }));
}

TEST_F(TransportTest, UdpKeepAlivesAreNothing) {
  open_usual();
  asio::ip::udp::socket peer(loop_.io(), {asio::ip::address_v4::loopback(), 0});
  const asio::ip::udp::endpoint to(asio::ip::address_v4::loopback(), udp_port_);
  for (const std::string& text :
       {std::string("\r\n\r\n"), std::string("\0\0\0\0", 4), std::string("jaK"), kHello}) {
    peer.send_to(asio::buffer(text), to);
  }
  EXPECT_TRUE(run_until([&] { return came_.size() >= 2; }));
  EXPECT_EQ(bodies(), (std::vector<std::string>{"fault 400", "hello"}));
}

TEST_F(TransportTest, UdpLearnsFromIcmpThatNobodyListens) {
  open_usual();
  uint16_t closed_port = 0;
  {
    asio::ip::udp::socket gone(loop_.io(), {asio::ip::address_v4::loopback(), 0});
    closed_port = gone.local_endpoint().port();
  }
  const Endpoint nobody = *Endpoint::parse("127.0.0.1", closed_port);
  transports_->send(*transports_->flow_to({Transport::kUdp, nobody}), kHello);
  EXPECT_TRUE(run_until([&] { return !unreachable_.empty(); }));
  EXPECT_EQ(unreachable_.at(0), kHello + " to " + nobody.str() + ": nobody listens there");
}

TEST_F(TransportTest, UdpSaysWhatItsOwnSystemDoesNotSend) {
  open_usual();  // on loopback, from where nothing leaves
  const Endpoint far = *Endpoint::parse("192.0.2.99", 5060);
  transports_->send(*transports_->flow_to({Transport::kUdp, far}), kHello);
  EXPECT_TRUE(run_until([&] { return !unreachable_.empty(); }));
  EXPECT_THAT(unreachable_.at(0), testing::StartsWith(kHello + " to 192.0.2.99:5060: "));
}

TEST_F(TransportTest, APortInUseIsToldWithAddressPortAndRemedy) {
  open_usual();
  for (const auto transport : {Transport::kUdp, Transport::kTcp}) {
    const uint16_t port = transport == Transport::kUdp ? udp_port_ : tcp_port_;
    const auto again = Transports::open(loop_, {{transport, "127.0.0.1", port, "", 0}},
                                        *net::TlsContext::create({}), options_, *this);
    ASSERT_FALSE(again);
    EXPECT_THAT(again.error().text, HasSubstr("127.0.0.1:" + std::to_string(port)));
    EXPECT_THAT(again.error().text, HasSubstr("in use"));
    EXPECT_THAT(again.error().text, HasSubstr("stop it, or change `listen`"));
  }
}

TEST_F(TransportTest, ViaSaysTheAdvertisedAddressOrTheRealOne) {
  open({{Transport::kUdp, "127.0.0.1", 0, "203.0.113.9", 5070},
        {Transport::kUdp, "::1", 0, "", 0},
        {Transport::kTcp, "0.0.0.0", 0, "", 0}});
  const Endpoint v4 = *Endpoint::parse("127.0.0.1", 9);
  const SentBy advertised = transports_->sent_by(*transports_->flow_to({Transport::kUdp, v4}));
  EXPECT_EQ(advertised.host, "203.0.113.9");
  EXPECT_EQ(advertised.port, 5070);
  const SentBy bound =
      transports_->sent_by(*transports_->flow_to({Transport::kUdp, *Endpoint::parse("::1", 9)}));
  EXPECT_EQ(bound.host, "::1");
  EXPECT_EQ(bound.port, transports_->listening()[1].bound.port);
  const SentBy any = transports_->sent_by(Flow{Transport::kTcp, 0, 1, v4});
  EXPECT_EQ(any.host, "127.0.0.1");
  EXPECT_EQ(any.port, transports_->listening()[2].bound.port);
}

TEST_F(TransportTest, AContactNamesTheListenerThatServesTheTransport) {
  open({{Transport::kUdp, "127.0.0.1", 0, "203.0.113.9", 5070},
        {Transport::kUdp, "::1", 0, "2001:db8::5", 5071},
        {Transport::kTcp, "0.0.0.0", 0, "", 0}});
  const Endpoint v4 = *Endpoint::parse("127.0.0.1", 9);
  EXPECT_EQ(transports_->contact(*transports_->flow_to({Transport::kUdp, v4})), "sip:203.0.113.9:5070");
  EXPECT_EQ(transports_->contact(*transports_->flow_to({Transport::kUdp, *Endpoint::parse("::1", 9)})),
            "sip:[2001:db8::5]:5071");
  const std::string tcp = "sip:127.0.0.1:" + std::to_string(transports_->listening()[2].bound.port);
  EXPECT_EQ(transports_->contact(Flow{Transport::kTcp, kNoListener, 1, v4}), tcp + ";transport=tcp");
  // Where nobody can come back by TLS, what there is.
  transports_.reset();
  open({{Transport::kTcp, "127.0.0.1", 0, "203.0.113.9", 5072}});
  EXPECT_EQ(transports_->contact(Flow{Transport::kTls, kNoListener, 1, v4}),
            "sip:203.0.113.9:5072;transport=tcp");
}

TEST_F(TransportTest, OfSeveralListenersThatOfTheWayToThePeerIsUsed) {
  // From 127.0.0.1 all of 127.0.0.0/8 is reached if nobody says otherwise.
  std::vector<Listen> listens = {{Transport::kUdp, "127.0.0.77", 0, "", 0},
                                 {Transport::kTcp, "127.0.0.77", 0, "", 0},
                                 {Transport::kUdp, "127.0.0.1", 0, "", 0},
                                 {Transport::kTcp, "127.0.0.1", 0, "", 0}};
  open(listens);
  asio::ip::tcp::acceptor proxy(loop_.io(), {asio::ip::make_address("127.0.0.9"), 0});
  const Endpoint peer = *Endpoint::parse("127.0.0.9", proxy.local_endpoint().port());
  const auto udp = transports_->flow_to({Transport::kUdp, peer});
  EXPECT_EQ(udp->listener, 2);
  EXPECT_EQ(transports_->sent_by(*udp).host, "127.0.0.1");
  const auto tcp = transports_->flow_to({Transport::kTcp, peer});
  EXPECT_EQ(transports_->sent_by(*tcp).port, transports_->listening()[3].bound.port);
  transports_.reset();

  listens[2].address = "0.0.0.0";
  open(listens);
  EXPECT_EQ(transports_->flow_to({Transport::kUdp, peer})->listener, 2);
  transports_.reset();

  listens[2].address = "127.0.0.78";
  open(listens);
  EXPECT_EQ(transports_->flow_to({Transport::kUdp, peer})->listener, 0);
}

TEST_F(TransportTest, WithoutASocketOfThatFamilyThereIsNoWay) {
  open_usual();
  const auto flow = transports_->flow_to({Transport::kUdp, *Endpoint::parse("::1", 9)});
  ASSERT_FALSE(flow);
  EXPECT_THAT(flow.error().text, HasSubstr("IPv6"));
}

TEST_F(TransportTest, TcpTakesPipelinedAndSplitMessagesAndAnswersOnTheConnection) {
  open_usual();
  answer_ = "pong!";
  auto peer = connect();
  asio::write(peer, asio::buffer(kHello + kHello + kHello.substr(0, 100)));
  ASSERT_TRUE(run_until([&] { return came_.size() == 2; }));
  asio::write(peer, asio::buffer(kHello.substr(100)));
  EXPECT_EQ(read_from(peer, 15), "pong!pong!pong!");
  EXPECT_EQ(bodies(), (std::vector<std::string>{"hello", "hello", "hello"}));
}

TEST_F(TransportTest, TcpAnswersKeepAlives) {
  open_usual();
  auto peer = connect();
  asio::write(peer, asio::buffer(std::string("\r\n\r\n")));
  EXPECT_EQ(read_from(peer, 2), "\r\n");
}

TEST_F(TransportTest, TcpAnswersWhatItCannotFrameAndCloses) {
  open_usual();
  answer_ = "400";
  auto peer = connect();
  asio::write(peer, asio::buffer(replaced(kHello, "Content-Length", "X") + kHello));
  bool closed = false;
  EXPECT_EQ(read_from(peer, SIZE_MAX, &closed), "400");
  EXPECT_TRUE(closed);
  EXPECT_EQ(bodies(), std::vector<std::string>{"fault 400"});
  peer.close();
  EXPECT_TRUE(run_until([&] { return lost_.size() == 1; }));
  EXPECT_EQ(transports_->figures().connections(), 0u);
}

TEST_F(TransportTest, TcpCanBeFinishedAfterAnAnswer) {
  open_usual();
  answer_ = "403";
  finish_ = true;
  auto peer = connect();
  asio::write(peer, asio::buffer(kHello + kHello));
  bool closed = false;
  EXPECT_EQ(read_from(peer, SIZE_MAX, &closed), "403");
  EXPECT_TRUE(closed);
}

TEST_F(TransportTest, TcpDoesNotWaitForHalfAMessageForEver) {
  options_.message_timeout = 100ms;
  open_usual();
  auto slow = connect();
  auto quiet = connect();
  asio::write(slow, asio::buffer(kHello.substr(0, 50)));
  EXPECT_TRUE(closes(slow));
  EXPECT_EQ(transports_->figures().connections(), 1u);
  EXPECT_EQ(transports_->figures().connections_timed_out, 1u);
}

TEST_F(TransportTest, TcpClosesIdleConnections) {
  options_.idle_timeout = 100ms;
  open_usual();
  auto peer = connect();
  asio::write(peer, asio::buffer(kHello));
  EXPECT_TRUE(closes(peer));
  EXPECT_EQ(bodies(), std::vector<std::string>{"hello"});
}

TEST_F(TransportTest, TcpStopsReadingFromAPeerThatDoesNotReadAndClosesIt) {
  options_.message_timeout = 100ms;
  open_usual();
  answer_ = std::string(64 * 1024, 'a');
  auto peer = connect();
  asio::error_code failure;
  std::size_t sent = 0;
  EXPECT_TRUE(run_until([&] {
    for (int i = 0; i < 100 && !failure; ++i) {
      peer.write_some(asio::buffer(kHello), failure);
      sent += failure ? 0 : 1;
    }
    if (failure == asio::error::would_block) failure = {};
    return transports_->figures().connections_timed_out == 1;
  }));
  EXPECT_LT(came_.size(), sent);
}

TEST_F(TransportTest, TcpRefusesConnectionsOverTheLimit) {
  options_.max_connections_per_source = 2;
  open_usual();
  auto first = connect();
  auto second = connect();
  auto third = connect();
  EXPECT_TRUE(closes(third));
  first.close();
  EXPECT_TRUE(run_until([&] { return transports_->figures().connections() == 1; }));
  auto fourth = connect();
  asio::write(fourth, asio::buffer(kHello));
  EXPECT_TRUE(run_until([&] { return came_.size() == 1; }));
}

TEST_F(TransportTest, TcpConnectionsOfStrangersAreFewAndShort) {
  options_.max_strangers = 1;
  options_.message_timeout = 100ms;
  open_usual();
  trust_ = {};
  auto first = connect();
  auto second = connect();
  EXPECT_TRUE(closes(second));
  trust_ = everybody();
  auto known = connect();
  EXPECT_TRUE(closes(first));
  EXPECT_TRUE(run_until([&] { return transports_->figures().connections() == 1; }));
  trust_ = {};
  auto third = connect();
  asio::write(third, asio::buffer(kHello));
  EXPECT_TRUE(run_until([&] { return came_.size() == 1; }));
}

TEST_F(TransportTest, EachListenerHasItsOwnTrust) {
  trust_at_[1] = {};
  open({{Transport::kTcp, "127.0.0.1", 0, "", 0},
        {Transport::kTcp, "127.0.0.1", 0, "", 0},
        {Transport::kUdp, "127.0.0.1", 0, "", 0}});
  const auto listening = transports_->listening();
  for (const std::size_t at : {0, 1}) {
    tcp_port_ = listening[at].bound.port;
    auto peer = connect();
    asio::write(peer, asio::buffer(kHello));
    ASSERT_TRUE(run_until([&] { return came_.size() == at + 1; }));
    EXPECT_EQ(came_[at].flow.listener, at);
    EXPECT_EQ(transports_->connections(1).at(0).trusted, at == 0);
    peer.close();
    ASSERT_TRUE(run_until([&] { return transports_->figures().connections() == 0; }));
  }
  asio::ip::udp::socket peer(loop_.io(), {asio::ip::address_v4::loopback(), 0});
  peer.send_to(asio::buffer(kHello), {asio::ip::address_v4::loopback(), listening[2].bound.port});
  ASSERT_TRUE(run_until([&] { return came_.size() == 3; }));
  EXPECT_EQ(came_[2].flow.listener, 2);
  transports_->send(came_[2].flow, "answer");
  EXPECT_TRUE(run_until([&] { return peer.available() > 0; }));
}

TEST_F(TransportTest, TcpConnectsOnceAndKeepsTheConnection) {
  open_usual();
  asio::ip::tcp::acceptor acceptor(loop_.io(), {asio::ip::address_v4::loopback(), 0});
  const Endpoint peer = *Endpoint::parse("127.0.0.1", acceptor.local_endpoint().port());
  const auto flow = transports_->flow_to({Transport::kTcp, peer});
  ASSERT_TRUE(flow);
  EXPECT_EQ(transports_->flow_to({Transport::kTcp, peer})->connection, flow->connection);
  transports_->send(*flow, "one");
  transports_->send(*flow, "two");
  auto accepted = acceptor.accept();
  accepted.non_blocking(true);
  EXPECT_EQ(read_from(accepted, 6), "onetwo");
  EXPECT_EQ(transports_->flow_to({Transport::kTcp, peer})->connection, flow->connection);
  asio::write(accepted, asio::buffer(kHello));
  EXPECT_TRUE(run_until([&] { return came_.size() == 1; }));
  accepted.close();
  EXPECT_TRUE(run_until([&] { return !lost_.empty(); }));
  EXPECT_EQ(lost_, std::vector<uint32_t>{flow->connection});
  EXPECT_FALSE(never_made_);
  EXPECT_NE(transports_->flow_to({Transport::kTcp, peer})->connection, flow->connection);
}

TEST_F(TransportTest, TcpSaysThatAConnectionCouldNotBeMade) {
  open_usual();
  uint16_t closed_port = 0;
  {
    asio::ip::tcp::acceptor gone(loop_.io(), {asio::ip::address_v4::loopback(), 0});
    closed_port = gone.local_endpoint().port();
  }
  const auto flow = transports_->flow_to({Transport::kTcp, *Endpoint::parse("127.0.0.1", closed_port)});
  ASSERT_TRUE(flow);
  transports_->send(*flow, kHello);
  EXPECT_TRUE(run_until([&] { return !lost_.empty(); }));
  EXPECT_EQ(lost_, std::vector<uint32_t>{flow->connection});
  EXPECT_TRUE(never_made_);
}

TEST_F(TransportTest, AResponseWhoseConnectionIsGoneGoesToTheSentByPort) {
  open_usual();
  asio::ip::tcp::acceptor acceptor(loop_.io(), {asio::ip::address_v4::loopback(), 0});
  {
    auto peer = connect();
    asio::write(peer, asio::buffer(kHello));
    ASSERT_TRUE(run_until([&] { return came_.size() == 1; }));
  }
  ASSERT_TRUE(run_until([&] { return lost_.size() == 1; }));
  Flow flow = came_[0].flow;
  flow.peer.port = acceptor.local_endpoint().port();
  transports_->send(flow, "late");
  auto accepted = acceptor.accept();
  accepted.non_blocking(true);
  EXPECT_EQ(read_from(accepted, 4), "late");
  EXPECT_TRUE(no_way_back_.empty());
}

TEST_F(TransportTest, AResponseWithNoWayBackGoesByTheFirstOtherThatTakesIt) {
  open_usual();
  asio::ip::tcp::acceptor acceptor(loop_.io(), {asio::ip::address_v4::loopback(), 0});
  uint16_t closed = 0;
  {
    const asio::ip::tcp::acceptor gone(loop_.io(), {asio::ip::address_v4::loopback(), 0});
    closed = gone.local_endpoint().port();
  }
  const Hop nobody{Transport::kTcp, *Endpoint::parse("127.0.0.1", closed)};
  const Hop somebody{Transport::kTcp, *Endpoint::parse("127.0.0.1", acceptor.local_endpoint().port())};
  const Flow flow{Transport::kTcp, 1, 77, nobody.peer};
  transports_->send(flow, "first");
  ASSERT_TRUE(run_until([&] { return no_way_back_.size() == 1; }));
  EXPECT_EQ(no_way_back_[0], "first to " + nobody.peer.str());
  EXPECT_EQ(transports_->figures().send_failures, 0u);

  other_ways_ = {nobody, nobody};
  transports_->send(flow, "second");
  ASSERT_TRUE(run_until([&] { return transports_->figures().send_failures == 1; }));
  EXPECT_EQ(no_way_back_.size(), 2u);  // asked once for each

  other_ways_ = {nobody, somebody};
  transports_->send(flow, "third");
  transports_->send(flow, "fourth");
  asio::ip::tcp::socket accepted(loop_.io());
  acceptor.non_blocking(true);
  ASSERT_TRUE(run_until([&] {
    asio::error_code none_yet;
    acceptor.accept(accepted, none_yet);
    return !none_yet;
  }));
  accepted.non_blocking(true);
  EXPECT_EQ(read_from(accepted, 11), "thirdfourth");
}

}  // namespace
}  // namespace stox::sip
