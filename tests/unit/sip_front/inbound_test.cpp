#include "sip_front/page/inbound.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sip_front/metric.h"
#include "tests/unit/sip_front/sip_text.h"

namespace stox {
namespace {

using namespace std::chrono_literals;
using sip::crlf;
using sip::kHello;
using sip::replaced;
using testing::HasSubstr;

// The way in, with a bus that keeps what it is given.
class InboundTest : public testing::Test, public sip::FlowSender, public EnvelopeSink {
 protected:
  InboundTest() { reception_.add(sip::Method::kMessage, {}, inbound_); }
  void send(const sip::Flow& flow, std::string_view bytes) override {
    responses_.emplace_back(bytes);
    answered_ = flow.peer.str();
  }
  bool has_room() const override { return has_room_; }
  bool is_connected() const override { return is_connected_; }
  Result<uint64_t> submit(pb::Envelope& envelope, Time begin_before, Time end_by) override {
    if (refuses_) return error("no mapper is ready");
    EXPECT_EQ(begin_before, clock_.now() + valid_for_);
    EXPECT_EQ(end_by, clock_.now() + 25s);
    envelopes_.push_back(envelope);
    return envelopes_.size();
  }
  std::string id_of(uint64_t number) const override { return "sip-1.1." + std::to_string(number); }
  void submit_lossy(pb::Envelope& envelope, Time) override { lossy_.push_back(envelope); }

  static sip::Policy policy() {
    sip::Policy policy;
    policy.domains = {"gw.test"};
    policy.trusted.networks = *sip::Networks::parse({"192.0.2.0/24"});
    return policy;
  }
  bool receive(const std::string& text, const char* source = "192.0.2.7") {
    sip::Datagram d(text);
    const sip::Flow flow{sip::Transport::kUdp, 0, 0, *sip::Endpoint::parse(source, 40000)};
    return d.parsed ? reception_.request(d.message, flow)
                    : reception_.fault(d.message, d.parsed.error(), flow);
  }
  // The status line of the only response since, or "".
  std::string said() {
    EXPECT_LE(responses_.size(), 1u);
    last_ = responses_.empty() ? "" : responses_.back();
    responses_.clear();
    return last_.substr(0, last_.find("\r\n"));
  }
  std::string answer(const pb::Outcome& outcome) {
    static int n = 0;
    const std::string id = std::to_string(++n);
    receive(replaced(replaced(kHello, "776sgdkse", id), "asd88asd77a", id));
    inbound_.ended(envelopes_.size(), outcome);
    return said();
  }
  void advance(Duration d) {
    clock_.advance(d);
    reception_.turn();
  }
  double metric(const std::string& name, const std::string& label = {}) {
    return metric_of(reception_, name, label);
  }

