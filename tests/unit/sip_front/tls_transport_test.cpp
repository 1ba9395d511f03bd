#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <asio/write.hpp>
#include <filesystem>

#include "common/base/text.h"
#include "sip_front/sip/policy/tls_identity.h"
#include "tests/support/certificates.h"
#include "tests/unit/sip_front/sip_text.h"
#include "tests/unit/sip_front/transport_scene.h"

namespace stox::sip {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::filesystem::path new_folder() {
  std::string name = (std::filesystem::temp_directory_path() / "stox-tls-XXXXXX").string();
  return mkdtemp(name.data());
}

// Transports that listen with TLS and connect to themselves.
class TlsTransportTest : public TransportTest {
 protected:
  ~TlsTransportTest() override { std::filesystem::remove_all(folder_); }

  net::TlsFiles sign(const std::string& alternative_names, bool expired = false) {
    return authority_.sign("server", {"some.test", alternative_names, {}, expired});
  }
  void open_tls(const std::string& alternative_names = "DNS:proxy.test", bool expired = false) {
    tls_ = sign(alternative_names, expired);
    open({{Transport::kTls, "127.0.0.1", 0, "", 0}});
    tcp_port_ = transports_->listening()[0].bound.port;
  }
  Endpoint here() const { return *Endpoint::parse("127.0.0.1", tcp_port_); }
  Result<Flow> flow_to(const std::string& domain) {
    return transports_->flow_to({Transport::kTls, here(), domain});
  }
  // What comes of a message to a server that should be `domain`: "hello" or why nothing.
  std::string say_hello(const std::string& domain) {
    came_.clear();
    tls_failures_.clear();
    lost_.clear();
    const auto flow = flow_to(domain);
    if (!flow) return flow.error().text;
    transports_->send(*flow, kHello);
    // The other end of a connection of before may still be ending.
    const auto why = [&] {
      return std::find_if(tls_failures_.begin(), tls_failures_.end(),
                          [](const std::string& each) { return each.starts_with("ours"); });
    };
    EXPECT_TRUE(
        run_until([&] { return !came_.empty() || (why() != tls_failures_.end() && !lost_.empty()); }));
    if (!came_.empty()) return came_[0].body;
    return why() == tls_failures_.end() ? "nothing" : *why();
  }

  std::filesystem::path folder_ = new_folder();
  stox::testing::Authority authority_{folder_.string()};
};

// The other end, by hand.
struct TlsPeer {
  TlsPeer(net::Loop& loop, const Endpoint& server, const net::TlsFiles& files)
      : socket(loop.io()), session(*net::TlsContext::create(files), {}) {
    socket.connect({asio::ip::address_v4::loopback(), server.port});
    socket.non_blocking(true);
    EXPECT_TRUE(session.start(wire));
    turn();
  }
  // One look at the socket; what has come is appended to `plain`.
  bool turn() {
    std::array<char, 4096> buffer;
    asio::error_code failure;
    const std::size_t n = socket.read_some(asio::buffer(buffer), failure);
    if (failure && failure != asio::error::would_block) closed = true;
    EXPECT_TRUE(session.received({buffer.data(), n}, plain, wire));
    flush();
    return session.is_established();
  }
  void say(std::string_view text) {
    session.send(text, wire);
    flush();
  }
  void flush() {
    if (!wire.empty() && !closed) asio::write(socket, asio::buffer(wire));
    wire.clear();
  }

