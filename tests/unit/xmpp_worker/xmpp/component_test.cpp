#include "xmpp_worker/xmpp/component/component.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/clock.h"

namespace stox::xmpp {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

const std::string kHeader =
    "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
    "xmlns:stream='http://etherx.jabber.org/streams' from='gw.test' id='3BF96D32'>";

std::string stream_error(const std::string& condition) {
  return "<stream:error><" + condition +
         " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>";
}

// The component and what an owner does; the test speaks as the server.
class Dialogue : public testing::Test, public ComponentOwner, public PathsUser {
 protected:
  void SetUp() override {
    component.start(clock.now());
    turn();
  }

  void connect() override { ++connects; }
  void disconnect() override {
    written += std::exchange(component.output(), {});
    ++disconnects;
  }
  void abort() override { ++aborts; }
  void write_soon() override {}
  std::size_t unsent() const override { return 0; }
  void path_up(Path&) override { log += "up "; }
  void path_down(Path&) override { log += "down "; }
  void path_gone(Path&) override {}
  void about_to_write(Path&) override {}
  void stanza(const Element& element, uint64_t) override { log += std::string(element.name()) + " "; }
  void oversized(const Element& element) override {
    log += "oversized " + std::string(element.attribute("id")) + " ";
  }
  void state_changed() override {}

  void turn() {
    component.turn(clock.now());
    written += std::exchange(component.output(), {});
  }
  void pass(Duration d) {  // lets time pass as the loop would
    const Time until = clock.now() + d;
    while (component.next() <= until) {
      clock.advance(std::max(Duration(0), component.next() - clock.now()));
      turn();
    }
    clock.advance(until - clock.now());
  }
  void server(const std::string& bytes) {
    component.received(bytes, clock.now());
    written += std::exchange(component.output(), {});
  }
  void tcp_connects() {
    component.connected(clock.now());
    written += std::exchange(component.output(), {});
  }
  void tcp_breaks(const std::string& why) { component.disconnected(why, clock.now()); }
  std::string take() { return std::exchange(written, {}); }
  // How long until the next connection is tried.
  Duration wait() {
    const int before = connects;
    const Time start = clock.now();
    while (connects == before && clock.now() - start < minutes(10)) pass(milliseconds(100));
    return clock.now() - start;
  }
  void shake_hands() {
    server(kHeader);
    take();
    server("<handshake/>");
  }
  void come_up() {
    tcp_connects();
    shake_hands();
    bring_back_pings();
    ASSERT_TRUE(component.is_up());
  }
  // As a server does with what the component sends to itself.
  void bring_back_pings(std::size_t but = 0) {
    std::string sent = take();
    for (; but > 0; --but) sent.erase(sent.find("<iq"), sent.find("</iq>") + 5 - sent.find("<iq"));
    server(sent);
  }