  ManualClock clock_;
  service::Log log_{"sip-1", service::Level::kError, "text"};
  service::Trace trace_;
  sip::Random random_;
  bool refuses_ = false, has_room_ = true, is_connected_ = true;
  Duration valid_for_ = 25s;
  std::vector<pb::Envelope> envelopes_, lossy_;
  std::vector<std::string> responses_;
  std::string answered_;  // where the last one went
  std::string last_;
  Reception reception_{policy(), clock_, log_, trace_, random_, *this, *this};
  PeerFormats formats_{clock_};
  Inbound inbound_{reception_, 4096, clock_, log_, trace_, random_, *this, formats_};
};

pb::Outcome status(uint32_t code, const std::string& reason = {}) {
  pb::Outcome outcome;
  outcome.set_verdict(code < 300 ? pb::DELIVERED : pb::FAILED);
  outcome.mutable_sip_status()->set_code(code);
  outcome.mutable_sip_status()->set_reason(reason);
  return outcome;
}

pb::Outcome failure(pb::Reason reason, uint32_t retry_after_s = 0) {
  pb::Outcome outcome;
  outcome.set_reason(reason);
  outcome.set_retry_after_s(retry_after_s);
  return outcome;
}

TEST_F(InboundTest, AMessageBecomesAnEnvelope) {
  receive(replaced(
      kHello, "Max-Forwards: 70",
      "Max-Forwards: 70\r\nSubject: s\r\nContent-Language: de\r\nDate: Sat, 13 Nov 2010 23:29:00 GMT\r\n"
      "Content-Disposition: render"));
  EXPECT_EQ(said(), "");
  ASSERT_EQ(envelopes_.size(), 1u);
  const pb::Envelope& e = envelopes_[0];
  const pb::SipMessage& m = e.sip_message();
  EXPECT_EQ(m.request_uri(), "sip:ann*x.test@gw.test");
  EXPECT_EQ(m.from_uri(), "sip:bob@sip.test");
  EXPECT_EQ(m.from_display(), "Bob \"the\" B");
  EXPECT_EQ(m.to_uri(), "sip:ann*x.test@gw.test");
  EXPECT_EQ(m.call_id(), "asd88asd77a@192.0.2.7");
  EXPECT_EQ(m.subject(), "s");
  EXPECT_EQ(m.language(), "de");
  EXPECT_EQ(m.date_s(), 1289690940);
  ASSERT_EQ(m.parts_size(), 1);
  ASSERT_EQ(m.parts(0).alternatives_size(), 1);
  EXPECT_EQ(m.parts(0).alternatives(0).content_type(), "text/plain");
  EXPECT_EQ(m.parts(0).alternatives(0).disposition(), "render");
  EXPECT_EQ(m.parts(0).alternatives(0).data(), "hello");
  EXPECT_EQ(e.conversation(), "bob@sip.test ann*x.test@gw.test");
  EXPECT_EQ(e.trace_id().size(), 16u);
  EXPECT_NE(e.dedup_key(), 0u);
}

TEST_F(InboundTest, TheDedupKeyIsThatOfTheRequestWhateverItsBranch) {
  receive(kHello);
  inbound_.ended(1, status(200));
  advance(33s);
  receive(replaced(kHello, "776sgdkse", "other"));
  ASSERT_EQ(envelopes_.size(), 2u);
  EXPECT_EQ(envelopes_[0].dedup_key(), envelopes_[1].dedup_key());
  inbound_.ended(2, status(200));
  advance(40s);
  for (const auto& [what, with] :
       std::vector<std::pair<const char*, const char*>>{{"CSeq: 1", "CSeq: 2"},
                                                        {"Call-ID: a", "Call-ID: b"},
                                                        {"tag=4", "tag=5"},
                                                        {"sip:ann", "sip:eve"}}) {
    receive(replaced(replaced(kHello, "776sgdkse", what[0] == 's' ? "e" : std::string(what).substr(0, 2)),
                     what, with));
    inbound_.ended(envelopes_.size(), status(200));
    EXPECT_NE(envelopes_.back().dedup_key(), envelopes_[0].dedup_key()) << what;
    advance(40s);
  }
  EXPECT_EQ(envelopes_.size(), 6u);
}

TEST_F(InboundTest, ATypingStateIsAnsweredAtOnceAndPassedOnLossily) {
  receive(replaced(kHello, "text/plain", "Application/im-isComposing+xml ;x=y"));
  EXPECT_EQ(said(), "SIP/2.0 200 Accepted");
  EXPECT_TRUE(envelopes_.empty());
  ASSERT_EQ(lossy_.size(), 1u);
  EXPECT_EQ(lossy_[0].conversation(), "bob@sip.test ann*x.test@gw.test");
  EXPECT_EQ(lossy_[0].sip_message().parts(0).alternatives(0).data(), "hello");
  EXPECT_TRUE(inbound_.idle());
}

TEST_F(InboundTest, TheFormOfWhatAPeerSendsIsNoted) {
  receive(replaced(kHello, "text/plain", "message/cpim"));
  using Takes = PeerFormats::Takes;
  EXPECT_EQ(formats_.takes("sip:bob@sip.test", Format::kCpim), Takes::kYes);
  EXPECT_EQ(formats_.takes("sip:bob@sip.test", Format::kComposing), Takes::kUnknown);
  receive(replaced(kHello, "bob@sip.test", "eve@sip.test"), "203.0.113.1");  // a stranger's is not
  EXPECT_EQ(formats_.size(), 1U);
}

TEST_F(InboundTest, ATypeSaysSomethingWithoutABodyToo) {
  const std::string empty = replaced(kHello, "5\r\n\r\nhello", "0\r\n\r\n");
  receive(empty);
  ASSERT_EQ(envelopes_.size(), 1u);
  ASSERT_EQ(envelopes_[0].sip_message().parts_size(), 1);
  EXPECT_EQ(envelopes_[0].sip_message().parts(0).alternatives(0).content_type(), "text/plain");
  receive(replaced(replaced(replaced(empty, "Content-Type: text/plain\r\n", ""), "776sgdkse", "x"), "asd88",
                   "x"));
  ASSERT_EQ(envelopes_.size(), 2u);
  EXPECT_EQ(envelopes_[1].sip_message().parts_size(), 0);
}

TEST_F(InboundTest, TheMapperLearnsHowTheBodyIsEncoded) {
  receive(replaced(kHello, "Max-Forwards",
                   "Content-Transfer-Encoding: base64\r\nContent-Encoding: deflate\r\nMax-Forwards"));
  ASSERT_EQ(envelopes_.size(), 1u);
  const pb::Content& content = envelopes_[0].sip_message().parts(0).alternatives(0);
  EXPECT_EQ(content.encoding(), "deflate");
  EXPECT_EQ(content.transfer_encoding(), "base64");
}

TEST_F(InboundTest, NothingButUtf8GetsIntoTextFields) {
  receive(replaced(replaced(kHello, "Bob ", "\xff"), "Max-Forwards", "Subject: \xff\r\nMax-Forwards"));
  receive(replaced(replaced(replaced(kHello, "sip:ann", "sip:a%FF"), "776sgdkse", "x"), "asd88", "x"));
  ASSERT_EQ(envelopes_.size(), 2u);
  for (const pb::Envelope& e : envelopes_) {
    pb::Envelope again;
    EXPECT_TRUE(again.ParseFromString(e.SerializeAsString()));
  }
  EXPECT_EQ(envelopes_[0].sip_message().from_display(), "");
}

TEST_F(InboundTest, TheOutcomeIsTheAnswerAndTheOnlyOne) {
  receive(kHello);
  inbound_.ended(1, status(200, "Accepted"));
  EXPECT_EQ(said(), "SIP/2.0 200 Accepted");
  EXPECT_EQ(last_.find("Contact"), std::string::npos);
  inbound_.ended(1, status(404));
  EXPECT_EQ(said(), "");
  receive(kHello);  // a copy
  EXPECT_EQ(said(), "SIP/2.0 200 Accepted");
  EXPECT_EQ(envelopes_.size(), 1u);
  EXPECT_TRUE(inbound_.idle());
}

TEST_F(InboundTest, OutcomesAreAnsweredByTheTable) {
  EXPECT_EQ(answer(status(404)), "SIP/2.0 404 Not found");
  EXPECT_EQ(answer(status(403, "Go away")), "SIP/2.0 403 Go away");
  EXPECT_EQ(answer(failure(pb::DEADLINE)), "SIP/2.0 504 The recipient's server did not answer in time");
  EXPECT_EQ(answer(failure(pb::IN_DOUBT)),
            "SIP/2.0 504 No answer in time, the message may have been delivered");
  EXPECT_EQ(answer(failure(pb::UNSUPPORTED)), "SIP/2.0 500 Server Internal Error");
  for (const auto reason : {pb::NO_TARGET, pb::OVERLOADED, pb::LINK_DOWN, pb::STOPPING}) {
    EXPECT_EQ(answer(failure(reason)), "SIP/2.0 503 Service unavailable");
    EXPECT_THAT(last_, HasSubstr("\r\nRetry-After: "));
  }
  answer(failure(pb::LINK_DOWN, 17));
  EXPECT_THAT(last_, HasSubstr("\r\nRetry-After: 17\r\n"));
  EXPECT_EQ(answer(status(415)), "SIP/2.0 415 Unsupported Media Type");
  EXPECT_THAT(last_, HasSubstr("\r\nAccept: text/plain"));
  pb::Outcome moved = status(301);
  moved.mutable_sip_status()->set_contact("sip:a@b");
  EXPECT_EQ(answer(moved), "SIP/2.0 301 Moved Permanently");
  EXPECT_THAT(last_, HasSubstr("\r\nContact: <sip:a@b>\r\n"));
}

TEST_F(InboundTest, SomeStatusesNeverLeaveForAMessage) {
  EXPECT_EQ(answer(status(408)), "SIP/2.0 504 Server Time-out");
  EXPECT_EQ(answer(status(401)), "SIP/2.0 403 Forbidden");
  EXPECT_EQ(answer(status(407)), "SIP/2.0 403 Forbidden");
  EXPECT_EQ(answer(status(405)), "SIP/2.0 501 Not Implemented");
  EXPECT_EQ(answer(status(100)), "SIP/2.0 500 Server Internal Error");
  EXPECT_EQ(answer(status(999)), "SIP/2.0 500 Server Internal Error");
}

TEST_F(InboundTest, AnOutcomeWithoutAStatusStillAnswers) {
  pb::Outcome outcome;
  outcome.set_verdict(pb::PASSED_ON);
  EXPECT_EQ(answer(outcome), "SIP/2.0 202 Accepted");
  outcome.set_verdict(pb::FAILED);
  EXPECT_EQ(answer(outcome), "SIP/2.0 500 Server Internal Error");
}

TEST_F(InboundTest, WhatTakesLongIsSaidTo) {
  receive(kHello);
  advance(3500ms);
  EXPECT_EQ(said(), "SIP/2.0 100 Trying");
}

TEST_F(InboundTest, WhenTheBusTakesNothingTheAnswerIs503AndNothingIsRemembered) {
  refuses_ = true;
  receive(kHello);
  EXPECT_EQ(said(), "SIP/2.0 503 Service unavailable");
  EXPECT_THAT(last_, HasSubstr("\r\nRetry-After: "));
  refuses_ = false;
  receive(kHello);  // a copy, or the client trying again
  EXPECT_EQ(said(), "");
  EXPECT_EQ(envelopes_.size(), 1u);
}

TEST_F(InboundTest, AtTheBoundTheAnswerIs503ButCopiesAreStillCopies) {
  receive(kHello);
  has_room_ = false;
  receive(kHello);
  EXPECT_EQ(said(), "");
  receive(replaced(replaced(kHello, "776sgdkse", "x"), "asd88", "x"));
  EXPECT_EQ(said(), "SIP/2.0 503 Service unavailable");
  EXPECT_THAT(last_, HasSubstr("\r\nRetry-After: "));
  EXPECT_EQ(envelopes_.size(), 1u);
  inbound_.ended(1, status(200));
  EXPECT_EQ(said(), "SIP/2.0 200 Accepted");
}

TEST_F(InboundTest, MoreThanItsShareOfOneSourceIsRefusedAndCopiesDoNotCount) {
  sip::Policy limited = policy();
  limited.max_rate_per_source = 1;  // two at once
  reception_.set_policy(limited);
  const auto nth = [](int n) {
    return replaced(replaced(kHello, "776sgdkse", std::to_string(n)), "asd88", std::to_string(n));
  };
  receive(nth(1));
  for (int i = 0; i < 5; ++i) receive(nth(1));
  receive(nth(2));
  EXPECT_EQ(said(), "");
  receive(nth(3));
  EXPECT_EQ(said(), "SIP/2.0 480 Too many requests");
  EXPECT_THAT(last_, HasSubstr("\r\nRetry-After: 1\r\n"));
  receive(nth(3), "192.0.2.8");  // another source
  EXPECT_EQ(said(), "");
  advance(1s);
  receive(nth(4));
  EXPECT_EQ(said(), "");
  EXPECT_EQ(envelopes_.size(), 4u);
  EXPECT_EQ(metric("stox_sip_refused_total", "reason=rate"), 1);
}

TEST_F(InboundTest, MoreThanItsShareOfOneFromDomainIsRefused) {
  sip::Policy limited = policy();
  limited.max_rate_per_from_domain = 1;
  reception_.set_policy(limited);
  const auto send = [&](const char* from, const char* source) {
    static int n = 0;
    const std::string id = std::to_string(++n);
    receive(replaced(replaced(replaced(kHello, "776sgdkse", id), "asd88", id), "bob@sip.test", from), source);
    return said();
  };
  EXPECT_EQ(send("a@one.test", "192.0.2.1"), "");
  EXPECT_EQ(send("b@one.test", "192.0.2.2"), "");
  EXPECT_EQ(send("c@ONE.test", "192.0.2.3"), "SIP/2.0 480 Too many requests");
  EXPECT_EQ(send("c@two.test", "192.0.2.3"), "");
}

// Or he could have others get what he does not want himself.
TEST_F(InboundTest, AStrangerIsAnsweredWhereHeIsWhateverHisMaddr) {
  const std::string elsewhere =
      replaced(replaced(kHello, "MESSAGE sip:", "OPTIONS sip:"), "1 MESSAGE", "1 OPTIONS");
  receive(replaced(elsewhere, ";rport", ";maddr=203.0.113.1"), "198.51.100.1");
  EXPECT_EQ(said(), "SIP/2.0 403 Forbidden");
  EXPECT_EQ(answered_, "198.51.100.1:5060");
  receive(replaced(elsewhere, ";rport", ";maddr=203.0.113.1"));
  EXPECT_EQ(said(), "SIP/2.0 200 OK");
  EXPECT_EQ(answered_, "203.0.113.1:5060");
}

TEST_F(InboundTest, OfManyStrangersNotAllAreAnswered) {
  for (int i = 0; i < 10'000; ++i) receive(kHello, "198.51.100.1");
  EXPECT_LE(responses_.size(), 2 * Reception::kStrangersAnsweredPerSecond);
  EXPECT_GT(responses_.size(), 0u);
  EXPECT_EQ(metric("stox_sip_refused_total", "reason=untrusted"), 10'000);
  EXPECT_EQ(metric("stox_sip_strangers_unanswered_total"), 10'000.0 - static_cast<double>(responses_.size()));
  responses_.clear();
  advance(1s);
  receive(kHello, "198.51.100.1");
  EXPECT_EQ(said(), "SIP/2.0 403 Forbidden");
}

TEST_F(InboundTest, WhoseViaCannotBeReadHearsOfIt) {
  receive(replaced(kHello, "192.0.2.7:5060", "my phone"));
  EXPECT_EQ(said(), "SIP/2.0 400 Bad Via");
  EXPECT_THAT(last_,
              HasSubstr("Via: SIP/2.0/UDP my phone;branch=z9hG4bK776sgdkse;received=192.0.2.7;rport=40000"));
  EXPECT_EQ(answered_, "192.0.2.7:40000");
  receive(replaced(kHello, "192.0.2.7:5060", "192.0.2.7:0"));
  EXPECT_EQ(envelopes_.size(), 1u);
  inbound_.ended(1, status(200));
  EXPECT_EQ(said(), "SIP/2.0 200 Accepted");
  EXPECT_EQ(answered_, "192.0.2.7:40000");
}

TEST_F(InboundTest, PasswordsInUrisGoNowhere) {
  struct Seen : service::TraceWatcher {
    std::string text;
    void passed(const service::TraceHop& hop, std::string_view body) override { refused(hop, body); }
    void refused(const service::TraceHop& hop, std::string_view packet) override {
      text += hop.from + "\n" + hop.to + "\n" + std::string(packet) + "\n";
    }
  } seen;
  trace_.watch(&seen);
  std::string with = replaced(kHello, "<sip:bob@sip.test>", "<sip:bob:s3cr3t@sip.test>");
  with = replaced(replaced(with, "MESSAGE sip:ann*x.test@", "MESSAGE sip:ann*x.test:s3cr3t@"),
                  "To: <sip:ann*x.test@",
                  "Contact: <sips:x:s3cr3t@y>, sip:z:s3cr3t@y\r\nTo: <sip:ann*x.test:s3cr3t@");
  receive(with);
  ASSERT_EQ(envelopes_.size(), 1u);
  EXPECT_EQ(envelopes_[0].sip_message().from_uri(), "sip:bob@sip.test");
  EXPECT_EQ(envelopes_[0].sip_message().request_uri(), "sip:ann*x.test@gw.test");
  EXPECT_EQ(envelopes_[0].sip_message().to_uri(), "sip:ann*x.test@gw.test");
  receive(with, "198.51.100.1");
  EXPECT_THAT(seen.text, HasSubstr("<sips:x:***@y>, sip:z:***@y"));
  EXPECT_THAT(seen.text, testing::Not(HasSubstr("s3cr3t")));
  EXPECT_EQ(said(), "SIP/2.0 403 Forbidden");
  trace_.watch(nullptr);
}

// A bound of 64 in flight: a sender among many has 48 of them, and the others get in.
TEST_F(InboundTest, ASenderLeavesRoomForOthers) {
  Reception reception(policy(), clock_, log_, trace_, random_, *this, *this);
  Inbound small(reception, 64, clock_, log_, trace_, random_, *this, formats_);
  reception.add(sip::Method::kMessage, {}, small);
  int n = 0;
  const auto sends = [&](const std::string& from, const char* to = "ann*x.test",
                         const char* source = "192.0.2.7") {
    const std::string id = std::to_string(++n);
    std::string text = replaced(replaced(kHello, "776sgdkse", id), "asd88asd77a", id);
    text = replaced(replaced(text, "<sip:bob@sip.test>", "<sip:" + from + ">"), "ann*x.test", to);
    sip::Datagram d(text);
    const std::size_t before = envelopes_.size();
    reception.request(d.message, {sip::Transport::kUdp, 0, 0, *sip::Endpoint::parse(source, 40000)});
    return envelopes_.size() > before;
  };
  int taken = 0;
  while (taken < 64 && sends("greedy@sip.test")) ++taken;
  EXPECT_EQ(taken, 48);
  EXPECT_EQ(said(), "SIP/2.0 480 Too many messages under way");
  EXPECT_THAT(last_, HasSubstr("Retry-After: 2"));
  EXPECT_TRUE(sends("meek@sip.test"));  // behind the same proxy
  small.ended(1, status(200));
  responses_.clear();
  EXPECT_FALSE(sends("greedy@sip.test"));
  responses_.clear();
  for (int i = 0; i < 20; ++i) sends("x" + std::to_string(i) + "@sip.test");  // up to the last eighth
  responses_.clear();
  EXPECT_FALSE(sends("another@sip.test"));  // his domains have more than their share
  responses_.clear();
  EXPECT_TRUE(sends("another@other.test"));
  EXPECT_TRUE(sends("another2@sip.test", "ann*y.test"));
}

// Who forges his address makes us answer somebody else: not with more than he sends himself.
TEST_F(InboundTest, AStrangersAnswerIsHardlyLongerThanHisRequest) {
  std::string vias = "SIP/2.0/UDP a";
  for (int i = 0; i < 60; ++i) vias += ",SIP/2.0/UDP a";
  for (const std::string& top : {std::string("SIP/2.0/UDP a"), vias}) {
    const std::string request =
        "MESSAGE sip:a@b SIP/2.0\r\nv:" + top +
        "\r\nf:<sip:a@b>;tag=1\r\nt:<sip:a@b>\r\ni:1\r\nCSeq:1 MESSAGE\r\nl:0\r\n\r\n";
    responses_.clear();
    receive(request, "198.51.100.1");
    ASSERT_EQ(responses_.size(), 1u);
    EXPECT_LT(responses_[0].size(), 2 * request.size() + 100);
  }
}

TEST_F(InboundTest, WhatExpiresIsNotBegunLater) {
  valid_for_ = 5s;
  receive(replaced(kHello, "Max-Forwards", "Expires: 5\r\nMax-Forwards"));
  EXPECT_EQ(envelopes_.size(), 1u);
  receive(replaced(replaced(replaced(kHello, "Max-Forwards",
                                     "Date: Tue, 14 Nov 2023 12:00:00 GMT\r\nExpires: 600\r\nMax-Forwards"),
                            "776sgdkse", "x"),
                   "asd88", "x"));
  EXPECT_EQ(said(), "SIP/2.0 480 Message expired");
  EXPECT_EQ(envelopes_.size(), 1u);
}

TEST_F(InboundTest, ADateToComeMakesNoMessageLiveLonger) {
  valid_for_ = 5s;
  receive(
      replaced(kHello, "Max-Forwards", "Date: Wed, 13 Nov 2030 23:29:00 GMT\r\nExpires: 5\r\nMax-Forwards"));
  EXPECT_EQ(envelopes_.size(), 1u);
}

TEST_F(InboundTest, WithAWrongClockExpiresCountsFromArrival) {
  valid_for_ = 5s;
  receive(
      replaced(kHello, "Max-Forwards", "Date: Thu, 01 Jan 1970 00:02:11 GMT\r\nExpires: 5\r\nMax-Forwards"));
  receive(replaced(replaced(replaced(kHello, "Max-Forwards",
                                     "Date: Sat, 01 Jan 2000 00:10:00 GMT\r\nExpires: 5\r\nMax-Forwards"),
                            "776sgdkse", "x"),
                   "asd88", "x"));
  EXPECT_EQ(envelopes_.size(), 2u);
}

TEST_F(InboundTest, OptionsInsideOfADialogThatWeDoNotHave) {
  receive(replaced(replaced(replaced(kHello, "MESSAGE sip", "OPTIONS sip"), "1 MESSAGE", "1 OPTIONS"),
                   "gw.test>", "gw.test>;tag=1"));
  EXPECT_EQ(said(), "SIP/2.0 481 Call/Transaction Does Not Exist");
}

TEST_F(InboundTest, OptionsSayWhatWeCan) {
  receive(replaced(replaced(kHello, "MESSAGE sip", "OPTIONS sip"), "1 MESSAGE", "1 OPTIONS"));
  EXPECT_EQ(said(), "SIP/2.0 200 OK");
  EXPECT_THAT(last_, HasSubstr("\r\nAllow: MESSAGE, OPTIONS\r\n"));
  EXPECT_THAT(last_, HasSubstr("\r\nAccept: text/plain, text/html, message/cpim, "));
  EXPECT_THAT(last_, HasSubstr("\r\nSupported:"));
}

TEST_F(InboundTest, OptionsSayWhenMessagesWouldBeRefused) {
  const std::string options =
      replaced(replaced(kHello, "MESSAGE sip", "OPTIONS sip"), "1 MESSAGE", "1 OPTIONS");
  is_connected_ = false;
  receive(options);
  EXPECT_EQ(said(), "SIP/2.0 503 Service unavailable");
  EXPECT_THAT(last_, HasSubstr("\r\nRetry-After: "));
  is_connected_ = true;
  receive(options);
  EXPECT_EQ(said(), "SIP/2.0 200 OK");
}

TEST_F(InboundTest, ACancelCancelsNothing) {
  const std::string cancel = replaced(replaced(kHello, "MESSAGE sip", "CANCEL sip"), "1 MESSAGE", "1 CANCEL");
  receive(cancel);
  EXPECT_EQ(said(), "SIP/2.0 481 Call/Transaction Does Not Exist");
  receive(kHello);
  receive(cancel);
  EXPECT_EQ(said(), "SIP/2.0 200 OK");
  const auto to = [&] { return last_.substr(last_.find("\r\nTo: "), 60); };
  const std::string to_of_cancel = to();
  inbound_.ended(1, status(200));
  EXPECT_EQ(said(), "SIP/2.0 200 Accepted");
  EXPECT_EQ(to(), to_of_cancel);  // 9.2: the same tag
}

TEST_F(InboundTest, MergedRequestsGet482) {
  receive(kHello);
  receive(replaced(kHello, "776sgdkse", "other"));
  EXPECT_EQ(said(), "SIP/2.0 482 Loop Detected");
  EXPECT_EQ(metric("stox_sip_refused_total", "reason=merged"), 1);
}

TEST_F(InboundTest, AnotherTextUnderTheSameCallIdIsAnotherMessage) {
  receive(kHello);
  const std::string other =
      replaced(replaced(kHello, "776sgdkse", "other"), "\r\n\r\nhello", "\r\n\r\nthree");
  receive(other);
  EXPECT_EQ(said(), "SIP/2.0 482 Loop Detected");  // never 200 for what is not sent
  inbound_.ended(1, status(200));
  responses_.clear();
  advance(40s);
  receive(other);
  ASSERT_EQ(envelopes_.size(), 2u);
  EXPECT_NE(envelopes_[0].dedup_key(), envelopes_[1].dedup_key());
}

TEST_F(InboundTest, WhoIsAssertedIsTheSender) {
  sip::Policy trunk = policy();
  trunk.asserted_identity_from = *sip::Networks::parse({"192.0.2.7"});
  reception_.set_policy(trunk);
  receive(replaced(
      replaced(kHello, "\"Bob \\\"the\\\" B\" <sip:bob@sip.test>", "<tel:+15551230001>"), "Max-Forwards: 70",
      "P-Asserted-Identity: \"Bob\" <sip:+15551230001@ims.test;user=phone>, <tel:+15551230001>"));
  ASSERT_EQ(envelopes_.size(), 1u);
  EXPECT_EQ(envelopes_[0].sip_message().from_uri(), "sip:+15551230001@ims.test;user=phone");
  EXPECT_EQ(envelopes_[0].sip_message().from_display(), "Bob");
  EXPECT_EQ(envelopes_[0].conversation(), "+15551230001@ims.test ann*x.test@gw.test");
}

TEST_F(InboundTest, StrangersAreCountedAndMayBeCutOff) {
  EXPECT_TRUE(receive(kHello));
  EXPECT_FALSE(receive(kHello, "198.51.100.1"));
  EXPECT_EQ(said(), "SIP/2.0 403 Forbidden");
  EXPECT_EQ(metric("stox_sip_refused_total", "reason=untrusted"), 1);
  EXPECT_EQ(metric("stox_sip_requests_total", "status=403"), 1);
}

TEST_F(InboundTest, CertificatesAreTrustedByTheSipDomainsTheyStandFor) {
  const sip::Trust by_name{{}, {"proxy.test"}};
  const auto trusts = [&](std::vector<std::string> uris, std::vector<std::string> dns) {
    net::CertificateNames names;
    names.uris = std::move(uris);
    names.dns = std::move(dns);
    return by_name.covers(names);
  };
  EXPECT_TRUE(trusts({}, {"Proxy.test"}));
  EXPECT_TRUE(trusts({"sip:proxy.test"}, {}));
  EXPECT_FALSE(trusts({"sip:other.test"}, {"proxy.test"}));  // RFC 5922 7.1: then the DNS names do not count
  EXPECT_FALSE(trusts({}, {"*.test", "evil.test"}));
  EXPECT_FALSE(trusts({}, {}));
}

// A flood of each kind of packet, and of all that it can leave behind.
TEST_F(InboundTest, UnderAFloodOfAnyKindTheTablesStayBounded) {
  constexpr int kFlood = 5'000;
  const auto text_of = [](const char* method, int n) {
    std::string text = replaced(replaced(kHello, "776sgdkse", std::to_string(n)), "asd88", std::to_string(n));
    return replaced(replaced(text, "MESSAGE sip", std::string(method) + " sip"), "1 MESSAGE",
                    "1 " + std::string(method));
  };
  const auto kept = [&] { return reception_.figures().waiting + reception_.figures().completed; };
  for (const char* method : {"OPTIONS", "INVITE", "ACK", "CANCEL", "BYE", "REGISTER", "DANCE"}) {
    for (int n = 0; n < kFlood; ++n) receive(text_of(method, n));
    EXPECT_EQ(kept(), 0u) << method;
  }
  for (int n = 0; n < kFlood; ++n) {
    receive(replaced(text_of("MESSAGE", n), "CSeq", "X"));
    receive(text_of("MESSAGE", n).substr(0, 100));
    receive(text_of("MESSAGE", n), "198.51.100.1");
    receive(replaced(text_of("MESSAGE", n), "gw.test", "elsewhere.test"));
  }
  EXPECT_EQ(kept(), 0u);
  has_room_ = false;
  for (int n = 0; n < kFlood; ++n) receive(text_of("MESSAGE", n));
  EXPECT_EQ(kept(), 0u);

  has_room_ = true;
  for (std::size_t n = 0; n < Reception::kMaxCompleted + kFlood; ++n) {
    receive(text_of("MESSAGE", static_cast<int>(n)));
    inbound_.ended(envelopes_.size(), status(200));
    envelopes_.back().Clear();
    responses_.clear();
  }
  EXPECT_EQ(reception_.figures().waiting, 0u);
  EXPECT_LE(reception_.figures().completed, Reception::kMaxCompleted);
  EXPECT_LE(reception_.figures().completed_bytes,
            Reception::kMaxCompleted * sip::ServerTransactions::kBytesEach);
  advance(40s);
  EXPECT_EQ(kept(), 0u);
}

TEST_F(InboundTest, OtherMethodsAsTheSampleHaveARetryAfterToo) {
  sip::Policy as_openser = policy();
  as_openser.unhandled_method_status = 503;
  reception_.set_policy(as_openser);
  receive(replaced(replaced(kHello, "MESSAGE sip", "INFO sip"), "1 MESSAGE", "1 INFO"));
  EXPECT_EQ(said(), "SIP/2.0 503 Service unavailable");
  EXPECT_THAT(last_, HasSubstr("\r\nRetry-After: "));
}

TEST_F(InboundTest, WhileDrainingTheOldIsAnsweredAndTheNewRefused) {
  receive(kHello);
  reception_.drain();
  receive(kHello);  // a copy is still one
  EXPECT_EQ(said(), "");
  receive(replaced(replaced(kHello, "776sgdkse", "x"), "asd88", "x"));
  EXPECT_EQ(said(), "SIP/2.0 503 Service unavailable");
  receive(replaced(replaced(kHello, "MESSAGE sip", "OPTIONS sip"), "1 MESSAGE", "1 OPTIONS"));
  EXPECT_EQ(said(), "SIP/2.0 503 Service unavailable");
  EXPECT_FALSE(inbound_.idle());
  inbound_.ended(1, status(200));
  EXPECT_EQ(said(), "SIP/2.0 200 Accepted");
  EXPECT_TRUE(inbound_.idle());
}

TEST_F(InboundTest, GivingUpAnswersAllThatWaitsAndMayStillBeDelivered) {
  receive(kHello);
  inbound_.give_up();
  EXPECT_EQ(said(), "SIP/2.0 504 No answer in time, the message may have been delivered");
  EXPECT_TRUE(inbound_.idle());
}

TEST_F(InboundTest, TheWayOfAMessageCanBeTraced) {
  receive(kHello);
  clock_.advance(20ms);
  inbound_.ended(1, status(404));
  const auto hops = trace_.find("asd88asd77a@192.0.2.7");
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0]->envelope, "sip-1.1.1");
  EXPECT_EQ(hops[0]->from, "sip:bob@sip.test");
  EXPECT_EQ(hops[0]->trace_id, envelopes_[0].trace_id());
  EXPECT_EQ(hops[0]->outcome, "404 Not found");
  EXPECT_EQ(hops[0]->ended_us - hops[0]->came_us, 20'000);
}

TEST_F(InboundTest, AMessageCanBeInjected) {
  std::vector<std::string> results;
  const auto inject = [&](const char* from, const char* to) {
    inbound_.inject(from, to, "test", [&](const Inbound::Injected& r) {
      results.push_back((r.ok ? "ok " : "no ") + std::to_string(r.trace_id.size()) + " " + r.text);
    });
  };
  inject("sip:op@sip.test", "sip:ann*x.test@gw.test");
  ASSERT_EQ(envelopes_.size(), 1u);
  EXPECT_EQ(envelopes_[0].sip_message().parts(0).alternatives(0).data(), "test");
  inbound_.ended(1, status(200));
  EXPECT_EQ(results, std::vector<std::string>{"ok 16 200 Accepted"});
  EXPECT_TRUE(responses_.empty());

  inject("sip:op@sip.test", "sip:ann*x.test@gw.test");
  inbound_.ended(2, status(404));
  EXPECT_EQ(results.back(), "no 16 404 Not found");
  inject("sip:op@sip.test", "sip:ann@elsewhere.test");
  EXPECT_EQ(results.back(),
            "no 0 404 Not found (sip:ann@elsewhere.test: not an address at this gateway's domain)");
  inject("nobody", "sip:ann*x.test@gw.test");
  EXPECT_THAT(results.back(), HasSubstr("\"nobody\" is no SIP URI"));
  refuses_ = true;
  inject("sip:op@sip.test", "sip:ann*x.test@gw.test");
  EXPECT_EQ(results.back(), "no 0 no mapper is ready");
}

}  // namespace
}  // namespace stox
