#include "sip_front/page/outbound.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "tests/unit/sip_front/sip_text.h"

namespace stox {
namespace {

using namespace std::chrono_literals;
using sip::Transport;
using testing::ElementsAre;
using testing::HasSubstr;
using Lines = std::vector<std::string>;

sip::Endpoint endpoint(const char* ip, uint16_t port = 5060) { return *sip::Endpoint::parse(ip, port); }

// The way out, with a network that writes down what is sent, and a DNS that the test answers.
class OutboundTest : public testing::Test,
                     public sip::Outlet,
                     public RequestSender::HopFinder,
                     public Outbound::Outlet {
 protected:
  void find_hops(const RequestSender::Way&, std::size_t size, std::function<void(sip::Hops)> found) override {
    if (size > RequestSender::kSmall && !large_hops_.empty()) return found(large_hops_);
    if (hold_dns_) {
      held_ = std::move(found);
      return;
    }
    found(hops_);
  }
  bool may_redirect_to(std::string_view host) const override { return host.ends_with("sip.test"); }
  Result<sip::Flow> flow_to(const sip::Hop& hop) override {
    if (no_way_) return error("no socket");
    return sip::Flow{hop.transport, 0, hop.transport == Transport::kTcp ? 7u : 0u, hop.peer};
  }
  sip::SentBy sent_by(const sip::Flow&) const override { return {"192.0.2.1", 5070}; }
  std::string contact(const sip::Flow&) const override { return {}; }
  void send(const sip::Flow& flow, std::string_view bytes) override {
    auto d = std::make_unique<sip::Datagram>(std::string(bytes));
    EXPECT_TRUE(d->parsed) << d->parsed.error().reason << "\n" << bytes;
    sent_.push_back(std::string(d->message.body) + " to " + flow.peer.str());
    requests_.push_back(std::move(d));
  }
  void finish(const pb::EnvelopeId& id, pb::Outcome outcome) override {
    outcomes_.push_back(outcome);
    std::string text = std::to_string(id.number()) + " ";
    text += outcome.reason() != pb::NOT_GIVEN
                ? pb::Reason_Name(outcome.reason())
                : pb::Verdict_Name(outcome.verdict()) + " " + std::to_string(outcome.sip_status().code());
    if (outcome.sip_status().timed_out()) text += " timed out";
    if (outcome.sip_status().unresolvable()) text += " unresolvable";
    ended_.push_back(text);
  }

  pb::Envelope envelope(const std::string& body, const std::string& target = "sip:bob@sip.test") {
    pb::Envelope e;
    e.mutable_id()->set_origin("component-1");
    e.mutable_id()->set_number(++number_);
    e.set_trace_id("0123456789abcdef");
    pb::SipMessage& m = *e.mutable_sip_message();
    m.set_request_uri(target);
    m.set_to_uri(target);
    m.set_from_uri("sip:ann*x.test@gw.test");
    add_part(e, {body});
    return e;
  }
  static void add_part(pb::Envelope& e, const Lines& bodies) {
    pb::Part& part = *e.mutable_sip_message()->add_parts();
    for (const std::string& body : bodies) {
      pb::Content& content = *part.add_alternatives();
      content.set_content_type("text/plain;charset=UTF-8");
      content.set_data(body);
    }
  }
  void begin(const pb::Envelope& e, Duration within = 28s) { outbound_.begin(e, clock_.now() + within); }
  // A response to the request that was sent last, or to the one at `which`. False: that one is not waited
  // for.
  bool responds(const std::string& status, const std::string& more = {}, std::size_t which = SIZE_MAX) {
    const sip::Message& request = requests_.at(std::min(which, requests_.size() - 1))->message;
    std::string text = "SIP/2.0 " + status + "\r\nVia: " + std::string(request.via.text) +
                       "\r\nFrom: " + std::string(request.value(sip::HeaderName::kFrom)) +
                       "\r\nTo: " + std::string(request.value(sip::HeaderName::kTo)) +
                       ";tag=x\r\nCall-ID: " + std::string(request.call_id) +
                       "\r\nCSeq: " + std::string(request.value(sip::HeaderName::kCSeq)) + "\r\n" + more +
                       "\r\n";
    const sip::Datagram d(text);
    EXPECT_TRUE(d.parsed) << d.parsed.error().reason;
    return d.parsed && sender_.response(d.message);
  }
  void respond(const std::string& status, const std::string& more = {}, std::size_t which = SIZE_MAX) {
    EXPECT_TRUE(responds(status, more, which));
  }
  void advance(Duration d) {
    for (Duration done{0}; done < d; done += 100ms) {
      clock_.advance(std::min<Duration>(100ms, d - done));
      sender_.turn();
      outbound_.turn();
    }
  }
  Lines sent() { return std::exchange(sent_, {}); }
  Lines ended() { return std::exchange(ended_, {}); }
  const sip::Message& last() { return requests_.back()->message; }

  ManualClock clock_;
  service::Log log_{"sip-1", service::Level::kError, "text"};
  service::Trace trace_;
  sip::Random random_;
  sip::Hops hops_ = std::vector<sip::Hop>{{Transport::kUdp, endpoint("192.0.2.7")}};
  std::vector<sip::Hop> large_hops_;  // of requests of more than 1,300 bytes; empty: as the others
  bool hold_dns_ = false, no_way_ = false;
  std::function<void(sip::Hops)> held_;
  uint64_t number_ = 0;
  Lines sent_, ended_;
  std::vector<std::unique_ptr<sip::Datagram>> requests_;
  std::vector<pb::Outcome> outcomes_;
  RequestSender sender_{clock_, random_, *this, *this};
  Outbound outbound_{clock_, log_, trace_, random_, sender_, *this};
};

TEST_F(OutboundTest, AnEnvelopeBecomesARequestAndTheResponseItsOutcome) {
  pb::Envelope e = envelope("hello");
  e.mutable_sip_message()->set_from_display("Ann");
  e.mutable_sip_message()->set_call_id("thread-1");
  e.mutable_sip_message()->set_subject("s");
  begin(e);
  EXPECT_THAT(sent(), ElementsAre("hello to 192.0.2.7:5060"));
  EXPECT_EQ(last().request_uri, "sip:bob@sip.test");
  EXPECT_EQ(last().to.uri, "sip:bob@sip.test");
  EXPECT_EQ(last().from.uri, "sip:ann*x.test@gw.test");
  EXPECT_FALSE(last().from.tag.empty());
  EXPECT_EQ(last().call_id, "thread-1");
  EXPECT_EQ(last().via.host, "192.0.2.1");
  EXPECT_EQ(last().via.port, 5070);
  EXPECT_EQ(last().max_forwards, 70);
  EXPECT_FALSE(last().has(sip::HeaderName::kContact));
  respond("200 OK");
  EXPECT_THAT(ended(), ElementsAre("1 DELIVERED 200"));
  EXPECT_TRUE(outbound_.idle());
}

// One that a room tells again, or that was in hand when a worker died.
TEST_F(OutboundTest, ALineOfARoomThatTwoWorkersBringIsSentOnce) {
  const auto says = [&](const std::string& body, uint64_t line, bool may_be_again,
                        const std::string& to = "bob") {
    pb::Envelope e = envelope(body, "sip:" + to + "@sip.test");
    e.mutable_sip_message()->set_line(line);
    e.mutable_sip_message()->set_may_be_again(may_be_again);
    begin(e);
  };
  says("hello", 7, false);
  says("hello", 7, true);
  EXPECT_THAT(ended(), testing::IsEmpty()) << "while the first is under way";
  respond("200 OK");
  says("hello", 7, true);
  EXPECT_THAT(ended(), ElementsAre("1 DELIVERED 200", "2 DELIVERED 0", "3 DELIVERED 0"));
  EXPECT_THAT(sent(), ElementsAre("hello to 192.0.2.7:5060"));

  says("hello", 7, false);  // a client that gives all that it says one id
  respond("200 OK");
  says("hello", 7, true, "ann");
  respond("200 OK");
  says("good bye", 8, true);
  respond("480 Not here");
  says("good bye", 8, true);  // it has not arrived
  says("good bye", 8, true);
  respond("480 Not here");  // nor has this one, when the next has come
  respond("200 OK");
  says("* A sentence of the gateway", 0, true);
  respond("200 OK");
  says("* A sentence of the gateway", 0, true);
  EXPECT_EQ(sent().size(), 7u);
}

// Somebody on XMPP who names any address and port must not learn which ports are open.
TEST_F(OutboundTest, OfAHostThatNobodyConfiguredOnlyAnAnswerIsTold) {
  sip::Hop tcp{Transport::kTcp, endpoint("192.0.2.7", 6379)};
  sip::Hop udp{Transport::kUdp, endpoint("192.0.2.7", 6379)};
  tcp.unlisted = udp.unlisted = true;
  const auto told = [&] {
    const pb::SipStatus& status = outcomes_.back().sip_status();
    return std::to_string(status.code()) + " " + status.reason() + (status.timed_out() ? " timed out" : "");
  };
  hops_ = std::vector<sip::Hop>{udp};
  begin(envelope("short"));
  advance(33s);
  const std::string silent = told();
  begin(envelope("short"));
  sender_.unreachable(udp.peer, requests_.back()->bytes, "Connection refused");
  EXPECT_EQ(told(), silent);

  large_hops_ = {tcp, udp};
  const std::string lines(1400, 'x');
  begin(envelope(lines));
  advance(33s);
  const std::string silent_by_tcp = told();
  for (const bool never_made : {true, false}) {
    begin(envelope(lines));
    sender_.connection_lost(7, never_made, "");
    EXPECT_EQ(told(), silent_by_tcp);
  }
  EXPECT_EQ(ended().size(), 5u);
}

TEST_F(OutboundTest, AHostOutsideTheSitesDomainsIsForbidden) {
  hops_ = tl::make_unexpected(sip::NoHop{true, "evil.test is none of gateway.sip_domains", true});
  begin(envelope("a"));
  EXPECT_THAT(ended(), ElementsAre("1 FAILED 403"));
  EXPECT_EQ(outcomes_.back().sip_status().reason(), "This gateway does not send to that SIP domain");
}

TEST_F(OutboundTest, TheFinalStatusIsPassedOnWithWhatItSays) {
  begin(envelope("a"));
  respond("486 Busy Here", "Retry-After: 30 (at lunch)\r\n");
  EXPECT_EQ(outcomes_.back().sip_status().reason(), "Busy Here");
  EXPECT_EQ(outcomes_.back().sip_status().retry_after_s(), 30u);
  EXPECT_THAT(outcomes_.back().text(), HasSubstr("192.0.2.7:5060"));
  begin(envelope("b"));
  respond("302 Moved", "Contact: \"B\" <sip:bob@elsewhere.test>;q=0.5, <sip:c@d>\r\n");
  EXPECT_EQ(outcomes_.back().sip_status().contact(), "sip:bob@elsewhere.test");
  begin(envelope("c"));
  respond("202 OK");
  begin(envelope("d"));
  respond("404 N\xff");
  EXPECT_EQ(outcomes_.back().sip_status().reason(), "");
  EXPECT_THAT(ended(), ElementsAre("1 FAILED 486", "2 FAILED 302", "3 PASSED_ON 202", "4 FAILED 404"));
}

TEST_F(OutboundTest, OneMessageAtATimeForEachTargetInOrder) {
  for (const char* body : {"1", "2", "3"}) begin(envelope(body));
  begin(envelope("other", "sip:eve@sip.test"));
  EXPECT_THAT(sent(), ElementsAre("1 to 192.0.2.7:5060", "other to 192.0.2.7:5060"));
  respond("200 OK", "", 0);
  EXPECT_THAT(sent(), ElementsAre("2 to 192.0.2.7:5060"));
  respond("480 Away");
  EXPECT_THAT(sent(), ElementsAre("3 to 192.0.2.7:5060"));
  respond("200 OK");
  respond("200 OK", "", 1);
  EXPECT_THAT(ended(), ElementsAre("1 DELIVERED 200", "2 FAILED 480", "3 DELIVERED 200", "4 DELIVERED 200"));
  EXPECT_TRUE(outbound_.idle());
}

TEST_F(OutboundTest, RequestsOfOneCallIdHaveRisingCSeqAndFreshTags) {
  pb::Envelope e = envelope("a");
  e.mutable_sip_message()->set_call_id("c");
  begin(e);
  respond("200 OK");
  e.mutable_id()->set_number(2);
  begin(e);
  EXPECT_GT(last().cseq.number, requests_[0]->message.cseq.number);
  EXPECT_NE(last().from.tag, requests_[0]->message.from.tag);
  EXPECT_NE(last().via.branch, requests_[0]->message.via.branch);
}

// Linphone takes another request of a known Call-ID for a double, answers 200 and shows nothing.
TEST_F(OutboundTest, EveryMessageAndEveryPartHasACallIdOfItsOwn) {
  std::set<std::string> seen;
  for (const char* body : {"1", "2"}) {
    pb::Envelope e = envelope(body);
    add_part(e, {"two"});
    add_part(e, {"three"});
    begin(e);
    for (int part = 0; part < 3; ++part) {
      EXPECT_TRUE(seen.emplace(last().call_id).second) << last().call_id;
      respond("200 OK");
    }
  }
  EXPECT_THAT(ended(), ElementsAre("1 DELIVERED 200", "2 DELIVERED 200"));
}

TEST_F(OutboundTest, EveryFurtherTryHasTheSameCallIdAndAHigherCSeq) {
  hops_ = std::vector<sip::Hop>{{Transport::kUdp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.8")}};
  sender_.configure("", {{"sip.test", "gateway", "secret"}}, false);
  pb::Envelope e = envelope("first");
  add_part(e, {"cpim", "plain"});
  begin(e);
  respond("200 OK");
  const std::size_t first = requests_.size() - 1;
  respond("503 Busy");
  respond("401 Auth", "WWW-Authenticate: Digest realm=\"sip.test\", nonce=\"n1\"\r\n");
  respond("415 Unsupported");
  EXPECT_THAT(sent(),
              ElementsAre("first to 192.0.2.7:5060", "cpim to 192.0.2.7:5060", "cpim to 192.0.2.8:5060",
                          "cpim to 192.0.2.8:5060", "plain to 192.0.2.8:5060"));
  for (std::size_t i = first; i + 1 < requests_.size(); ++i) {
    EXPECT_EQ(requests_[i + 1]->message.call_id, requests_[i]->message.call_id);
    EXPECT_EQ(requests_[i + 1]->message.from.tag, requests_[i]->message.from.tag);  // RFC 3261 8.1.3.5
    EXPECT_GT(requests_[i + 1]->message.cseq.number, requests_[i]->message.cseq.number);
  }

  // Another front, which is asked for what became of the first one's in doubt (on_doubt = "resend").
  const sip::Message& before = last();
  Outbound other(clock_, log_, trace_, random_, sender_, *this);
  clock_.advance(5s);
  e.set_attempt(2);
  other.begin(e, clock_.now() + 28s);
  EXPECT_EQ(last().call_id, requests_[0]->message.call_id);
  EXPECT_GT(last().cseq.number, before.cseq.number);
}

TEST_F(OutboundTest, TheCallIdOfTheLastPartIsWhatANotificationNames) {
  pb::Envelope e = envelope("one");
  add_part(e, {"two"});
  e.mutable_sip_message()->set_message_id("component-1.7.0.ar.x.mac");
  begin(e);
  EXPECT_EQ(last().call_id, "component-1.7.0.ar.x.mac.1");
  respond("200 OK");
  EXPECT_EQ(last().call_id, "component-1.7.0.ar.x.mac");
  EXPECT_EQ(trace_.find("component-1.7.0.ar.x.mac").size(), 1u);
  EXPECT_EQ(trace_.find("component-1.7.0.ar.x.mac.1").size(), 1u);
}

TEST_F(OutboundTest, SilenceEndsAtTimerFAndTheNextGoesOut) {
  begin(envelope("1"), 60s);
  begin(envelope("2"), 60s);
  advance(32s);
  EXPECT_THAT(ended(), ElementsAre("1 FAILED 408 timed out"));
  Lines copies = sent();
  EXPECT_EQ(std::count(copies.begin(), copies.end(), "1 to 192.0.2.7:5060"), 11);
  EXPECT_EQ(copies.back(), "2 to 192.0.2.7:5060");
}

TEST_F(OutboundTest, WhatWaitedTooLongIsNotBegun) {
  begin(envelope("1"), 60s);
  begin(envelope("2"), 10s);
  begin(envelope("3"), 60s);
  advance(10s);
  EXPECT_THAT(ended(), ElementsAre("2 DEADLINE"));
  respond("200 OK");
  EXPECT_EQ(sent().back(), "3 to 192.0.2.7:5060");
  begin(envelope("4"), Duration(0));
  EXPECT_TRUE(ended_.size() == 1);
  respond("200 OK");
  EXPECT_THAT(ended(), ElementsAre("1 DELIVERED 200", "3 DELIVERED 200", "4 DEADLINE"));
  EXPECT_TRUE(outbound_.idle());
}

TEST_F(OutboundTest, TheLastOfAQueueMayLeaveItAndOthersCome) {
  begin(envelope("1"), 60s);
  begin(envelope("2"), 10s);
  advance(10s);
  begin(envelope("3"), 60s);
  respond("200 OK");
  EXPECT_EQ(sent().back(), "3 to 192.0.2.7:5060");
}

TEST_F(OutboundTest, TheQueueOfATargetIsBounded) {
  for (std::size_t i = 0; i <= Outbound::kMaxPerTarget; ++i) begin(envelope("x"));
  EXPECT_THAT(ended(), ElementsAre(std::to_string(Outbound::kMaxPerTarget + 1) + " OVERLOADED"));
  begin(envelope("y", "sip:eve@sip.test"));
  EXPECT_EQ(sent().back(), "y to 192.0.2.7:5060");
}

// CPIM with plain text behind it, as the mapper makes it when notifications are wanted.
class PeerForms : public OutboundTest {
 protected:
  pb::Envelope rich(const std::string& text) {
    pb::Envelope e = envelope(text);
    pb::Part& part = *e.mutable_sip_message()->mutable_parts(0);
    *part.add_alternatives() = part.alternatives(0);
    part.mutable_alternatives(0)->set_content_type("message/cpim");
    part.mutable_alternatives(0)->set_data("cpim " + text);
    return e;
  }
  static constexpr const char* kBob = "sip:bob@sip.test";
  PeerFormats& formats() { return outbound_.formats(); }
};

TEST_F(PeerForms, WhoIsNotKnownGetsPlainText) {
  begin(rich("a"));
  EXPECT_THAT(sent(), ElementsAre("a to 192.0.2.7:5060"));
  respond("200 OK");
  EXPECT_FALSE(outcomes_.back().will_be_told());
}

TEST_F(PeerForms, WhoSendsCpimGetsItAndWillTell) {
  formats().taken("sip:BOB@SIP.test;transport=tcp", Format::kCpim);
  begin(rich("a"));
  EXPECT_THAT(sent(), ElementsAre("cpim a to 192.0.2.7:5060"));
  respond("200 OK");
  EXPECT_TRUE(outcomes_.back().will_be_told());
  EXPECT_THAT(ended(), ElementsAre("1 DELIVERED 200"));
}

TEST_F(PeerForms, TheConfigurationMaySayWhatUnknownPeersTake) {
  formats().assume({"cpim"});
  begin(rich("a"));
  EXPECT_THAT(sent(), ElementsAre("cpim a to 192.0.2.7:5060"));
}

TEST_F(PeerForms, ARefusalIsRememberedForHoursAndThereIsOneOutcome) {
  for (const char* status : {"415 Unsupported", "405 Not Allowed", "489 Bad Event", "488 Not Acceptable Here",
                             "606 Not Acceptable", "406 Not Acceptable"}) {
    formats().assume({"cpim"});
    sent_.clear();
    begin(rich("a"));
    respond(status);
    EXPECT_THAT(sent(), ElementsAre("cpim a to 192.0.2.7:5060", "a to 192.0.2.7:5060"));
    respond("200 OK");
    EXPECT_EQ(ended().size(), 1u);
    formats().taken(kBob, Format::kCpim);  // it sends CPIM itself, and takes none
    begin(rich("b"));
    EXPECT_THAT(sent(), ElementsAre("b to 192.0.2.7:5060"));
    respond("200 OK");
    clock_.advance(PeerFormats::kRemembered);
    begin(rich("c"));
    EXPECT_THAT(sent(), ElementsAre("cpim c to 192.0.2.7:5060"));
    respond("200 OK");
    ended();
    formats().forget("");
  }
}

TEST_F(PeerForms, AnotherPeersRefusalDoesNotCount) {
  formats().assume({"cpim"});
  formats().refused("sip:eve@sip.test", Format::kCpim);
  begin(rich("a"));
  EXPECT_THAT(sent(), ElementsAre("cpim a to 192.0.2.7:5060"));
}

TEST_F(PeerForms, WhatHasOnlyARefusedFormEndsUnsent) {
  pb::Envelope e = rich("a");
  e.mutable_sip_message()->mutable_parts(0)->mutable_alternatives()->RemoveLast();
  begin(e);
  EXPECT_THAT(sent(), ElementsAre("cpim a to 192.0.2.7:5060"));  // nothing plainer is left to try
  respond("415 Unsupported");
  e.mutable_id()->set_number(2);
  begin(e);
  EXPECT_THAT(sent(), ElementsAre());
  EXPECT_THAT(ended(), ElementsAre("1 FAILED 415", "2 FAILED 415"));
  EXPECT_TRUE(outbound_.idle());
}

TEST_F(PeerForms, AFormThatIsTooLargeGivesWayToAPlainerOne) {
  formats().assume({"cpim"});
  pb::Envelope e = rich("a");
  e.mutable_sip_message()->mutable_parts(0)->mutable_alternatives(0)->set_data(std::string(1300, 'x'));
  begin(e);
  EXPECT_THAT(sent(), ElementsAre("a to 192.0.2.7:5060"));
  respond("200 OK");
  EXPECT_THAT(ended(), ElementsAre("1 DELIVERED 200"));
}

TEST_F(PeerForms, WhatIsKnownCanBeListedAndForgotten) {
  formats().refused(kBob, Format::kCpim);
  formats().taken("sip:eve@sip.test", Format::kComposing);
  formats().taken("sip:dan@sip.test", Format::kPlain);  // says nothing
  const auto known = formats().list();
  ASSERT_EQ(known.size(), 2u);
  EXPECT_EQ(known[0].peer, "eve@sip.test");
  EXPECT_EQ(known[1].peer, "bob@sip.test");
  EXPECT_EQ(known[1].left, PeerFormats::kRemembered);
  EXPECT_EQ(formats().forget("sip:nobody@sip.test"), 0u);
  EXPECT_EQ(formats().forget("sip:Bob@sip.test"), 1u);
  EXPECT_EQ(formats().takes(kBob, Format::kCpim), PeerFormats::Takes::kUnknown);
  EXPECT_EQ(formats().forget(""), 1u);
  EXPECT_TRUE(formats().list().empty());
}

TEST_F(PeerForms, LinphoneIsKnownByItsName) {
  formats().is_program(kBob, "Twinkle/1.10.2");
  EXPECT_EQ(formats().takes(kBob, Format::kFile), PeerFormats::Takes::kUnknown);
  formats().is_program(kBob, "Linphone Desktop/4.4.10 (vm) LinphoneCore/5.1.65");
  EXPECT_EQ(formats().takes(kBob, Format::kFile), PeerFormats::Takes::kYes);
  formats().is_program("sip:eve@sip.test", "Montague/1.0 (Pixel 7) LinphoneSDK/5.2.1");
  EXPECT_EQ(formats().takes("sip:eve@sip.test", Format::kFile), PeerFormats::Takes::kYes);
  EXPECT_EQ(formats().takes("sip:eve@sip.test", Format::kComposing), PeerFormats::Takes::kYes);
  formats().refused(kBob, Format::kFile);
  formats().is_program(kBob, "Linphonec/5.1.65");
  EXPECT_EQ(formats().takes(kBob, Format::kFile), PeerFormats::Takes::kNo);
}

class KeptFormats : public testing::Test {
 protected:
  KeptFormats() {
    char folder[] = "/tmp/stox-formats-XXXXXX";
    folder_ = mkdtemp(folder);
  }
  ~KeptFormats() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/state/sip-1.peers"; }
  static constexpr const char* kBob = "sip:bob@sip.test";

  std::string folder_;
  ManualClock clock_;
};

TEST_F(KeptFormats, WhatPeersTakeOutlivesTheProcess) {
  {
    PeerFormats before(clock_);
    ASSERT_TRUE(before.keep_in(path()));
    before.taken(kBob, Format::kCpim);
    clock_.advance(PeerFormats::kRemembered / 2);
    before.taken("sip:eve@sip.test", Format::kFile);
    before.refused("sip:eve@sip.test", Format::kComposing);
  }
  PeerFormats after(clock_);
  ASSERT_TRUE(after.keep_in(path()));
  EXPECT_EQ(after.takes("sip:BOB@sip.test;transport=tcp", Format::kCpim), PeerFormats::Takes::kYes);
  EXPECT_EQ(after.takes("sip:eve@sip.test", Format::kFile), PeerFormats::Takes::kYes);
  EXPECT_EQ(after.takes("sip:eve@sip.test", Format::kComposing), PeerFormats::Takes::kNo);
  EXPECT_EQ(after.list().front().peer, "eve@sip.test");  // learnt last
  clock_.advance(PeerFormats::kRemembered / 2);          // not from the restart on
  EXPECT_EQ(after.takes(kBob, Format::kCpim), PeerFormats::Takes::kUnknown);
  EXPECT_EQ(after.takes("sip:eve@sip.test", Format::kFile), PeerFormats::Takes::kYes);
}

TEST_F(KeptFormats, WhatIsLearntAgainAndForgottenIsKeptSo) {
  PeerFormats before(clock_);
  ASSERT_TRUE(before.keep_in(path()));
  for (int hour = 0; hour < 6; ++hour) {
    before.taken(kBob, Format::kCpim);
    clock_.advance(std::chrono::hours(1));
  }
  before.taken("sip:eve@sip.test", Format::kCpim);
  before.forget("sip:eve@sip.test");
  PeerFormats after(clock_);
  ASSERT_TRUE(after.keep_in(path()));
  EXPECT_EQ(after.takes(kBob, Format::kCpim), PeerFormats::Takes::kYes);
  EXPECT_EQ(after.takes("sip:eve@sip.test", Format::kCpim), PeerFormats::Takes::kUnknown);
}

TEST_F(KeptFormats, ADamagedFileLosesWhatCannotBeRead) {
  {
    PeerFormats before(clock_);
    ASSERT_TRUE(before.keep_in(path()));
    before.taken(kBob, Format::kCpim);
  }
  std::ofstream(path(), std::ios::app) << "\n\0x y\n99999999999999 cpim yes eve@sip.test\n12 cp";
  PeerFormats after(clock_);
  ASSERT_TRUE(after.keep_in(path()));
  EXPECT_EQ(after.size(), 1u);
  EXPECT_EQ(after.takes(kBob, Format::kCpim), PeerFormats::Takes::kYes);
  EXPECT_FALSE(PeerFormats(clock_).keep_in(path() + "/no/folder"));
}

TEST_F(PeerForms, WhatIsKnownIsBounded) {
  for (std::size_t i = 0; i <= PeerFormats::kMaxPeers; ++i)
    formats().taken("sip:" + std::to_string(i) + "@sip.test", Format::kCpim);
  EXPECT_EQ(formats().size(), PeerFormats::kMaxPeers);
  EXPECT_EQ(formats().takes("sip:0@sip.test", Format::kCpim), PeerFormats::Takes::kUnknown);
  EXPECT_EQ(formats().takes("sip:1@sip.test", Format::kCpim), PeerFormats::Takes::kYes);
}

class TypingToSip : public PeerForms {
 protected:
  TypingToSip() { formats().taken(kBob, Format::kComposing); }
  void typing(pb::SipMessage::Typing what) {
    pb::Envelope e = envelope(what == pb::SipMessage::ACTIVE ? "active" : "idle");
    e.set_lossy(true);
    e.mutable_sip_message()->set_typing(what);
    auto& content = *e.mutable_sip_message()->mutable_parts(0)->mutable_alternatives(0);
    content.set_content_type("application/im-iscomposing+xml");
    begin(e, 5s);
  }
  void active() { typing(pb::SipMessage::ACTIVE); }
  void idle() { typing(pb::SipMessage::IDLE); }
};

TEST_F(TypingToSip, IsToldOnceAndEndsInSilence) {
  active();
  EXPECT_THAT(sent(), ElementsAre("active to 192.0.2.7:5060"));
  respond("200 OK");
  active();
  EXPECT_THAT(sent(), ElementsAre());
  idle();
  EXPECT_THAT(sent(), ElementsAre("idle to 192.0.2.7:5060"));
  respond("500 Trouble");
  idle();
  EXPECT_THAT(sent(), ElementsAre());
  EXPECT_THAT(ended(), ElementsAre());
}

TEST_F(TypingToSip, NeverReachesWhoHasNotShownToKnowIt) {
  formats().forget("");
  active();
  EXPECT_THAT(sent(), ElementsAre());
  EXPECT_TRUE(outbound_.idle());
}

TEST_F(TypingToSip, IsRefreshedWhileItLastsAndNotForEver) {
  active();
  respond("200 OK");
  sent();
  for (int i = 0; i < 5; ++i) {
    advance(Typing::kAgainAfter);
    EXPECT_THAT(sent(), ElementsAre("active to 192.0.2.7:5060")) << i;
    respond("200 OK");
  }
  advance(20min);
  EXPECT_THAT(sent(), ElementsAre());  // it ends by itself at the peer
  active();
  EXPECT_THAT(sent(), ElementsAre("active to 192.0.2.7:5060"));
}

TEST_F(TypingToSip, EndsWithTheMessage) {
  active();
  respond("200 OK");
  begin(envelope("typed"));
  respond("200 OK");
  sent();
  idle();
  advance(10min);
  EXPECT_THAT(sent(), ElementsAre());
}

TEST_F(TypingToSip, GivesWayToMessagesAndIsNeverQueued) {
  begin(envelope("first"));
  active();
  respond("200 OK");
  EXPECT_THAT(sent(), ElementsAre("first to 192.0.2.7:5060"));
  active();
  begin(envelope("second"));
  respond("408 Timeout");
  EXPECT_THAT(sent(), ElementsAre("active to 192.0.2.7:5060", "second to 192.0.2.7:5060"));
}

TEST_F(TypingToSip, StopsAtARefusalForHours) {
  for (const char* status : {"415 Unsupported", "405 Not Allowed", "489 Bad Event"}) {
    active();
    respond(status);
    sent();
    active();
    idle();
    advance(10min);
    EXPECT_THAT(sent(), ElementsAre());
    formats().forget("");
    formats().taken(kBob, Format::kComposing);
  }
  EXPECT_THAT(ended(), ElementsAre());
}

TEST_F(TypingToSip, KeepsNoProcessFromStopping) {
  active();
  EXPECT_TRUE(outbound_.idle());
  outbound_.give_up(pb::STOPPING, "stopped");
  EXPECT_TRUE(outbound_.idle());
  EXPECT_THAT(ended(), ElementsAre());
}

TEST_F(OutboundTest, ALargeRequestGoesByTcpOrNotAtAll) {
  const std::string text(1300, 'x');
  large_hops_ = {{Transport::kTcp, endpoint("192.0.2.7")}, {Transport::kUdp, endpoint("192.0.2.7")}};
  begin(envelope(text));
  ASSERT_EQ(sent().size(), 1u);
  EXPECT_EQ(last().via.transport, "TCP");
  respond("200 OK");
  EXPECT_THAT(ended(), ElementsAre("1 DELIVERED 200"));

  large_hops_ = {{Transport::kUdp, endpoint("192.0.2.7")}};
  begin(envelope(text));
  EXPECT_THAT(sent(), ElementsAre());
  EXPECT_THAT(ended(), ElementsAre("2 FAILED 513"));
  EXPECT_THAT(outcomes_.back().text(), HasSubstr("too many for UDP"));
}

TEST_F(OutboundTest, ARequestThatBecomesLargeWhileItIsWrittenIsNotSentByUdpEither) {
  large_hops_ = {{Transport::kTcp, endpoint("192.0.2.8")}};
  sender_.configure("sip:192.0.2.7;" + std::string(900, 'r'), {}, true);  // nobody counted with
  begin(envelope(std::string(300, 'x')));
  ASSERT_EQ(sent().size(), 1u);
  EXPECT_EQ(last().via.transport, "TCP");
}

TEST_F(OutboundTest, LargeRequestsMayBeRefused) {
  large_hops_ = {{Transport::kTcp, endpoint("192.0.2.7")}};
  outbound_.refuse_large(true);
  begin(envelope(std::string(1300, 'x')));
  EXPECT_THAT(sent(), ElementsAre());
  EXPECT_THAT(ended(), ElementsAre("1 FAILED 513"));
  begin(envelope("short"));
  EXPECT_EQ(sent().size(), 1u);
}

TEST_F(OutboundTest, PartsGoOneByOne) {
  pb::Envelope e = envelope("one");
  add_part(e, {"two"});
  begin(e);
  EXPECT_THAT(sent(), ElementsAre("one to 192.0.2.7:5060"));
  respond("202 OK");
  EXPECT_THAT(sent(), ElementsAre("two to 192.0.2.7:5060"));
  respond("200 OK");
  EXPECT_THAT(ended(), ElementsAre("1 PASSED_ON 200"));  // no better than its worst part

  pb::Envelope failing = envelope("one");
  add_part(failing, {"two"});
  begin(failing);
  respond("404 Not Found");
  EXPECT_THAT(ended(), ElementsAre("2 FAILED 404"));
}

TEST_F(OutboundTest, TheNextAlternativeIsTriedWhenAFormIsNotUnderstood) {
  for (const char* status : {"415 Unsupported", "405 Not Allowed", "489 Bad Event"}) {
    pb::Envelope e = envelope("x");
    e.mutable_sip_message()->clear_parts();
    add_part(e, {"cpim", "plain"});
    begin(e);
    respond(status);
    respond("200 OK");
    EXPECT_THAT(sent(), ElementsAre("cpim to 192.0.2.7:5060", "plain to 192.0.2.7:5060"));
    EXPECT_EQ(ended().size(), 1u);
  }
  begin(envelope("only"));
  respond("415 Unsupported");
  EXPECT_THAT(ended(), ElementsAre("4 FAILED 415"));
}

TEST_F(OutboundTest, A302IsFollowedToWhereTheOperatorLetsXmppUsersWrite) {
  begin(envelope("a"));
  respond("302 Moved",
          "Contact: <sip:far@elsewhere.test>, <sip:desk@b.sip.test>;q=0.5\r\n"
          "Contact: \"Bob\" <sip:mobile@c.sip.test;transport=tcp>;expires=60;q=0.9, <tel:+15550100>\r\n");
  EXPECT_EQ(last().request_uri, "sip:mobile@c.sip.test;transport=tcp");
  EXPECT_EQ(last().to.uri, "sip:bob@sip.test");  // RFC 3261 8.1.3.4
  EXPECT_EQ(last().call_id, requests_[0]->message.call_id);
  EXPECT_EQ(last().from.tag, requests_[0]->message.from.tag);
  EXPECT_EQ(last().cseq.number, requests_[0]->message.cseq.number + 1);
  respond("480 Away");  // it has not arrived there: the next one
  EXPECT_EQ(last().request_uri, "sip:desk@b.sip.test");
  respond("200 OK");
  EXPECT_THAT(ended(), ElementsAre("1 DELIVERED 200"));
  begin(envelope("b"));  // who it is for is asked for anew
  EXPECT_EQ(last().request_uri, "sip:bob@sip.test");
}

TEST_F(OutboundTest, A302IsFollowedOnlySoFar) {
  begin(envelope("elsewhere"));
  respond("302 Moved", "Contact: <sip:bob@elsewhere.test>\r\n");
  EXPECT_EQ(outcomes_.back().sip_status().contact(), "sip:bob@elsewhere.test");
  begin(envelope("itself"));
  respond("302 Moved", "Contact: <sip:bob@SIP.test>\r\n");
  begin(envelope("a way without end"));
  sent();
  for (int i = 1; i < 5; ++i)
    respond("302 Moved", "Contact: <sip:bob" + std::to_string(i) + "@sip.test>, <sip:bob@sip.test>\r\n");
  respond("302 Moved", "Contact: <sip:bob5@sip.test>\r\n");
  EXPECT_EQ(sent().size(), Outbound::kMaxTargets - 1);
  begin(envelope("several"));
  respond("300 Multiple Choices", "Contact: <sip:bob9@sip.test>\r\n");
  begin(envelope("silence"), 60s);
  respond("302 Moved", "Contact: <sip:bob1@sip.test>, <sip:bob2@sip.test>\r\n");
  advance(32s);  // it may have arrived
  EXPECT_THAT(ended(), ElementsAre("1 FAILED 302", "2 FAILED 302", "3 FAILED 302", "4 FAILED 300",
                                   "5 FAILED 408 timed out"));
  EXPECT_TRUE(outbound_.idle());
}

TEST_F(OutboundTest, OtherHopsAreTriedWhenNothingCanHaveArrived) {
  hops_ = std::vector<sip::Hop>{{Transport::kTcp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.8")},
                                {Transport::kUdp, endpoint("192.0.2.9")}};
  begin(envelope("a"));
  sender_.connection_lost(7, true, "");
  sender_.unreachable(endpoint("192.0.2.8"), {}, "nobody listens there");
  EXPECT_THAT(sent(), ElementsAre("a to 192.0.2.7:5060", "a to 192.0.2.8:5060", "a to 192.0.2.9:5060"));
  EXPECT_EQ(requests_[2]->message.via.transport, "UDP");
  EXPECT_EQ(requests_[2]->message.cseq.number, requests_[0]->message.cseq.number + 2);
  EXPECT_EQ(requests_[2]->message.call_id, requests_[0]->message.call_id);
  EXPECT_NE(requests_[2]->message.via.branch, requests_[0]->message.via.branch);
  sender_.unreachable(endpoint("192.0.2.9"), {}, "nobody listens there");
  EXPECT_THAT(ended(), ElementsAre("1 FAILED 503 timed out"));

  begin(envelope("b"));
  sender_.connection_lost(7, false, "");  // it may have read it
  EXPECT_THAT(ended(), ElementsAre("2 FAILED 503 timed out"));
  EXPECT_THAT(outcomes_.back().text(), HasSubstr("closed the connection instead of answering about"));
  EXPECT_THAT(outcomes_.back().text(), HasSubstr("may have been delivered"));
}

TEST_F(OutboundTest, AnOverloadedHopLeadsToTheNext) {
  hops_ = std::vector<sip::Hop>{{Transport::kUdp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.8")}};
  begin(envelope("a"));
  respond("503 Busy");
  respond("503 Busy");
  EXPECT_THAT(sent(), ElementsAre("a to 192.0.2.7:5060", "a to 192.0.2.8:5060"));
  EXPECT_THAT(ended(), ElementsAre("1 FAILED 503"));
}

TEST_F(OutboundTest, AServerThatRefusedIsNotAskedAgainByAnotherTransport) {
  hops_ = std::vector<sip::Hop>{{Transport::kTcp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.8")}};
  begin(envelope("a"));
  respond("503 Busy");
  respond("200 OK");
  EXPECT_THAT(sent(), ElementsAre("a to 192.0.2.7:5060", "a to 192.0.2.8:5060"));
}

TEST_F(OutboundTest, WhatOneServerSaidCountsMoreThanTheSilenceOfTheLast) {
  hops_ = std::vector<sip::Hop>{{Transport::kUdp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.8")}};
  begin(envelope("a"));
  respond("503 Busy", "Retry-After: 7\r\n");
  sender_.unreachable(endpoint("192.0.2.8"), {}, "nobody listens there");
  EXPECT_THAT(ended(), ElementsAre("1 FAILED 503"));
  EXPECT_EQ(outcomes_.back().sip_status().reason(), "Busy");
  EXPECT_EQ(outcomes_.back().sip_status().retry_after_s(), 7u);
}

TEST_F(OutboundTest, AHopThatDoesNotAnswerCostsOneMessageAtATime) {
  hops_ = std::vector<sip::Hop>{{Transport::kUdp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.8")}};
  begin(envelope("a"));
  advance(33s);
  EXPECT_THAT(ended(), ElementsAre("1 FAILED 408 timed out"));
  sent();
  const auto begin_two = [&](const std::string& first, const std::string& second) {
    begin(envelope(first, "sip:bob@sip.test"));
    begin(envelope(second, "sip:eve@sip.test"));
  };
  advance(31s);  // its rest is over: one tries it
  begin_two("b", "c");
  EXPECT_THAT(sent(), ElementsAre("b to 192.0.2.7:5060", "c to 192.0.2.8:5060"));
  respond("200 OK");
  advance(33s);
  EXPECT_THAT(ended(), ElementsAre("3 DELIVERED 200", "2 FAILED 408 timed out"));
  sent();
  advance(31s);
  begin_two("d", "e");
  EXPECT_THAT(sent(), ElementsAre("d to 192.0.2.7:5060", "e to 192.0.2.8:5060"));
  respond("200 OK");
  respond("200 OK", "", requests_.size() - 2);
  begin_two("f", "g");  // it is back
  EXPECT_THAT(sent(), ElementsAre("f to 192.0.2.7:5060", "g to 192.0.2.7:5060"));
}

TEST_F(OutboundTest, AHopThatFailedComesLastForAWhile) {
  hops_ = std::vector<sip::Hop>{{Transport::kUdp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.8")}};
  begin(envelope("a"));
  sender_.unreachable(endpoint("192.0.2.7"), {}, "nobody listens there");
  respond("200 OK");
  EXPECT_THAT(sent(), ElementsAre("a to 192.0.2.7:5060", "a to 192.0.2.8:5060"));
  begin(envelope("b"));
  respond("200 OK");
  EXPECT_THAT(sent(), ElementsAre("b to 192.0.2.8:5060"));
  advance(31s);
  begin(envelope("c"));
  respond("200 OK");
  EXPECT_THAT(sent(), ElementsAre("c to 192.0.2.7:5060"));
}

TEST_F(OutboundTest, AHopThatAsksForARestGetsIt) {
  hops_ = std::vector<sip::Hop>{{Transport::kUdp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.8")}};
  begin(envelope("a"));
  respond("503 Busy", "Retry-After: 60\r\n");
  respond("200 OK");
  advance(50s);
  sent();
  begin(envelope("b"));
  respond("200 OK");
  EXPECT_THAT(sent(), ElementsAre("b to 192.0.2.8:5060"));
  advance(11s);
  begin(envelope("c"));
  respond("200 OK");
  EXPECT_THAT(sent(), ElementsAre("c to 192.0.2.7:5060"));
}

TEST_F(OutboundTest, AfterSilenceOnlyTheNextMessageGoesElsewhere) {
  hops_ = std::vector<sip::Hop>{{Transport::kUdp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.8")}};
  begin(envelope("a"), 60s);
  advance(32s);
  EXPECT_THAT(ended(), ElementsAre("1 FAILED 408 timed out"));
  sent();
  begin(envelope("b"));
  EXPECT_THAT(sent(), ElementsAre("b to 192.0.2.8:5060"));
}

TEST_F(OutboundTest, NoOtherHopIsTriedPastTheDeadline) {
  hops_ = std::vector<sip::Hop>{{Transport::kTcp, endpoint("192.0.2.7")},
                                {Transport::kTcp, endpoint("192.0.2.8")}};
  begin(envelope("a"), 5s);
  advance(5s);
  sender_.connection_lost(7, true, "Connection timed out");
  EXPECT_THAT(sent(), ElementsAre("a to 192.0.2.7:5060"));
  EXPECT_THAT(ended(), ElementsAre("1 DEADLINE"));
  EXPECT_THAT(outcomes_.back().text(), HasSubstr("Connection timed out"));
}

TEST_F(OutboundTest, ALooselyRoutingProxyFindsItselfInTheRoute) {
  sender_.configure("sip:192.0.2.7;lr", {}, true);
  begin(envelope("a"));
  EXPECT_EQ(last().value(sip::HeaderName::kRoute), "<sip:192.0.2.7;lr>");
  EXPECT_EQ(last().request_uri, "sip:bob@sip.test");
}

// Of the request that was sent last; empty if it has none.
std::string authorization(const sip::Message& request) {
  for (const sip::Header& header : request.headers()) {
    if (header.name == "Authorization" || header.name == "Proxy-Authorization")
      return std::string(header.name) + ": " + std::string(header.value);
  }
  return {};
}

TEST_F(OutboundTest, AChallengeIsAnsweredWithThePasswordOfItsRealm) {
  sender_.configure("", {{"sip.test", "gateway", "secret"}}, false);
  begin(envelope("a"));
  EXPECT_EQ(authorization(last()), "");
  respond("407 Auth", "Proxy-Authenticate: Digest realm=\"sip.test\", nonce=\"n1\", qop=\"auth\"\r\n");
  EXPECT_THAT(authorization(last()), testing::StartsWith("Proxy-Authorization: Digest username=\"gateway\""));
  const sip::Message& first = requests_[0]->message;
  EXPECT_EQ(last().cseq.number, first.cseq.number + 1);
  EXPECT_EQ(last().call_id, first.call_id);
  EXPECT_EQ(last().from.tag, first.from.tag);
  EXPECT_NE(last().via.branch, first.via.branch);
  respond("200 OK");
  EXPECT_THAT(ended(), ElementsAre("1 DELIVERED 200"));

  // The next one needs no round more, and a nonce that has grown old one.
  begin(envelope("b"));
  EXPECT_THAT(authorization(last()), HasSubstr("nonce=\"n1\""));
  EXPECT_THAT(authorization(last()), HasSubstr("nc=00000002"));
  respond("407 Auth",
          "Proxy-Authenticate: Digest realm=\"sip.test\", nonce=\"n2\", qop=\"auth\", stale=true\r\n");
  EXPECT_THAT(authorization(last()), HasSubstr("nonce=\"n2\""));
  EXPECT_THAT(authorization(last()), HasSubstr("nc=00000001"));
  respond("200 OK");
  EXPECT_THAT(ended(), ElementsAre("2 DELIVERED 200"));

  // Others do not see it.
  begin(envelope("c", "sip:eve@other.test"));
  EXPECT_EQ(authorization(last()), "");
}

// Who challenges may name any realm, and try passwords against the answer.
TEST_F(OutboundTest, APasswordIsForTheProxyOrTheRealmsOwnDomain) {
  const auto answered = [&](const std::string& uri, bool has_proxy) {
    sender_.configure("", {{"sip.test", "gateway", "secret"}}, has_proxy);
    begin(envelope("a", uri));
    respond("401 Auth", "WWW-Authenticate: Digest realm=\"sip.test\", nonce=\"n\"\r\n");
    const bool given = !authorization(last()).empty();
    if (given) respond("200 OK");
    return given;
  };
  EXPECT_TRUE(answered("sip:eve@evil.test", true));
  EXPECT_FALSE(answered("sip:eve@evil.test", false));
  EXPECT_THAT(outcomes_.back().text(),
              HasSubstr("realm \"sip.test\", which without gateway.outbound_proxy only"));
  EXPECT_FALSE(answered("sip:eve@evil.sip.test", false));
  EXPECT_FALSE(answered("sip:eve@p.test", false));
  EXPECT_TRUE(answered("sip:bob@SIP.test", false));
  EXPECT_TRUE(answered("sip:bob@test", false));  // who has this domain has the realm's
}

TEST_F(OutboundTest, ProxyAndServerMayBothAsk) {
  sender_.configure("", {{"proxy.test", "p", "1"}, {"sip.test", "s", "2"}}, true);
  begin(envelope("a"));
  respond("407 Auth", "Proxy-Authenticate: Digest realm=\"proxy.test\", nonce=\"n1\"\r\n");
  respond("401 Auth", "WWW-Authenticate: Digest realm=\"sip.test\", nonce=\"n2\"\r\n");
  std::string names;
  for (const sip::Header& header : last().headers()) {
    if (header.name.ends_with("Authorization")) names += std::string(header.name) + " ";
  }
  EXPECT_EQ(names, "Proxy-Authorization Authorization ");
  respond("200 OK");
  EXPECT_THAT(ended(), ElementsAre("1 DELIVERED 200"));
}

TEST_F(OutboundTest, AWrongPasswordIsSaidAndNotTriedForEver) {
  sender_.configure("", {{"sip.test", "gateway", "wrong"}}, false);
  begin(envelope("a"));
  for (const char* nonce : {"n1", "n2"}) {
    respond("401 Auth",
            "WWW-Authenticate: Digest realm=\"sip.test\", nonce=\"" + std::string(nonce) + "\"\r\n");
  }
  EXPECT_EQ(sent().size(), 2u);
  EXPECT_THAT(ended(), ElementsAre("1 FAILED 401"));
  EXPECT_THAT(outcomes_.back().text(), HasSubstr("does not accept the username or password"));
  EXPECT_THAT(outcomes_.back().text(), HasSubstr("\"sip.test\""));

  begin(envelope("b"));
  EXPECT_EQ(authorization(last()), "");  // not known to be of any use
  for (int i = 0; i < 10 && outcomes_.size() == 1; ++i)
    respond("401 Auth", "WWW-Authenticate: Digest realm=\"sip.test\", nonce=\"n\", stale=true\r\n");
  EXPECT_THAT(ended(), ElementsAre("2 FAILED 401"));
}

TEST_F(OutboundTest, AnUnknownRealmGetsNothingAndIsNamed) {
  sender_.configure("", {{"sip.test", "gateway", "secret"}}, false);
  begin(envelope("a"));
  respond("407 Auth", "Proxy-Authenticate: Digest realm=\"evil.test\", nonce=\"n\"\r\n");
  EXPECT_EQ(sent().size(), 1u);
  EXPECT_THAT(ended(), ElementsAre("1 FAILED 407"));
  EXPECT_THAT(outcomes_.back().text(), HasSubstr("\"evil.test\": add [[sip_front.credentials]]"));
}

TEST_F(OutboundTest, WithoutAnAddressNothingIsSent) {
  hops_ = tl::make_unexpected(sip::NoHop{true, "sip.test does not exist"});
  begin(envelope("a"));
  hops_ = tl::make_unexpected(sip::NoHop{false, "no answer"});
  begin(envelope("b"));
  hops_ = std::vector<sip::Hop>{{Transport::kUdp, endpoint("192.0.2.7")}};
  no_way_ = true;
  begin(envelope("c"));
  EXPECT_THAT(ended(),
              ElementsAre("1 FAILED 503 unresolvable", "2 FAILED 503 timed out", "3 FAILED 503 timed out"));
  EXPECT_THAT(sent(), ElementsAre());
}

TEST_F(OutboundTest, ASlowDnsHoldsTheTargetOnlyAndTheDeadlineStillCounts) {
  hold_dns_ = true;
  begin(envelope("a"), 10s);
  hold_dns_ = false;
  begin(envelope("other", "sip:eve@sip.test"));
  EXPECT_THAT(sent(), ElementsAre("other to 192.0.2.7:5060"));
  advance(11s);
  held_(hops_);
  EXPECT_THAT(ended(), ElementsAre("1 DEADLINE"));
}

TEST_F(OutboundTest, WhatCannotBeWrittenIsToldAndHurtsNobody) {
  begin(envelope("a", "sip:bob@sip.test>\r\nEvil: yes"));
  pb::Envelope nothing = envelope("b");
  nothing.mutable_sip_message()->clear_parts();
  begin(nothing);
  begin(envelope("c"));
  EXPECT_THAT(ended(), ElementsAre("1 FAILED 400", "2 UNSUPPORTED"));
  EXPECT_THAT(sent(), ElementsAre("c to 192.0.2.7:5060"));
}

TEST_F(OutboundTest, CopiesOfResponsesAreSwallowedAndStraysRefused) {
  begin(envelope("a"));
  respond("200 OK");
  respond("200 OK");
  EXPECT_THAT(ended(), ElementsAre("1 DELIVERED 200"));
  const sip::Datagram stray(
      sip::crlf("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKx\nFrom: sip:a@b\n"
                "To: sip:a@b\nCall-ID: a\nCSeq: 1 MESSAGE\n\n"));
  ASSERT_TRUE(stray.parsed);
  EXPECT_FALSE(sender_.response(stray.message));
}

TEST_F(OutboundTest, GivingUpEndsAllAndBeginsNothing) {
  begin(envelope("1"));
  begin(envelope("2"));
  begin(envelope("3"));
  sent();
  outbound_.give_up(pb::STOPPING, "stopped");
  EXPECT_THAT(ended(), ElementsAre("2 STOPPING", "3 STOPPING", "1 FAILED 503 timed out"));
  advance(20s);
  EXPECT_THAT(sent(), ElementsAre()) << "nor is anything sent again";
  respond("200 OK");
  EXPECT_THAT(ended(), ElementsAre()) << "it has ended";
  EXPECT_TRUE(outbound_.idle());
}

TEST_F(OutboundTest, TheWayOfAMessageCanBeTracedAndListed) {
  begin(envelope("a"));
  begin(envelope("b"));
  const auto listed = outbound_.list();
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_STREQ(listed[0].stage, "waiting for a response");
  EXPECT_STREQ(listed[1].stage, "waiting for the message before it");
  respond("404 Not Found");
  const auto hops = trace_.find("component-1.0.1");
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0]->decision, "MESSAGE over UDP 192.0.2.7:5060");
  EXPECT_THAT(hops[0]->outcome, HasSubstr("404 Not Found"));
  EXPECT_EQ(hops[0]->message_id, requests_[0]->message.call_id);
}

// At random, with a seed: three servers, one of them by TCP, that take messages, refuse them for now or for
// good, say nothing, or are down; and a network that loses and delays.
class OutboundUnderFaults : public OutboundTest, public testing::WithParamInterface<int> {
 protected:
  struct Event {  // that reaches us
    Time at;
    std::size_t request;  // which it is about
    std::string status;   // empty: there was nobody to take it
  };
  static int dice(int n) { return std::rand() % n; }

  Result<sip::Flow> flow_to(const sip::Hop& hop) override {
    return sip::Flow{hop.transport, 0, hop.transport == Transport::kTcp ? connection_ : 0u, hop.peer};
  }
  void send(const sip::Flow& flow, std::string_view bytes) override {
    OutboundTest::send(flow, bytes);
    flows_.push_back(flow);
    bytes_.emplace_back(bytes);
    const bool reliable = sip::is_reliable(flow.transport);
    Event event{clock_.now() + std::chrono::milliseconds(dice(2000)), flows_.size() - 1, {}};
    if (down_.contains(flow.peer.str())) {
      event.at = clock_.now() + 100ms;
      return events_.push_back(std::move(event));
    }
    if (!reliable && dice(4) == 0) return;  // lost on its way
    const std::string branch(last().via.branch), body(last().body);
    if (!said_.contains(branch)) {
      static constexpr const char* kFinal[] = {"200 OK", "200 OK", "202 Accepted", "503 Busy", "480 Away"};
      said_[branch] = kFinal[dice(5)];
      EXPECT_TRUE(said_[branch][0] != '2' || delivered_.insert(body).second) << body << " is delivered twice";
    }
    if (dice(reliable ? 8 : 4) == 0) return;  // lost on its way back, or never said
    event.status = !reliable && dice(4) == 0 ? "100 Trying" : said_[branch];
    events_.push_back(std::move(event));
  }
  void finish(const pb::EnvelopeId& id, pb::Outcome outcome) override {
    EXPECT_TRUE(end_of_.emplace(std::to_string(id.number()), std::move(outcome)).second) << "two ends";
  }
  void happens(const Event& event) {
    const sip::Flow& flow = flows_[event.request];
    if (!event.status.empty()) return void(responds(event.status, {}, event.request));
    if (sip::is_reliable(flow.transport)) return sender_.connection_lost(flow.connection, true, "refused");
    sender_.unreachable(flow.peer, bytes_[event.request], "nobody listens");
  }
  void go_down_or_up(const sip::Endpoint& server) {
    happen([](const Event& each) { return each.status.empty(); });  // sooner than a server begins to listen
    if (down_.erase(server.str()) == 0) down_.insert(server.str());
    if (server != hops_->back().peer) return;
    const uint32_t before = std::exchange(connection_, connection_ + 1);
    sender_.connection_lost(before, !down_.contains(server.str()), "ended");
  }
  template <class Which>
  void happen(Which which) {
    std::vector<Event> now;
    std::erase_if(events_, [&](const Event& each) { return which(each) && (now.push_back(each), true); });
    for (const Event& each : now) happens(each);
  }
  void pass(Duration d) {
    for (; d > Duration(0); d -= 100ms) {
      clock_.advance(100ms);
      happen([this](const Event& each) { return each.at <= clock_.now(); });
      sender_.turn();
      outbound_.turn();
    }
  }

  uint32_t connection_ = 7;
  std::set<std::string> down_, delivered_;
  std::map<std::string, std::string> said_;  // by branch
  std::vector<Event> events_;
  std::vector<sip::Flow> flows_;  // of what was sent
  std::vector<std::string> bytes_;
  std::map<std::string, pb::Outcome> end_of_;  // by body
};

TEST_P(OutboundUnderFaults, EachEndsOnceIsDeliveredOnceAndWhatIsSaidIsTrue) {
  std::srand(static_cast<unsigned>(GetParam()));
  hops_ = std::vector<sip::Hop>{{Transport::kUdp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.8")},
                                {Transport::kTcp, endpoint("192.0.2.9")}};
  std::vector<std::string> bodies;
  for (int step = 0; step < 400; ++step) {
    if (dice(2) == 0) {
      bodies.push_back(std::to_string(number_ + 1));
      begin(envelope(bodies.back(), "sip:bob" + std::to_string(dice(20)) + "@sip.test"));
    }
    if (dice(30) == 0) go_down_or_up((*hops_)[static_cast<std::size_t>(dice(3))].peer);
    pass(std::chrono::milliseconds(100 * dice(8)));
  }
  pass(100s);
  EXPECT_TRUE(outbound_.idle());
  std::size_t delivered = 0;
  for (const std::string& body : bodies) {
    ASSERT_TRUE(end_of_.contains(body)) << body << " has no end";
    const pb::Outcome& end = end_of_[body];
    const bool is_doubt =
        end.text().find("may have been") != std::string::npos || end.sip_status().code() == 408;
    if (end.verdict() != pb::FAILED) {
      ++delivered;
      EXPECT_TRUE(delivered_.contains(body)) << body << " is lost, and said to be delivered";
    } else if (!is_doubt) {
      EXPECT_FALSE(delivered_.contains(body)) << body << " is delivered, and said not to be: " << end.text();
    }
  }
  EXPECT_GT(delivered, bodies.size() / 10);
}

INSTANTIATE_TEST_SUITE_P(Seeds, OutboundUnderFaults, testing::Range(1, 61));

}  // namespace
}  // namespace stox