  ManualClock clock;
  StanzaIds ids{"test", "w", 1};
  Component component{{"gw.test", "test", "127.0.0.1:5347"}, ids, *this, *this};
  std::string written, log;
  int connects = 0, disconnects = 0, aborts = 0;
};

TEST_F(Dialogue, HandshakeAsInXep0114) {
  EXPECT_EQ(connects, 1);
  tcp_connects();
  EXPECT_EQ(take(),
            "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
            "xmlns:stream='http://etherx.jabber.org/streams' to='gw.test'>");
  server(kHeader);
  EXPECT_EQ(take(), "<handshake>aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e</handshake>");
  EXPECT_EQ(component.send("a@gw.test", "<message/>"), Component::Sent::kNotUp);
  server("<handshake xmlns='jabber:component:accept'></handshake>");
  EXPECT_EQ(log, "up ");
  EXPECT_EQ(component.send("a@gw.test/r", "<message/>"), Component::Sent::kWritten);
  EXPECT_EQ(component.output(), "<message/>");
  EXPECT_EQ(component.down_since(), kNever);
  server("<message from='x'/><message from='y'/>");
  EXPECT_EQ(log, "up message message ");
}

TEST_F(Dialogue, TheIdCountsAsItIsAfterUnescaping) {
  tcp_connects();
  take();
  server(
      "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' "
      "id='a&amp;b&#x63;'>");
  // sha1("a&bctest")
  EXPECT_EQ(take(), "<handshake>f5c424c4fe24405941961024fe7850a8280be8a9</handshake>");
}

TEST_F(Dialogue, WritesNothingThatWouldCostTheStream) {
  come_up();
  EXPECT_EQ(component.send("a@other.test", "<message/>"), Component::Sent::kForeignFrom);
  EXPECT_EQ(component.send("other.test/gw.test", "<message/>"), Component::Sent::kForeignFrom);
  EXPECT_EQ(component.send("gw.test", std::string(200'001, 'x')), Component::Sent::kTooLarge);
  EXPECT_EQ(component.output(), "");
}

TEST_F(Dialogue, WrongPasswordIsSaidPlainlyAndRetriedSlowly) {
  tcp_connects();
  server(kHeader);
  server(stream_error("not-authorized"));
  EXPECT_TRUE(component.is_refused());
  EXPECT_THAT(component.reason(), HasSubstr("xmpp_password"));
  EXPECT_THAT(component.reason(), HasSubstr("next try in 6"));
  EXPECT_EQ(disconnects, 1);
  EXPECT_GE(wait(), seconds(60));
  come_up();
  EXPECT_FALSE(component.is_refused());
  EXPECT_EQ(component.reason(), "");
}

TEST_F(Dialogue, BehindAnEmptyIdTheErrorIsWaitedFor) {
  tcp_connects();
  take();
  server(
      "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' "
      "id=''>");
  EXPECT_EQ(take(), "");
  server(stream_error("host-unknown"));
  EXPECT_THAT(take(), Not(HasSubstr("handshake")));
  EXPECT_TRUE(component.is_refused());
  EXPECT_THAT(component.reason(), HasSubstr("knows no component gw.test"));
  EXPECT_GE(wait(), seconds(60));
}

TEST_F(Dialogue, SeeOtherHostIsToldAndNotFollowed) {
  tcp_connects();
  take();
  server(
      "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1'>"
      "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>other.test:5348"
      "</see-other-host></stream:error>");
  EXPECT_TRUE(component.is_refused());
  EXPECT_THAT(component.reason(), AllOf(HasSubstr("other.test:5348"), HasSubstr("xmpp_host")));
  EXPECT_GE(wait(), seconds(60));
}

TEST_F(Dialogue, AnEmptyIdWithoutErrorIsAnsweredAfterAWhile) {
  tcp_connects();
  take();
  server(
      "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' "
      "id=''>");
  pass(seconds(3));
  EXPECT_THAT(take(), HasSubstr("<handshake>a94a8fe5ccb19ba61c4c0873d391e987982fbbd3</handshake>"));
}

TEST_F(Dialogue, ConflictFromElsewhereIsRetriedEvery30Seconds) {
  tcp_connects();
  server(kHeader);
  for (int i = 0; i < 3; ++i) {
    server(stream_error("conflict"));
    EXPECT_TRUE(component.is_contended());
    EXPECT_FALSE(component.is_refused());
    EXPECT_THAT(component.reason(), HasSubstr("another program is connected"));
    EXPECT_GE(wait(), seconds(30));
    tcp_connects();
    server(kHeader);
  }
}

TEST_F(Dialogue, AConflictWithAWorkerOfOursIsStandbyUntilItHasGone) {
  component.set_holder("component-1", clock.now());
  tcp_connects();
  server(kHeader);
  server(stream_error("conflict"));
  EXPECT_TRUE(component.is_standby());
  EXPECT_FALSE(component.is_contended());
  EXPECT_THAT(component.reason(), HasSubstr("component-1 is connected"));
  EXPECT_EQ(component.down_since(), kNever);
  const int before = connects;
  pass(minutes(60));
  EXPECT_EQ(connects, before);

  component.set_holder("", clock.now());
  EXPECT_FALSE(component.is_standby());
  EXPECT_EQ(component.down_since(), clock.now());
  EXPECT_LT(wait(), seconds(1));
  // The server has not noticed yet.
  tcp_connects();
  server(kHeader);
  server(stream_error("conflict"));
  EXPECT_FALSE(component.is_contended());
  EXPECT_LE(wait(), seconds(7));
  come_up();
}

TEST_F(Dialogue, AConflictThatTurnsOutToBeWithAWorkerOfOurs) {
  tcp_connects();
  server(kHeader);
  server(stream_error("conflict"));
  EXPECT_TRUE(component.is_contended());
  component.set_holder("component-1", clock.now());
  EXPECT_TRUE(component.is_standby());
  EXPECT_FALSE(component.is_contended());
}

TEST_F(Dialogue, AHolderIsNothingToAServerThatLetsBothIn) {
  component.set_holder("component-1", clock.now());
  come_up();
  component.set_holder("", clock.now());
  EXPECT_TRUE(component.is_up());
}

TEST_F(Dialogue, ThrownOutByAWorkerOfOursItStandsBy) {
  come_up();
  component.set_holder("component-2", clock.now());
  server(stream_error("conflict"));
  EXPECT_EQ(log, "up down ");
  EXPECT_TRUE(component.is_standby());
}

TEST_F(Dialogue, AStanzaTooLargeForTheServerCostsOneStream) {
  come_up();
  component.send("gw.test", std::string(60'000, 'x'));
  server(stream_error("policy-violation"));
  EXPECT_THAT(component.reason(), HasSubstr("60000 bytes"));
  wait();
  come_up();
  EXPECT_EQ(component.send("gw.test", std::string(30'001, 'x')), Component::Sent::kTooLarge);
  EXPECT_EQ(component.send("gw.test", std::string(9'000, 'x')), Component::Sent::kWritten);
  // Small ones cannot have been it.
  server(stream_error("policy-violation"));
  EXPECT_THAT(component.reason(), Not(HasSubstr("bytes")));
}

TEST_F(Dialogue, BeingThrownOutByAnotherIsNoBrokenStream) {
  come_up();
  server(stream_error("conflict"));
  EXPECT_EQ(log, "up down ");
  EXPECT_TRUE(component.is_contended());
  EXPECT_GE(wait(), seconds(30));
}

TEST_F(Dialogue, ANameThatDnsDoesNotKnowIsNotAServerThatIsDown) {
  tcp_breaks("DNS: no such name xmpp.test");
  EXPECT_THAT(component.reason(), HasSubstr("cannot find the XMPP server: DNS: no such name xmpp.test"));
  EXPECT_THAT(component.reason(), HasSubstr("xmpp_host"));
}

TEST_F(Dialogue, AStreamThatHadWorkedIsRetriedAfterOneSecondDoublingTo60) {
  come_up();
  pass(seconds(30));
  tcp_breaks("reset by peer");
  EXPECT_EQ(log, "up down ");
  EXPECT_EQ(component.down_since(), clock.now());
  Duration least = seconds(1);
  for (int i = 0; i < 10; ++i) {
    const Duration waited = wait();
    EXPECT_GE(waited, least);
    EXPECT_LE(waited, least * 3 / 2);
    tcp_breaks("connection refused");
    EXPECT_THAT(component.reason(), HasSubstr("connection refused"));
    least = std::min<Duration>(least * 2, seconds(60));
  }
  wait();
  come_up();
  pass(seconds(11));
  server("</stream:stream>");
  EXPECT_LE(wait(), milliseconds(1500));
}

TEST_F(Dialogue, AStreamThatBroughtAStanzaHadWorked) {
  for (int i = 0; i < 5; ++i) {
    come_up();
    server("<message from='a@x'/><message></body>");
    EXPECT_LE(wait(), milliseconds(1500));
  }
}

TEST_F(Dialogue, AStreamThatEndsAtOnceEachTimeIsNotRetriedFast) {
  for (int i = 0; i < 7; ++i) {
    come_up();
    server(stream_error("policy-violation"));
    wait();
  }
  come_up();
  server(stream_error("policy-violation"));
  EXPECT_GE(wait(), seconds(60));
}

TEST_F(Dialogue, AServerThatSaysNothingIsLeft) {
  tcp_connects();
  pass(seconds(11));
  EXPECT_EQ(disconnects, 1);
  EXPECT_THAT(component.reason(), HasSubstr("does not answer"));
}

TEST_F(Dialogue, OtherPortsAreRecognised) {
  tcp_connects();
  server("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1'>");
  EXPECT_THAT(component.reason(), HasSubstr("a port for clients"));
  EXPECT_TRUE(component.is_refused());
  wait();
  tcp_connects();
  server("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_THAT(component.reason(), HasSubstr("speaks no XMPP"));
  wait();
  tcp_connects();
  server(kHeader + stream_error("invalid-namespace"));
  EXPECT_THAT(component.reason(), HasSubstr("correct xmpp_port"));
}

TEST_F(Dialogue, MalformedXmlEndsTheStreamWithItsError) {
  come_up();
  take();
  server("<message><body></message>");
  EXPECT_THAT(take(),
              testing::MatchesRegex("<stream:error><not-well-formed .*</stream:error></stream:stream>"));
  EXPECT_EQ(log, "up down ");
  EXPECT_LE(wait(), milliseconds(1500));
}

TEST_F(Dialogue, AnOversizedStanzaDoesNotEndTheStream) {
  come_up();
  server("<message id='7'><body>" + std::string(300'000, 'x') + "</body></message><iq/>");
  EXPECT_EQ(log, "up oversized 7 iq ");
}

// The server sends the ping back to where it is addressed.
std::string routed_back(const std::string& written) { return written.substr(written.find("<iq")); }

TEST_F(Dialogue, PingsEveryMinuteAndEndsAfterTwoMisses) {
  come_up();
  take();
  pass(seconds(61));
  const std::string ping = take();
  EXPECT_THAT(ping, HasSubstr("<iq from='gw.test' to='gw.test' id='w.1.1.k.."));
  server(routed_back(ping));
  EXPECT_EQ(log, "up ");
  for (int i = 0; i < 5; ++i) {
    pass(seconds(60));
    server(routed_back(take()));
  }
  EXPECT_TRUE(component.is_up());
  pass(seconds(179));
  EXPECT_TRUE(component.is_up());
  pass(seconds(2));
  EXPECT_EQ(log, "up down ");
  EXPECT_THAT(component.reason(), HasSubstr("does not answer pings"));
}

TEST_F(Dialogue, WhileMessagesWaitADeadServerIsNoticedSoon) {
  come_up();
  pass(seconds(20));
  component.hurry(true, clock.now());
  pass(seconds(14));
  EXPECT_TRUE(component.is_up());
  pass(seconds(2));
  EXPECT_FALSE(component.is_up());
  EXPECT_EQ(aborts, 1) << "what it has not read by now is in doubt";
}

TEST_F(Dialogue, AKeepaliveThatCameOutElsewhereShowsThatTheServerLives) {
  come_up();
  for (int i = 0; i < 5; ++i) {
    pass(minutes(1));
    EXPECT_THAT(take(), HasSubstr("<ping"));
    component.keepalive_came_elsewhere(1, clock.now());
  }
  EXPECT_TRUE(component.is_up());
  EXPECT_EQ(component.last_proof_of_life(), clock.now());
}

TEST_F(Dialogue, PingsOfOthersAreNotTakenForOurs) {
  come_up();
  StanzaIds others{"test", "w2", 1};
  std::string id;
  others.append(id, 1, "k", "", "gw.test", "gw.test");
  server("<iq type='get' from='gw.test' to='gw.test' id='" + id + "'/>");
  EXPECT_EQ(log, "up iq ");
}

TEST_F(Dialogue, ConflictWhileTheServerStillHoldsOurBrokenStream) {
  come_up();
  pass(seconds(20));
  tcp_breaks("timed out");
  wait();
  const Time broke = clock.now();
  while (clock.now() - broke < seconds(110)) {
    tcp_connects();
    server(kHeader);
    server(stream_error("conflict"));
    EXPECT_FALSE(component.is_contended());
    const Duration waited = wait();
    EXPECT_GE(waited, seconds(5));
    EXPECT_LE(waited, seconds(7));
  }
  pass(seconds(20));
  tcp_connects();
  server(kHeader);
  server(stream_error("conflict"));
  EXPECT_TRUE(component.is_contended());
}

TEST_F(Dialogue, AfterABreakItIsUpWhenTheServerSendsNothingToTheOldConnectionAnyMore) {
  come_up();
  tcp_breaks("timed out");
  wait();
  tcp_connects();
  shake_hands();
  bring_back_pings(1);  // one went the old way
  EXPECT_FALSE(component.is_up());
  EXPECT_THAT(component.reason(), HasSubstr("connection of ours that broke"));
  EXPECT_EQ(component.send("gw.test", "<message/>"), Component::Sent::kNotUp);
  server("<message from='x@y'/>");
  EXPECT_THAT(log, HasSubstr("message"));
  pass(seconds(1));
  bring_back_pings();
  EXPECT_TRUE(component.is_up());
}

TEST_F(Dialogue, AServerThatBringsNoPingBackIsUpAfterAWhile) {
  come_up();
  tcp_breaks("timed out");
  wait();
  tcp_connects();
  shake_hands();
  EXPECT_FALSE(component.is_up());
  pass(seconds(11));
  EXPECT_TRUE(component.is_up());
}

TEST_F(Dialogue, AProcessThatFollowsAnotherIsUpWhenTheServerSendsNothingToThatAnyMore) {
  Component next({.domain = "gw.test", .secret = "test", .server = "", .has_predecessor = true}, ids, *this,
                 *this);
  next.start(clock.now());
  next.turn(clock.now());
  next.connected(clock.now());
  next.output().clear();
  next.received(kHeader, clock.now());
  next.output().clear();
  next.received("<handshake/>", clock.now());
  EXPECT_FALSE(next.is_up());
  next.received(std::exchange(next.output(), {}), clock.now());
  EXPECT_TRUE(next.is_up());
  EXPECT_TRUE(next.is_sure());
}

TEST_F(Dialogue, WhenAnotherWorkerLostItsConnectionNothingIsSureUntilTheServerSendsNothingThereAnyMore) {
  come_up();
  EXPECT_TRUE(component.is_sure());
  component.other_lost(clock.now());
  written = std::exchange(component.output(), {});
  EXPECT_TRUE(component.is_up());
  EXPECT_FALSE(component.is_sure());
  bring_back_pings(1);
  EXPECT_FALSE(component.is_sure());
  pass(seconds(1));
  component.other_lost(clock.now());  // another one
  bring_back_pings();
  EXPECT_FALSE(component.is_sure()) << "these went out before";
  bring_back_pings();
  EXPECT_TRUE(component.is_sure());
  pass(seconds(10));
  EXPECT_TRUE(take().empty()) << "no more of them";
}

TEST_F(Dialogue, AnAnswerToAProbeIsNoneToTheKeepalive) {
  come_up();
  component.other_lost(clock.now());
  const std::string probes = std::exchange(component.output(), {});
  component.ask_for_proof(clock.now());
  server(probes);
  EXPECT_EQ(component.proved_until(), Time{});
}

TEST_F(Dialogue, WhatOthersLoseWhileItConnectsIsLookedAtBeforeItIsUp) {
  tcp_connects();
  component.other_lost(clock.now());
  shake_hands();
  EXPECT_FALSE(component.is_up());
  bring_back_pings();
  EXPECT_TRUE(component.is_up());
}

TEST_F(Dialogue, EachConnectionHasANumberFromBeforeItIsMadeUntilItHasEnded) {
  const auto first = component.connection();
  EXPECT_NE(first, 0u);
  come_up();
  EXPECT_EQ(component.connection(), first);
  tcp_breaks("reset");
  EXPECT_EQ(component.connection(), 0u);
  EXPECT_EQ(component.broken(), 1u);
  wait();
  EXPECT_GT(component.connection(), first);
  tcp_connects();
  server(kHeader);
  server(stream_error("not-authorized"));
  EXPECT_EQ(component.connection(), 0u);
  EXPECT_EQ(component.broken(), 1u) << "the server never sent to it";
}

TEST_F(Dialogue, AConnectionWhoseHandshakeWasNotAnsweredMayHaveBeenSentTo) {
  tcp_connects();
  server(kHeader);
  tcp_breaks("reset");
  EXPECT_EQ(component.broken(), 1u);
  wait();
  tcp_connects();
  shake_hands();
  EXPECT_FALSE(component.is_up());
  bring_back_pings();
  EXPECT_TRUE(component.is_up());
}

TEST_F(Dialogue, ARenewedConnectionIsAnotherThoughItIsTheSame) {
  come_up();
  const auto first = component.connection();
  component.renew_connection(clock.now());
  EXPECT_GT(component.connection(), first);
  EXPECT_EQ(component.broken(), 1u);
  EXPECT_TRUE(component.is_up());
}

TEST_F(Dialogue, AnOperatorNeedNotWaitForTheNextTry) {
  tcp_connects();
  server(kHeader);
  server(stream_error("not-authorized"));
  EXPECT_GT(component.next(), clock.now() + seconds(50));
  EXPECT_TRUE(component.reconnect(clock.now()));
  turn();
  EXPECT_EQ(connects, 2);
  tcp_connects();
  server(kHeader);
  server(stream_error("not-authorized"));
  component.set_secret("test", clock.now());  // HUP, though nothing is new here: the server was mended
  turn();
  EXPECT_EQ(connects, 3);
  come_up();
  log.clear();
  EXPECT_TRUE(component.reconnect(clock.now()));
  EXPECT_EQ(log, "down ");
  EXPECT_FALSE(component.is_up());
  turn();
  EXPECT_EQ(connects, 4);
  component.stop(clock.now());
  EXPECT_FALSE(component.reconnect(clock.now()));
}

TEST_F(Dialogue, AServerThatDoesNotAnswerIsKnownToBeSilent) {
  come_up();
  component.hurry(true, clock.now());
  pass(seconds(6));
  EXPECT_EQ(component.silent_for(clock.now()), Duration(0)) << "it has had a second";
  pass(seconds(2));
  EXPECT_EQ(component.silent_for(clock.now()), seconds(8));
  bring_back_pings();
  EXPECT_EQ(component.silent_for(clock.now()), Duration(0));
}

TEST_F(Dialogue, StopsCleanly) {
  come_up();
  take();
  component.stop(clock.now());
  EXPECT_EQ(component.output(), "</stream:stream>");
  server("</stream:stream>");
  EXPECT_TRUE(component.is_stopped());
  pass(minutes(10));
  EXPECT_EQ(connects, 1);
}

TEST_F(Dialogue, StopsWhateverTheServerSaysInTheEnd) {
  for (const std::string& last :
       {stream_error("system-shutdown"), std::string("<a></b>"), std::string("<iq/></stream:stream>")}) {
    component.start(clock.now());
    turn();
    come_up();
    component.stop(clock.now());
    server(last);
    EXPECT_TRUE(component.is_stopped()) << last;
    EXPECT_EQ(component.next(), kNever);
  }
}

TEST_F(Dialogue, StopsThoughTheServerDoesNotClose) {
  come_up();
  component.stop(clock.now());
  pass(seconds(3));
  EXPECT_TRUE(component.is_stopped());
  EXPECT_EQ(disconnects, 1);
}

}  // namespace
}  // namespace stox::xmpp
