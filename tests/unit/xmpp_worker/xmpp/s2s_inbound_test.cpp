#include "xmpp_worker/xmpp/s2s/s2s_inbound.h"

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

// A stream of peer.test to us, who are gw.test and also.test; the test speaks as that server.
class Inbound : public testing::Test, public S2sInboundUser {
 protected:
  bool serves(std::string_view domain) const override { return domain == "gw.test" || domain == "also.test"; }
  const std::string& some_domain() const override { return own; }
  bool is_insecure(std::string_view domain) const override {
    return domain.empty() ? !insecure.empty() : domain == insecure;
  }
  std::string new_stream_id() override { return "id-" + std::to_string(++ids); }
  void start_tls(S2sInbound&) override { log += "tls "; }
  void ask(S2sInbound&, const DialbackQuestion& q) override {
    log += "ask(" + q.from + " " + q.to + " " + q.id + " " + q.key + ") ";
    asked = q;
  }
  void authenticated(S2sInbound& s, const std::string& from, const std::string& to) override {
    log += from + ">" + to + "(" + s.authentication() + ") ";
  }
  void inbound_stanza(S2sInbound&, const Element& e) override { log += std::string(e.name()) + " "; }
  void inbound_oversized(S2sInbound&, const Element&) override { log += "oversized "; }
  void inbound_ended(S2sInbound&, const StreamEnd& end) override {
    log += "ended ";
    why = end.reason;
  }

