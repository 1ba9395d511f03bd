#include "xmpp_worker/xmpp/s2s/s2s_outbound.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/xmpp_worker/xmpp/s2s_words.h"

namespace stox::xmpp {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

// Our stream to the server of peer.test; the test speaks as that server.
class Outbound : public testing::Test, public S2sOutboundUser {
 protected:
  void start_tls(S2sOutbound&) override { log += "tls "; }
  void outbound_up(S2sOutbound& s) override { log += "up(" + s.authentication() + ") "; }
  void outbound_ended(S2sOutbound&, const StreamEnd& end) override {
    log += end.refused ? "refused " : "ended ";
    why = end.reason;
    told = end.told;
    other_host = end.other_host;
    rest = end.rest;
  }
  void verified(S2sOutbound&, const DialbackQuestion& q, const DialbackVerdict& v) override {
    log += "verified(" + q.id + " " + show(v) + ") ";
  }
  void outbound_stanza(S2sOutbound&, const Element& e) override { log += std::string(e.name()) + " "; }
  void outbound_oversized(S2sOutbound&, const Element&) override { log += "oversized "; }

  void connect(OutboundOptions options = {}) {
    options.from = "gw.test";
    options.to = "peer.test";
    options.server = "192.0.2.1:5269";
    stream.emplace(std::move(options), keys, *this);
    stream->connected(clock.now());
  }
  void connect_insecurely() {
    OutboundOptions options;
    options.insecure = true;
    connect(options);
  }
  void server(const std::string& bytes) { stream->received(bytes, clock.now()); }
  void header(const std::string& more = "version='1.0'") {
    server(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' "
        "xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' "
        "from='peer.test' to='gw.test' id='D60000229F' " +
        more + ">");
  }
  void features(const std::string& offered) { server("<stream:features>" + offered + "</stream:features>"); }
  void establish_tls(const PeerNames& peer = certificate_for("peer.test")) {
    stream->tls_established(peer, "TLSv1.3", clock.now());
  }
  void come_up_by_dialback(const std::string& offered = kDialbackOffer) {
    connect_insecurely();
    header();
    features(offered);
    server("<db:result from='peer.test' to='gw.test' type='valid'/>");
    take();
  }
  std::string take() {
    stream->end_of_wakeup();
    return std::exchange(stream->output(), {});
  }
  void pass(Duration d) {
    const Time until = clock.now() + d;
    while (stream->next() <= until) {
      clock.advance(std::max(Duration(0), stream->next() - clock.now()));
      stream->turn(clock.now());
    }
    clock.advance(until - clock.now());
  }