  asio::ip::tcp::socket socket;
  net::TlsSession session;
  std::string plain, wire;
  bool closed = false;
};

TEST_F(TlsTransportTest, ACertificateCanMakeItsOwnerTrusted) {
  open_tls("DNS:proxy.test");  // and that is what we show as a client, too
  trust_ = {};
  EXPECT_EQ(say_hello("proxy.test"), "hello");
  EXPECT_FALSE(came_.at(0).flow.certified);
  trust_.certificates = {"proxy.test"};
  open_tls("DNS:proxy.test");
  EXPECT_EQ(say_hello("proxy.test"), "hello");
  EXPECT_TRUE(came_.at(0).flow.certified);
  const auto shown = transports_->connections(10);
  EXPECT_EQ(shown.size(), 2u);
  for (const ConnectionShown& one : shown) {
    EXPECT_EQ(one.transport, Transport::kTls);
    EXPECT_TRUE(one.trusted);
    EXPECT_STREQ(one.state, "open");
  }
  EXPECT_TRUE(transports_->connections(0).empty());
}

TEST_F(TlsTransportTest, TrustThatIsTakenBackIsGoneAtOnce) {
  trust_ = {{}, {"proxy.test"}};
  open_tls("DNS:proxy.test");
  EXPECT_EQ(say_hello("proxy.test"), "hello");
  EXPECT_TRUE(came_.at(0).flow.certified);
  trust_ = {};
  transports_->trust_changed();
  const auto trusted = [&] {
    const auto shown = transports_->connections(10);
    return std::count_if(shown.begin(), shown.end(),
                         [](const auto& one) { return !one.ours && one.trusted; });
  };
  EXPECT_EQ(trusted(), 0);
  EXPECT_EQ(say_hello("proxy.test"), "hello");  // on the same connection
  EXPECT_FALSE(came_.at(0).flow.certified);
  trust_.certificates = {"proxy.test"};
  transports_->trust_changed();
  EXPECT_EQ(trusted(), 1);
}

TEST_F(TlsTransportTest, ARequestAndItsAnswerCross) {
  open_tls();
  answer_ = replaced(kHello, "hello", "there");
  const auto flow = flow_to("proxy.test");
  ASSERT_TRUE(flow);
  transports_->send(*flow, kHello);
  ASSERT_TRUE(run_until([&] {
    if (came_.size() == 1) answer_.clear();
    return came_.size() == 2;
  }));
  EXPECT_THAT(bodies(), ElementsAre("hello", "there"));
  EXPECT_EQ(came_[0].flow.transport, Transport::kTls);
  EXPECT_EQ(came_[1].flow.connection, flow->connection);
  EXPECT_EQ(transports_->sent_by(*flow).port, tcp_port_);
  const TransportFigures figures = transports_->figures();
  EXPECT_EQ(figures.tls_in, 1u);
  EXPECT_EQ(figures.tls_out, 1u);
  EXPECT_EQ(figures.tcp_in + figures.tcp_out, 0u);
}

TEST_F(TlsTransportTest, AConnectionServesOneDomainOnly) {
  open_tls("DNS:proxy.test,DNS:other.test");
  const uint32_t first = flow_to("proxy.test")->connection;
  EXPECT_EQ(flow_to("proxy.test")->connection, first);
  EXPECT_NE(flow_to("other.test")->connection, first);
  EXPECT_NE(transports_->flow_to({Transport::kTcp, here()})->connection, first);
}

TEST_F(TlsTransportTest, AnotherDomainsCertificateIsRefusedAndNamed) {
  open_tls("DNS:proxy.test,DNS:*.wild.test");
  const std::string why = say_hello("sip.test");
  EXPECT_THAT(why, HasSubstr("ours: the certificate \"CN = some.test\" of \"CN = test authority\""));
  EXPECT_THAT(why, HasSubstr("is for proxy.test, *.wild.test, not for sip.test"));
  EXPECT_TRUE(never_made_);
  EXPECT_TRUE(came_.empty());
  EXPECT_EQ(transports_->figures().tls_failures, 1u);
  EXPECT_THAT(say_hello("a.wild.test"), HasSubstr("not for a.wild.test"));
  EXPECT_EQ(say_hello("PROXY.test"), "hello");
}

TEST_F(TlsTransportTest, ACertificateThatIsNotValidIsRefused) {
  open_tls("DNS:proxy.test", true);
  EXPECT_THAT(say_hello("proxy.test"), HasSubstr("certificate has expired"));
  net::TlsFiles stranger = sign("DNS:proxy.test");
  stranger.ca.clear();  // then nobody here knows the authority
  transports_->set_tls(*net::TlsContext::create(stranger), {});
  EXPECT_THAT(say_hello("proxy.test"), HasSubstr("unable to get"));
}

TEST_F(TlsTransportTest, NewCertificatesCountForNewConnections) {
  open_tls("DNS:proxy.test");
  const uint32_t old = flow_to("proxy.test")->connection;
  EXPECT_EQ(say_hello("proxy.test"), "hello");
  transports_->set_tls(*net::TlsContext::create(sign("DNS:new.test")), {});
  EXPECT_EQ(say_hello("new.test"), "hello");
  EXPECT_EQ(say_hello("proxy.test"), "hello");
  EXPECT_EQ(flow_to("proxy.test")->connection, old);
}

TEST_F(TlsTransportTest, MessagesComeHoweverTheyAreCut) {
  open_tls();
  TlsPeer peer(loop_, here(), {{}, {}, authority_.ca_file()});
  ASSERT_TRUE(run_until([&] { return peer.turn(); }));
  peer.say(kHello.substr(0, 100));
  ASSERT_TRUE(run_until([&] { return transports_->figures().tls_in == 1; }));
  peer.say(kHello.substr(100) + "\r\n\r\n" + replaced(kHello, "hello", "again") + kHello.substr(0, 7));
  peer.say(kHello.substr(7));
  EXPECT_TRUE(run_until([&] { return came_.size() == 3; }));
  EXPECT_THAT(bodies(), ElementsAre("hello", "again", "hello"));
  EXPECT_TRUE(run_until([&] {
    peer.turn();
    return peer.plain == "\r\n";  // the pong (RFC 5626)
  }));
}

TEST_F(TlsTransportTest, LastWordsAreReadBeforeTheEnd) {
  open_tls();
  answer_ = "goodbye";
  finish_ = true;
  TlsPeer peer(loop_, here(), {{}, {}, authority_.ca_file()});
  ASSERT_TRUE(run_until([&] { return peer.turn(); }));
  peer.say(kHello);
  EXPECT_TRUE(run_until([&] {
    peer.turn();
    return peer.session.is_closed_by_peer();
  }));
  EXPECT_EQ(peer.plain, "goodbye");
}

TEST_F(TlsTransportTest, WhoSpeaksNoTlsIsClosed) {
  open_tls();
  auto peer = connect();
  asio::write(peer, asio::buffer(kHello));
  EXPECT_TRUE(closes(peer));
  EXPECT_TRUE(came_.empty());
  ASSERT_EQ(tls_failures_.size(), 1u);
  EXPECT_THAT(tls_failures_[0], HasSubstr("theirs: TLS: "));
  auto probe = connect();
  probe.close();
  auto gone = connect();
  asio::write(gone, asio::buffer("\x16", 1));
  gone.close();
  EXPECT_TRUE(run_until([&] { return tls_failures_.size() == 2; }));
  EXPECT_EQ(transports_->figures().tls_failures, 2u);
}

TEST_F(TlsTransportTest, AHandshakeThatTakesTooLongEnds) {
  options_.connect_timeout = Duration(0);
  open_tls();
  auto peer = connect();
  EXPECT_TRUE(closes(peer));
  ASSERT_EQ(tls_failures_.size(), 1u);
  EXPECT_THAT(tls_failures_[0], HasSubstr("took too long"));

  asio::ip::tcp::acceptor mute(loop_.io(), {asio::ip::address_v4::loopback(), 0});
  const auto flow = transports_->flow_to(
      {Transport::kTls, *Endpoint::parse("127.0.0.1", mute.local_endpoint().port()), "proxy.test"});
  transports_->send(*flow, kHello);
  EXPECT_TRUE(run_until([&] { return tls_failures_.size() == 2; }));
  EXPECT_TRUE(never_made_);
}

TEST_F(TlsTransportTest, NothingIsSentToWhomeverAfterTheConnectionHasGone) {
  open_tls();
  {
    TlsPeer peer(loop_, here(), {{}, {}, authority_.ca_file()});
    ASSERT_TRUE(run_until([&] { return peer.turn(); }));
    peer.say(kHello);
    ASSERT_TRUE(run_until([&] { return came_.size() == 1; }));
  }
  ASSERT_TRUE(run_until([&] { return lost_.size() == 1; }));
  transports_->send(came_[0].flow, "late");
  EXPECT_EQ(transports_->figures().send_failures, 1u);
  EXPECT_EQ(transports_->figures().connections(), 0u);

  // RFC 3261 18.2.2: a response goes to whom its Via names, who must prove it.
  const std::string late =
      "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS proxy.test;branch=z9hG4bK1;received=127.0.0.1\r\n" +
      kHello.substr(kHello.find("From:"));
  Flow back = came_[0].flow;
  back.peer.port = tcp_port_;
  came_.clear();
  transports_->send(back, replaced(late, "proxy.test", "other.test"));
  ASSERT_TRUE(run_until([&] {
    return std::any_of(tls_failures_.begin(), tls_failures_.end(),
                       [](const auto& why) { return why.find("not for other.test") != std::string::npos; });
  }));
  EXPECT_TRUE(came_.empty());
  transports_->send(back, late);
  ASSERT_TRUE(run_until([&] { return came_.size() == 1; }));
  EXPECT_EQ(came_[0].body, "hello");
}

TEST(TlsIdentity, IsSipUrisThenDnsThenTheCommonName) {
  net::CertificateNames names;
  names.common_name = "cn.test";
  EXPECT_THAT(sip_domains_of(names), ElementsAre("cn.test"));
  names.dns = {"a.test", "b.test"};
  names.has_alternatives = true;
  EXPECT_THAT(sip_domains_of(names), ElementsAre("a.test", "b.test"));
  names.uris = {"https://c.test", "sip:user@c.test", "sips:c.test"};
  EXPECT_THAT(sip_domains_of(names), ElementsAre("a.test", "b.test"));
  names.uris.emplace_back("sip:d.test");
  EXPECT_THAT(sip_domains_of(names), ElementsAre("d.test"));
  names = {};
  names.common_name = "cn.test";
  names.has_alternatives = true;  // of any kind: RFC 5922 7.1
  EXPECT_THAT(sip_domains_of(names), ElementsAre());
}

TEST_F(TlsTransportTest, ACertificateForOtherThingsThanTlsMakesNobodyTrusted) {
  const auto is_certified = [&](const std::string& names, const std::string& usage) {
    tls_ = authority_.sign("server", {"proxy.test", names, usage, false});
    trust_ = {{}, {"proxy.test"}};
    open({{Transport::kTls, "127.0.0.1", 0, "", 0}});
    tcp_port_ = transports_->listening()[0].bound.port;
    tls_failures_.clear();
    came_.clear();
    TlsPeer peer(loop_, here(), tls_);
    EXPECT_TRUE(run_until([&] { return peer.turn() || peer.closed; }));
    peer.say(kHello);
    EXPECT_TRUE(run_until([&] { return !came_.empty(); }));
    return came_.at(0).flow.certified;
  };
  EXPECT_TRUE(is_certified("", ""));  // by the common name, as there is nothing else
  EXPECT_FALSE(is_certified("email:joe@proxy.test", ""));
  EXPECT_FALSE(is_certified("email:joe@proxy.test", "emailProtection"));
  EXPECT_FALSE(is_certified("DNS:proxy.test", "emailProtection"));
  EXPECT_FALSE(is_certified("DNS:proxy.test", "codeSigning,timeStamping"));
  for (const char* usage :
       {"clientAuth", "serverAuth", "anyExtendedKeyUsage", "emailProtection,clientAuth", kSipDomainUsage})
    EXPECT_TRUE(is_certified("DNS:proxy.test", usage)) << usage;
}

TEST_F(TlsTransportTest, TlsToATcpListenerIsNamed) {
  open_usual();
  TlsPeer peer(loop_, *Endpoint::parse("127.0.0.1", tcp_port_), {{}, {}, authority_.ca_file()});
  ASSERT_TRUE(run_until([&] { return !tls_failures_.empty(); }));
  EXPECT_EQ(tls_failures_[0],
            "theirs: it speaks TLS to tcp:127.0.0.1:" + std::to_string(tcp_port_) +
                ", where TCP alone is spoken; let it use TCP, or a tls: address of `listen`");
  EXPECT_TRUE(came_.empty());
  EXPECT_EQ(transports_->figures().tls_failures, 1u);
  EXPECT_EQ(transports_->figures().connections(), 0u);
}

TEST(TlsIdentity, AWildcardWillDoWhereItIsAllowed) {
  net::PeerCertificate peer;
  peer.present = peer.valid = true;
  peer.names.dns = {"*.Pbx.test", "pbx.test"};
  EXPECT_THAT(why_not(peer, "acme.pbx.test").value_or(""),
              HasSubstr("is for *.Pbx.test, pbx.test, not for acme.pbx.test; if its wildcard will do: "
                        "allow_wildcard = [\"*.pbx.test\"]"));
  for (const char* allowed : {"*.pbx.test", "acme.pbx.test", "*.test"})
    EXPECT_FALSE(why_not(peer, "ACME.pbx.test", {allowed})) << allowed;
  EXPECT_TRUE(why_not(peer, "acme.pbx.test", {"other.pbx.test"}));
  EXPECT_TRUE(why_not(peer, "a.acme.pbx.test", {"*.pbx.test"}));
  EXPECT_TRUE(why_not(peer, "acme.other.test", {"*.other.test"}));
  peer.names.dns = {"*.test", "*"};
  EXPECT_TRUE(why_not(peer, "pbx.test", {"*.test", "pbx.test"}));
}

TEST_F(TlsTransportTest, AWildcardCertificateIsAnOptIn) {
  options_.allow_wildcard = {"*.hosted.test"};
  open_tls("DNS:*.pbx.test,DNS:*.hosted.test");
  EXPECT_EQ(say_hello("acme.hosted.test"), "hello");
  EXPECT_THAT(say_hello("acme.pbx.test"), HasSubstr("not for acme.pbx.test"));
}

TEST(TlsIdentity, AnAddressIsProvedByItself) {
  net::PeerCertificate peer;
  peer.present = peer.valid = true;
  peer.names.ips = {"192.0.2.1", "2001:db8::1"};
  EXPECT_FALSE(why_not(peer, "192.0.2.1"));
  EXPECT_FALSE(why_not(peer, "2001:DB8:0::1"));
  EXPECT_TRUE(why_not(peer, "192.0.2.2"));
}

}  // namespace
}  // namespace stox::sip