  void peer(const std::string& bytes) { stream->received(bytes, clock.now()); }
  void header(const std::string& from = "peer.test", const std::string& to = "gw.test",
              const std::string& version = "version='1.0'") {
    peer(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' "
        "xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' from='" +
        from + "' to='" + to + "' " + version + ">");
  }
  void establish_tls(const PeerNames& names) {
    peer("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    take();
    stream->tls_established(names, "TLSv1.3", clock.now());
  }
  void answer(const DialbackVerdict& verdict) { stream->verified(asked, verdict, clock.now()); }
  void authenticate() {
    insecure = "peer.test";
    header();
    peer("<db:result from='peer.test' to='gw.test'>key</db:result>");
    answer({DialbackVerdict::Kind::kValid});
    take();
    log.clear();
  }
  std::string take() { return std::exchange(stream->output(), {}); }
  std::string error_of(const std::string& bytes) {
    peer(bytes);
    const std::string out = take();
    const auto at = out.find("<stream:error><");
    return at == std::string::npos ? "none: " + out : out.substr(at + 15, out.find(' ', at + 15) - at - 15);
  }

  ManualClock clock;
  const DialbackKeys keys{"s3cr3t"};
  const std::string own = "gw.test";
  std::string insecure, log, why;
  int ids = 0;
  DialbackQuestion asked;
  std::optional<S2sInbound> stream{std::in_place, InboundOptions{"192.0.2.1:33333"}, keys, *this,
                                   clock.now()};
};

TEST_F(Inbound, TlsIsRequiredOfWhomWeDoNotKnow) {
  header();
  EXPECT_THAT(take(), AllOf(HasSubstr("id='id-1' from='gw.test' to='peer.test' version='1.0'"),
                            EndsWith("<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'>"
                                     "<required/></starttls></stream:features>")));
  peer("<db:result from='peer.test' to='gw.test'>key</db:result>");
  EXPECT_THAT(take(), HasSubstr("policy-violation"));
  EXPECT_EQ(log, "");
}

TEST_F(Inbound, PlainDialbackOfAnInsecureDomain) {
  insecure = "peer.test";
  header();
  EXPECT_THAT(take(), HasSubstr("urn:xmpp:features:dialback"));
  peer("<db:result from='peer.test' to='gw.test'>the-key</db:result>");
  EXPECT_EQ(log, "ask(gw.test peer.test id-1 the-key) ");
  answer({DialbackVerdict::Kind::kValid});
  EXPECT_EQ(take(), "<db:result from='gw.test' to='peer.test' type='valid'/>");
  peer("<message from='a@peer.test' to='b@gw.test'/>");
  EXPECT_THAT(log, EndsWith("peer.test>gw.test(dialback) message "));
}

TEST_F(Inbound, ExternalWithACertificate) {
  header();
  establish_tls(certificate_for("peer.test"));
  header();
  EXPECT_THAT(take(), AllOf(HasSubstr("<mechanism>EXTERNAL</mechanism>"), HasSubstr("id='id-2'"),
                            Not(HasSubstr("starttls"))));
  peer("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>cGVlci50ZXN0</auth>");
  EXPECT_EQ(take(), "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
  header();
  EXPECT_THAT(take(), HasSubstr("urn:xmpp:sm:3"));
  peer("<message from='a@peer.test' to='b@gw.test'/>");
  EXPECT_EQ(log, "tls peer.test>gw.test(EXTERNAL) message ");
}

TEST_F(Inbound, WhoHasProvedNothingNeedNotSayMuch) {
  insecure = "peer.test";
  header();
  std::string domain;
  for (int i = 0; i < 4; ++i) domain += std::string(60, 'd') + ".";
  domain += "test";
  peer("<db:result from='" + domain + "' to='" + domain + "'>" + std::string(64, '0') + "</db:result>");
  EXPECT_THAT(take(), Not(HasSubstr("stream:error")));
  EXPECT_EQ(error_of("<db:result from='peer.test' to='gw.test'>" + std::string(3'000, '0')),
            "policy-violation");
}

TEST_F(Inbound, ExternalAsAnotherIsRefused) {
  header();
  establish_tls(certificate_for("peer.test"));
  header();
  take();
  peer("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>b3RoZXIudGVzdA==</auth>");
  EXPECT_THAT(take(), HasSubstr("<not-authorized/>"));
  EXPECT_FALSE(stream->is_authenticated());
}

TEST_F(Inbound, ExternalIsNotOfferedToWhoCannotShowTheName) {
  header();
  establish_tls(certificate_for("other.test"));
  header();
  EXPECT_THAT(take(), AllOf(Not(HasSubstr("EXTERNAL")), HasSubstr("features:dialback")));
  peer("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
  EXPECT_THAT(take(), HasSubstr("<not-authorized/>"));
}

TEST_F(Inbound, ACertificateSavesTheQuestion) {
  header();
  establish_tls(certificate_for("peer.test"));
  header();
  take();
  peer("<db:result from='peer.test' to='gw.test'>key</db:result>");
  EXPECT_EQ(take(), "<db:result from='gw.test' to='peer.test' type='valid'/>");
  EXPECT_EQ(log, "tls peer.test>gw.test(certificate) ");
}

TEST_F(Inbound, PipelinedBehindStartTlsIsDropped) {
  insecure = "peer.test";
  header();
  peer(
      "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><db:result from='peer.test' "
      "to='gw.test'>key</db:result>");
  peer("<db:result from='peer.test' to='gw.test'>key</db:result>");
  stream->tls_established(certificate_for("other.test"), "TLSv1.3", clock.now());
  EXPECT_EQ(log, "tls ");
}

// Whoever sits between two servers could have said it.
TEST_F(Inbound, WhatWasAskedForBeforeTlsIsForgotten) {
  insecure = "peer.test";
  header();
  peer("<bidi xmlns='urn:xmpp:bidi'/><db:result from='peer.test' to='gw.test'>key</db:result>");
  const DialbackQuestion before = asked;
  insecure.clear();
  establish_tls(certificate_for("peer.test"));
  header();
  stream->verified(before, {DialbackVerdict::Kind::kValid}, clock.now());
  EXPECT_FALSE(stream->is_authenticated());
  peer("<db:result from='peer.test' to='gw.test'/>");
  EXPECT_TRUE(stream->is_authenticated());
  EXPECT_FALSE(stream->is_bidi());
  EXPECT_FALSE(stream->carries("gw.test", "peer.test"));
}

TEST_F(Inbound, NoTlsTwice) {
  header();
  establish_tls(certificate_for("peer.test"));
  header();
  take();
  peer("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
  EXPECT_THAT(take(), HasSubstr("<failure"));
  EXPECT_TRUE(stream->is_ended());
}

TEST_F(Inbound, AnInvalidKeyEndsTheStream) {
  insecure = "peer.test";
  header();
  peer("<db:result from='peer.test' to='gw.test'>key</db:result>");
  take();
  answer({DialbackVerdict::Kind::kInvalid});
  EXPECT_EQ(take(), "<db:result from='gw.test' to='peer.test' type='invalid'/></stream:stream>");
  EXPECT_THAT(log, EndsWith("ended "));
}

TEST_F(Inbound, AnInvalidKeyOfASecondDomainLeavesTheFirst) {
  authenticate();
  insecure = "second.test";
  peer("<db:result from='second.test' to='gw.test'>key</db:result>");
  answer({DialbackVerdict::Kind::kInvalid});
  EXPECT_THAT(take(), HasSubstr("<forbidden"));
  peer("<message from='a@peer.test' to='b@gw.test'/>");
  EXPECT_THAT(log, EndsWith("message "));
}

TEST_F(Inbound, ManyDomainsMayShareAStream) {
  authenticate();
  insecure = "second.test";
  peer("<db:result from='second.test' to='also.test'>key</db:result>");
  answer({DialbackVerdict::Kind::kValid});
  peer("<message from='a@second.test' to='b@also.test'/><message from='a@peer.test' to='b@gw.test'/>");
  EXPECT_THAT(log, EndsWith("second.test>also.test(dialback) message message "));
}

TEST_F(Inbound, AnErrorOfTheQuestionIsToldAndNotFatal) {
  insecure = "peer.test";
  header();
  peer("<db:result from='peer.test' to='gw.test'>key</db:result>");
  take();
  answer({DialbackVerdict::Kind::kError, "remote-server-timeout"});
  EXPECT_EQ(take(),
            "<db:result from='gw.test' to='peer.test' type='error'><error type='cancel'>"
            "<remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>");
  EXPECT_FALSE(stream->is_ended());
}

TEST_F(Inbound, ADomainThatIsNotOursIsNotVerified) {
  insecure = "peer.test";
  header();
  peer("<db:result from='peer.test' to='foreign.test'>key</db:result>");
  EXPECT_THAT(take(), HasSubstr("<item-not-found"));
  EXPECT_EQ(log, "");
}

TEST_F(Inbound, QuestionsAreBounded) {
  insecure = "";
  header();
  establish_tls({.present = true});
  header();
  for (int i = 0; i < 30; ++i)
    peer("<db:result from='d" + std::to_string(i) + ".test' to='gw.test'>key</db:result>");
  EXPECT_THAT(take(), HasSubstr("<resource-constraint"));
}

TEST_F(Inbound, ItsOwnKeysAreKnownWithoutAnyProof) {
  header("", "gw.test");
  take();
  const std::string key = keys.make("peer.test", "gw.test", "their-id");
  peer("<db:verify from='peer.test' to='gw.test' id='their-id'>" + key + "</db:verify>");
  EXPECT_EQ(take(), "<db:verify from='gw.test' to='peer.test' id='their-id' type='valid'/>");
  peer("<db:verify from='peer.test' to='gw.test' id='other-id'>" + key + "</db:verify>");
  EXPECT_EQ(take(), "<db:verify from='gw.test' to='peer.test' id='other-id' type='invalid'/>");
  peer("<db:verify from='peer.test' to='foreign.test' id='their-id'>" + key + "</db:verify>");
  EXPECT_THAT(take(), AllOf(HasSubstr("type='error'"), HasSubstr("<item-not-found")));
}

TEST_F(Inbound, AnswersToNothingAreIgnored) {
  insecure = "peer.test";
  header();
  take();
  peer(
      "<db:result from='peer.test' to='gw.test' type='valid'/><db:verify from='peer.test' to='gw.test' "
      "id='1' type='valid'/>");
  EXPECT_EQ(take() + log, "");
}

TEST_F(Inbound, AStanzaBeforeProofEndsTheStream) {
  header();
  EXPECT_EQ(error_of("<message from='a@peer.test' to='b@gw.test'/>"), "not-authorized");
  EXPECT_EQ(log, "ended ");
}

TEST_F(Inbound, WhoIsIdleTakesLittleMemoryAndIsHeardAllTheSame) {
  authenticate();
  EXPECT_FALSE(stream->rest_if_idle(clock.now()));
  clock.advance(seconds(10));
  EXPECT_TRUE(stream->rest_if_idle(clock.now()));
  EXPECT_FALSE(stream->rest_if_idle(clock.now())) << "there is nothing more";
  peer("<message from='a@peer.test' to='b@gw.test'/>");
  EXPECT_EQ(log, "message ");
}

TEST_F(Inbound, AStanzaOfAnotherDomainEndsTheStream) {
  for (const char* from : {"a@other.test", "other.test", "a@sub.peer.test", "a@peer.test@other.test",
                           "other.test/a@peer.test", "peer.test.other.test"}) {
    stream.emplace(InboundOptions{"192.0.2.1:33333"}, keys, *this, clock.now());
    authenticate();
    EXPECT_EQ(error_of(std::string("<message from='") + from + "' to='b@gw.test'/>"), "invalid-from") << from;
    EXPECT_EQ(log, "ended ");
  }
}

TEST_F(Inbound, AStanzaToAForeignDomainEndsTheStream) {
  authenticate();
  EXPECT_EQ(error_of("<message from='a@peer.test' to='b@foreign.test'/>"), "host-unknown");
}

TEST_F(Inbound, AStanzaWithoutAddressesEndsTheStream) {
  authenticate();
  EXPECT_EQ(error_of("<message to='b@gw.test'/>"), "improper-addressing");
}

TEST_F(Inbound, DomainsAreComparedPrepared) {
  authenticate();
  peer("<message from='a@PEER.test' to='b@GW.test'/>");
  EXPECT_EQ(log, "message ");
}

TEST_F(Inbound, AHostThatIsNotOursIsUnknown) {
  header("peer.test", "foreign.test");
  const std::string out = take();
  EXPECT_THAT(out, AllOf(HasSubstr("<stream:stream"), HasSubstr("<host-unknown")));
}

TEST_F(Inbound, WhoClaimsToBeUsIsSentAway) {
  header("gw.test", "gw.test");
  EXPECT_THAT(take(), HasSubstr("<invalid-from"));
}

TEST_F(Inbound, BeforeProofStanzasAreSmall) {
  insecure = "peer.test";
  header();
  EXPECT_EQ(error_of("<db:result from='peer.test' to='gw.test'>" + std::string(20'000, 'x')),
            "policy-violation");
}

TEST_F(Inbound, AfterProofOversizedStanzasAreShownAsSuch) {
  authenticate();
  peer("<message from='a@peer.test' to='b@gw.test'><body>" + std::string(300'000, 'x') + "</body></message>");
  EXPECT_EQ(log, "oversized ");
}

TEST_F(Inbound, OversizedStanzasOfOthersEndTheStreamToo) {
  authenticate();
  EXPECT_EQ(error_of("<message from='a@other.test' to='b@gw.test'><body>" + std::string(300'000, 'x') +
                     "</body></message>"),
            "invalid-from");
}

TEST_F(Inbound, EntitiesEndTheStream) {
  EXPECT_EQ(error_of("<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><stream:stream>"),
            "restricted-xml");
}

TEST_F(Inbound, WhoDoesNotProveInTimeIsSentAway) {
  header();
  take();
  clock.advance(seconds(61));
  stream->turn(clock.now());
  EXPECT_THAT(take(), HasSubstr("<connection-timeout"));
}

TEST_F(Inbound, StanzasAreCounted) {
  authenticate();
  peer("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
  EXPECT_EQ(take(), "<enabled xmlns='urn:xmpp:sm:3'/>");
  peer("<message from='a@peer.test' to='b@gw.test'/><r xmlns='urn:xmpp:sm:3'/>");
  EXPECT_EQ(take(), "<a xmlns='urn:xmpp:sm:3' h='1'/>");
  peer("<enable xmlns='urn:xmpp:sm:3'/>");
  EXPECT_EQ(take(),
            "<failed xmlns='urn:xmpp:sm:3'><unexpected-request "
            "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>");
  peer("<message from='a@peer.test' to='b@gw.test'/><r xmlns='urn:xmpp:sm:3'/>");
  EXPECT_EQ(take(), "<a xmlns='urn:xmpp:sm:3' h='2'/>");
}

TEST_F(Inbound, WhenItLeavesWhatIsUnderWayStillComes) {
  insecure = "peer.test";
  header();
  peer("<bidi xmlns='urn:xmpp:bidi'/><db:result from='peer.test' to='gw.test'>key</db:result>");
  answer({DialbackVerdict::Kind::kValid});
  take();
  EXPECT_TRUE(stream->carries("gw.test", "peer.test"));
  clock.advance(seconds(5));
  peer("<message from='a@peer.test' to='b@gw.test'/>");
  EXPECT_EQ(stream->used(), clock.now());
  log.clear();
  stream->leave(clock.now());
  EXPECT_EQ(take(), "</stream:stream>");
  EXPECT_FALSE(stream->carries("gw.test", "peer.test"));
  peer(
      "<message from='a@peer.test' to='b@gw.test'/><db:result from='other.test' "
      "to='gw.test'>key</db:result>");
  stream->end_of_wakeup();
  EXPECT_EQ(log, "message ");
  peer("</stream:stream>");
  EXPECT_EQ(log, "message ended ");
  EXPECT_EQ(take(), "");
}

TEST_F(Inbound, WhenItLeavesAndThePeerDoesNotItEnds) {
  authenticate();
  stream->leave(clock.now());
  clock.advance(seconds(10));
  stream->turn(clock.now());
  EXPECT_EQ(log, "ended ");
  EXPECT_EQ(take(), "</stream:stream>");
}

TEST_F(Inbound, CarriesStanzasBackWhenItIsBidirectional) {
  insecure = "peer.test";
  header();
  peer("<bidi xmlns='urn:xmpp:bidi'/><db:result from='peer.test' to='gw.test'>key</db:result>");
  EXPECT_FALSE(stream->carries("gw.test", "peer.test"));
  answer({DialbackVerdict::Kind::kValid});
  EXPECT_TRUE(stream->carries("gw.test", "peer.test"));
  EXPECT_FALSE(stream->carries("also.test", "peer.test"));
  EXPECT_FALSE(stream->carries("gw.test", "other.test"));
}

TEST_F(Inbound, IsNoWayBackWhenItIsNot) {
  authenticate();
  EXPECT_FALSE(stream->carries("gw.test", "peer.test"));
}

TEST_F(Inbound, AServerOfBeforeXmpp10GetsNoFeatures) {
  insecure = "peer.test";
  header("peer.test", "gw.test", "");
  EXPECT_THAT(take(), AllOf(Not(HasSubstr("features")), Not(HasSubstr("version='1.0'>")),
                            EndsWith("id='id-1' from='gw.test' to='peer.test'>")));
}

}  // namespace
}  // namespace stox::xmpp