  ManualClock clock;
  const DialbackKeys keys{"s3cr3t"};
  std::optional<S2sOutbound> stream;
  std::string log, why;
  StanzaError told;
  std::string other_host;
  Duration rest{};
};

std::string stream_error(const std::string& condition, const std::string& text = {}) {
  return "<stream:error><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'>" + text + "</" +
         condition + "></stream:error>";
}

const std::string kKeySent = "<db:result from='gw.test' to='peer.test'>" +
                             DialbackKeys("s3cr3t").make("peer.test", "gw.test", "D60000229F") +
                             "</db:result>";

TEST_F(Outbound, PlainDialback) {
  connect_insecurely();
  EXPECT_THAT(take(), EndsWith("<stream:stream xmlns='jabber:server' "
                               "xmlns:stream='http://etherx.jabber.org/streams' "
                               "xmlns:db='jabber:server:dialback' from='gw.test' to='peer.test' "
                               "version='1.0'>"));
  header();
  features(kDialbackOffer);
  EXPECT_EQ(take(), kKeySent);
  EXPECT_FALSE(stream->is_up());
  server("<db:result from='peer.test' to='gw.test' type='valid'/>");
  EXPECT_EQ(log, "up(dialback) ");
}

TEST_F(Outbound, AServerOfBeforeXmpp10GetsTheKeyAtOnce) {
  connect_insecurely();
  take();
  header("");
  EXPECT_EQ(take(), kKeySent);
}

TEST_F(Outbound, TlsThenExternal) {
  OutboundOptions options;
  options.use_external = true;
  connect(options);
  header();
  features(kStartTlsOffer + kDialbackOffer);
  EXPECT_THAT(take(), EndsWith("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"));
  server("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
  EXPECT_EQ(log, "tls ");
  establish_tls();
  EXPECT_THAT(take(), HasSubstr("to='peer.test'"));
  header();
  features(kExternalOffer + kDialbackOffer);
  EXPECT_EQ(take(),
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>Z3cudGVzdA==</auth>");
  server("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
  EXPECT_THAT(take(), HasSubstr("<stream:stream"));
  header();
  features("");
  EXPECT_EQ(log, "tls up(EXTERNAL) ");
}

TEST_F(Outbound, ExternalRefusedFallsBackToDialback) {
  OutboundOptions options;
  options.use_external = true;
  options.direct_tls = true;
  connect(options);
  establish_tls();
  header();
  features(kExternalOffer + kDialbackOffer);
  take();
  server("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>");
  EXPECT_EQ(take(), kKeySent);
  EXPECT_TRUE(stream->external_refused());
  server("<db:result from='peer.test' to='gw.test' type='valid'/>");
  EXPECT_EQ(log, "tls up(dialback) ");
}

TEST_F(Outbound, DirectTlsSendsNothingBefore) {
  OutboundOptions options;
  options.direct_tls = true;
  connect(options);
  EXPECT_EQ(take(), "");
  EXPECT_EQ(log, "tls ");
}

TEST_F(Outbound, WhatCameBeforeTheHandshakeIsDropped) {
  connect();
  header();
  features(kStartTlsOffer);
  server("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><stream:features/>");
  server("<db:result from='peer.test' to='gw.test' type='valid'/>");
  establish_tls();
  take();
  server("<db:result from='peer.test' to='gw.test' type='valid'/>");
  EXPECT_EQ(log, "tls ended ");  // that was no header
}

TEST_F(Outbound, ACertificateForAnotherNameIsRefusedAndSaid) {
  connect();
  header();
  features(kStartTlsOffer);
  server("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
  take();
  establish_tls(certificate_for("other.test"));
  EXPECT_EQ(log, "tls refused ");
  EXPECT_THAT(why, testing::AllOf(HasSubstr("peer.test (192.0.2.1:5269)"), HasSubstr("other.test"),
                                  HasSubstr("insecure_domains")));
  EXPECT_EQ(take(), "");
}

TEST_F(Outbound, AnInsecureDomainMayShowAnyCertificate) {
  OutboundOptions options;
  options.insecure = true;
  options.direct_tls = true;
  connect(options);
  establish_tls({.present = true});
  EXPECT_EQ(log, "tls ");
}

TEST_F(Outbound, WithoutTlsNothingIsSaid) {
  connect();
  header();
  take();
  features(kDialbackOffer);
  EXPECT_EQ(log, "refused ");
  EXPECT_THAT(why, HasSubstr("insecure_domains"));
  EXPECT_EQ(take(), "</stream:stream>");
}

TEST_F(Outbound, AnInvalidKeyIsARefusal) {
  connect_insecurely();
  header();
  features(kDialbackOffer);
  server("<db:result from='peer.test' to='gw.test' type='invalid'/>");
  EXPECT_EQ(log, "refused ");
  EXPECT_EQ(told.condition, "internal-server-error");
  EXPECT_THAT(why, HasSubstr("dialback_secret"));
}

TEST_F(Outbound, AnErrorOfDialbackIsTried) {
  connect_insecurely();
  header();
  features(kDialbackOffer);
  server(
      "<db:result from='peer.test' to='gw.test' type='error'><error type='cancel'>"
      "<remote-connection-failed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>");
  EXPECT_EQ(log, "ended ");
  EXPECT_EQ(told.condition, "remote-server-timeout");
  EXPECT_THAT(why, HasSubstr("remote-connection-failed"));
}

TEST_F(Outbound, AnswersForOtherPairsAreNone) {
  connect_insecurely();
  header();
  features(kDialbackOffer);
  server(
      "<db:result from='other.test' to='gw.test' type='valid'/>"
      "<db:result from='peer.test' to='other.test' type='valid'/><db:result type='valid'/>");
  EXPECT_EQ(log, "");
}

// Behind a success the peer expects a new stream, and nothing else.
TEST_F(Outbound, AsksNothingBetweenSaslAndItsOutcome) {
  for (const bool accepted : {true, false}) {
    OutboundOptions options;
    options.direct_tls = options.use_external = true;
    connect(options);
    establish_tls();
    header();
    features(kExternalOffer);
    EXPECT_THAT(take(), HasSubstr("<auth "));
    stream->verify({"gw.test", "peer.test", "their-stream", "their-key"});
    EXPECT_EQ(take(), "");
    if (accepted) {
      server("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
      EXPECT_THAT(take(), Not(HasSubstr("verify")));
      header();
      features("");
    } else {
      server("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>");
    }
    EXPECT_THAT(take(), HasSubstr("id='their-stream'>their-key</db:verify>")) << accepted;
  }
}

TEST_F(Outbound, AsksTheQuestionsOfOthersWhenTlsIsSettled) {
  OutboundOptions options;
  options.direct_tls = true;
  connect(options);
  stream->verify({"gw.test", "peer.test", "their-stream", "their-key"});
  establish_tls();
  header();
  EXPECT_THAT(take(), Not(HasSubstr("verify")));
  features(kDialbackOffer);
  EXPECT_THAT(take(),
              HasSubstr("<db:verify from='gw.test' to='peer.test' id='their-stream'>their-key</db:verify>"));
  server(
      "<db:verify from='peer.test' to='gw.test' id='another' type='valid'/>"
      "<db:verify from='peer.test' to='gw.test' id='their-stream' type='invalid'/>"
      "<db:verify from='peer.test' to='gw.test' id='their-stream' type='valid'/>");
  EXPECT_EQ(log, "tls verified(their-stream invalid) ");
}

TEST_F(Outbound, StanzasComeBackOnABidirectionalStreamOnly) {
  come_up_by_dialback(kBidiOffer + kDialbackOffer);
  server("<message from='a@peer.test/x' to='b@gw.test'/>");
  EXPECT_EQ(log, "up(dialback) message ");
  server("<message from='a@other.test' to='b@gw.test'/>");
  EXPECT_EQ(log, "up(dialback) message ended ");
  EXPECT_THAT(take(), HasSubstr("<invalid-from"));
}

TEST_F(Outbound, NoStanzasComeBackOnAOneWayStream) {
  come_up_by_dialback();
  server("<message from='a@peer.test/x' to='b@gw.test'/>");
  EXPECT_EQ(log, "up(dialback) ended ");
}

TEST_F(Outbound, BidiIsAskedForBeforeDialback) {
  connect_insecurely();
  take();
  header();
  features(kBidiOffer + kDialbackOffer);
  EXPECT_EQ(take(), "<bidi xmlns='urn:xmpp:bidi'/>" + kKeySent);
}

TEST_F(Outbound, StanzasAreAcknowledged) {
  come_up_by_dialback(kDialbackOffer + kManagementOffer);
  stream->send("<message/>");  // counts, though it is not granted yet
  EXPECT_EQ(take(), "<message/>");
  server("<enabled xmlns='urn:xmpp:sm:3'/>");
  EXPECT_EQ(take(), "<r xmlns='urn:xmpp:sm:3'/>");
  stream->send("<message/>");
  EXPECT_EQ(take(), "<message/>");
  EXPECT_EQ(stream->management().unacked(), 2u);
  server("<a xmlns='urn:xmpp:sm:3' h='1'/>");
  EXPECT_EQ(stream->management().unacked(), 1u);
  EXPECT_EQ(take(), "<r xmlns='urn:xmpp:sm:3'/>");
  server("<a xmlns='urn:xmpp:sm:3' h='3'/>");
  EXPECT_THAT(take(), HasSubstr("<undefined-condition"));
}

TEST_F(Outbound, ADeadPeerIsNoticedByAKeyThatItDoesNotJudge) {
  come_up_by_dialback();
  stream->hurry(true, clock.now());
  pass(seconds(5));
  EXPECT_THAT(take(), HasSubstr("<db:verify from='gw.test' to='peer.test' id='alive-1'>"));
  server("<db:verify from='peer.test' to='gw.test' id='alive-1' type='invalid'/>");
  EXPECT_EQ(stream->last_proof_of_life(), clock.now());
  pass(seconds(16));
  EXPECT_EQ(log, "up(dialback) ended ");
  EXPECT_THAT(why, HasSubstr("does not answer"));
}

TEST_F(Outbound, WhatThePeerHasProcessedIsLearnedByAQuestionBehindIt) {
  come_up_by_dialback();
  const Time sent = clock.now();
  pass(seconds(1));
  EXPECT_TRUE(stream->can_prove());
  EXPECT_LT(stream->proved_until(), sent);
  stream->ask_for_proof(clock.now());
  EXPECT_THAT(take(), HasSubstr("id='alive-1'"));
  stream->ask_for_proof(clock.now());
  EXPECT_EQ(take(), "") << "one question at a time";
  EXPECT_LT(stream->proved_until(), sent);
  server("<db:verify from='peer.test' to='gw.test' id='alive-1' type='invalid'/>");
  EXPECT_GT(stream->proved_until(), sent);
}

TEST_F(Outbound, AnIdleStreamIsKeptBySpaces) {
  come_up_by_dialback();
  pass(seconds(200));
  EXPECT_EQ(take(), "   ");
  EXPECT_TRUE(stream->is_up());
}

TEST_F(Outbound, SilenceInTheNegotiationEnds) {
  connect();
  pass(seconds(31));
  EXPECT_EQ(log, "ended ");
}

TEST_F(Outbound, AStreamErrorIsTold) {
  connect();
  header();
  server("<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>");
  EXPECT_EQ(log, "refused ");
  EXPECT_THAT(why, HasSubstr("host-unknown"));
}

TEST_F(Outbound, AStreamErrorSaysWhetherItPasses) {
  struct Case {
    const char *condition, *in_negotiation, *while_up, *advice;
  };
  for (const Case& each : {Case{"host-gone", "refused ", "refused ", "dns.static"},
                           Case{"not-authorized", "refused ", "ended ", "must be for gw.test"},
                           Case{"policy-violation", "refused ", "ended ", "a rule of its operator"},
                           Case{"unsupported-version", "refused ", "refused ", "another protocol"},
                           Case{"system-shutdown", "ended ", "ended ", "is being stopped"},
                           Case{"not-well-formed", "ended ", "ended ", "a fault of"},
                           Case{"resource-constraint", "ended ", "ended ", "no room"},
                           Case{"of-the-future", "ended ", "ended ", "of-the-future"}}) {
    log.clear();
    connect();
    header();
    server(stream_error(each.condition));
    EXPECT_EQ(log, each.in_negotiation) << each.condition;
    EXPECT_THAT(why, HasSubstr(each.advice)) << each.condition;
    EXPECT_EQ(rest > seconds(20), std::string(each.condition) == "resource-constraint");
    come_up_by_dialback();
    log.clear();
    server(stream_error(each.condition));
    EXPECT_EQ(log, each.while_up) << each.condition;
  }
}

TEST_F(Outbound, WhoHasProvedWhoItIsMaySendUsOn) {
  connect();
  header();
  features(kStartTlsOffer);
  server("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
  establish_tls();
  header();
  server(stream_error("see-other-host", "[2001:db8::1]:5270"));
  EXPECT_EQ(other_host, "[2001:db8::1]:5270");
  EXPECT_EQ(log, "tls ended ");
}

TEST_F(Outbound, WhoHasNotMayNot) {
  connect_insecurely();
  header();
  server(stream_error("see-other-host", "evil.test"));
  EXPECT_EQ(other_host, "");
  EXPECT_EQ(log, "refused ");
  EXPECT_THAT(why, AllOf(HasSubstr("evil.test"), HasSubstr("not followed")));
}

TEST_F(Outbound, APortForClientsIsTold) {
  connect();
  server(
      "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1' "
      "version='1.0'>");
  EXPECT_EQ(log, "ended ");
  EXPECT_THAT(why, HasSubstr("no port for servers"));
}

TEST_F(Outbound, SaysGoodbyeOnce) {
  come_up_by_dialback();
  stream->close(clock.now());
  EXPECT_EQ(take(), "</stream:stream>");
  server("</stream:stream>");
  EXPECT_EQ(log, "up(dialback) ended ");
  EXPECT_EQ(take(), "");
}

}  // namespace
}  // namespace stox::xmpp
