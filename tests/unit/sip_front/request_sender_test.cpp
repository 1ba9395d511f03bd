#include "sip_front/request/request_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/sip_front/sip_text.h"

namespace stox {
namespace {

using namespace std::chrono_literals;
using sip::Method;
using sip::Transport;
using testing::ElementsAre;
using testing::HasSubstr;
using Lines = std::vector<std::string>;
using Why = RequestSender::Failure::Why;

sip::Endpoint endpoint(const char* ip, uint16_t port = 5060) { return *sip::Endpoint::parse(ip, port); }

// Somebody who subscribes, and writes down what he is told.
class Subscriber : public RequestSender::User {
 public:
  void fill(uint64_t token, sip::Request& request) override {
    request.request_uri = remote_target;
    request.from_uri = "sip:ann*x.test@gw.test";
    request.from_tag = "f1";
    request.to_uri = "sip:bob@sip.test";
    request.to_tag = to_tag;
    request.call_id = call_id = "call-" + std::to_string(token);
    request.route_set = route_set;
    request.lines = "Event: presence\r\nExpires: 3600\r\n";
    request.content_type = body.empty() ? "" : "application/pidf+xml";
    request.body = body;
  }
  void goes_to(uint64_t, const sip::Hop& hop) override { hops.push_back(hop.str()); }
  void responded(uint64_t token, RequestSender::FinalResponse answer) override {
    told.push_back(std::to_string(token) + " " + std::to_string(answer.response.status) + " cseq " +
                   std::to_string(answer.cseq) + " " + answer.text);
    from = answer.hop;
    if (!fallback.empty() && answer.response.status == 415) {
      body = std::exchange(fallback, {});
      sender->again(answer.request, answer.cseq + 1);
    }
  }
  void failed(uint64_t token, RequestSender::Failure failure) override {
    told.push_back(std::to_string(token) + " failed cseq " + std::to_string(failure.cseq) + " " +
                   failure.text);
    last = std::move(failure);
  }

  RequestSender* sender = nullptr;
  std::string remote_target = "sip:bob@sip.test", to_tag, call_id, body, fallback;
  Lines route_set, told, hops;
  sip::Hop from;
  RequestSender::Failure last{};
};

class RequestSenderTest : public testing::Test, public sip::Outlet, public RequestSender::HopFinder {
 protected:
  RequestSenderTest() { bob_.sender = &sender_; }
  void find_hops(const RequestSender::Way& way, std::size_t size,
                 std::function<void(sip::Hops)> found) override {
    sought_.push_back(std::string(way.uri) + (way.is_route ? " route" : "") +
                      (way.chosen == sip::NextHop::Chosen::kByTrusted ? " trusted" : ""));
    found(size > RequestSender::kSmall ? large_hops_ : hops_);
  }
  Result<sip::Flow> flow_to(const sip::Hop& hop) override {
    return sip::Flow{hop.transport, 0, sip::is_reliable(hop.transport) ? 7u : 0u, hop.peer};
  }
  sip::SentBy sent_by(const sip::Flow&) const override { return {"192.0.2.1", 5070}; }
  std::string contact(const sip::Flow& flow) const override {
    return flow.transport == Transport::kTcp ? "sip:192.0.2.1:5071;transport=tcp" : "sip:192.0.2.1:5070";
  }
  void send(const sip::Flow& flow, std::string_view bytes) override {
    auto d = std::make_unique<sip::Datagram>(std::string(bytes));
    EXPECT_TRUE(d->parsed) << d->parsed.error().reason << "\n" << bytes;
    sent_.push_back(std::string(d->message.method_text) + " to " + flow.peer.str());
    requests_.push_back(std::move(d));
  }

  void start(uint64_t token = 1, Subscriber* user = nullptr) {
    start_.user = user == nullptr ? &bob_ : user;
    start_.token = token;
    start_.begin_before = clock_.now() + 60s;
    if (start_.way.uri.empty()) start_.way.uri = "sip:bob@sip.test";
    sender_.start(start_);
  }
  void respond(const std::string& status, const std::string& more = {}, std::size_t which = SIZE_MAX) {
    const sip::Message& request = requests_.at(std::min(which, requests_.size() - 1))->message;
    const sip::Datagram d("SIP/2.0 " + status + "\r\nVia: " + std::string(request.via.text) +
                          "\r\nFrom: " + std::string(request.value(sip::HeaderName::kFrom)) +
                          "\r\nTo: " + std::string(request.value(sip::HeaderName::kTo)) +
                          "\r\nCall-ID: " + std::string(request.call_id) + "\r\nCSeq: " +
                          std::string(request.value(sip::HeaderName::kCSeq)) + "\r\n" + more + "\r\n");
    ASSERT_TRUE(d.parsed) << d.parsed.error().reason;
    EXPECT_TRUE(sender_.response(d.message));
  }
  void advance(Duration d) {
    for (; d > Duration(0); d -= 100ms) {
      clock_.advance(100ms);
      sender_.turn();
    }
  }
  std::string header(const std::string& name) const {
    for (const sip::Header& each : last().headers()) {
      if (each.name == name) return std::string(each.value);
    }
    return {};
  }
  Lines sent() { return std::exchange(sent_, {}); }
  Lines told() { return std::exchange(bob_.told, {}); }
  const sip::Message& last() const { return requests_.back()->message; }

  ManualClock clock_;
  sip::Random random_;
  sip::Hops hops_ = std::vector<sip::Hop>{{Transport::kUdp, endpoint("192.0.2.7")}};
  sip::Hops large_hops_ = hops_;
  Lines sent_, sought_;
  std::vector<std::unique_ptr<sip::Datagram>> requests_;
  RequestSender sender_{clock_, random_, *this, *this};
  Subscriber bob_;
  RequestSender::Start start_{.method = Method::kSubscribe, .way = {}, .cseq = 5};
};

TEST_F(RequestSenderTest, SaysWhatItsUserFillsAndTellsTheFinalResponse) {
  start_.with_contact = true;
  start();
  const std::string branch(last().via.branch);
  EXPECT_EQ(requests_[0]->bytes, sip::crlf("SUBSCRIBE sip:bob@sip.test SIP/2.0\n"
                                           "Via: SIP/2.0/UDP 192.0.2.1:5070;branch=" +
                                           branch +
                                           ";rport\n"
                                           "Max-Forwards: 70\n"
                                           "From: <sip:ann*x.test@gw.test>;tag=f1\n"
                                           "To: <sip:bob@sip.test>\n"
                                           "Call-ID: call-1\n"
                                           "CSeq: 5 SUBSCRIBE\n"
                                           "Contact: <sip:192.0.2.1:5070>\n"
                                           "Event: presence\n"
                                           "Expires: 3600\n"
                                           "User-Agent: stox\n"
                                           "Content-Length: 0\n\n"));
  EXPECT_EQ(sender_.waiting(), 1u);
  respond("100 Trying");
  EXPECT_THAT(told(), ElementsAre());
  respond("200 OK");
  EXPECT_THAT(told(), ElementsAre("1 200 cseq 5 from UDP 192.0.2.7:5060"));
  EXPECT_EQ(bob_.from.peer, endpoint("192.0.2.7"));
  EXPECT_THAT(bob_.hops, ElementsAre("UDP 192.0.2.7:5060"));
  EXPECT_EQ(sender_.size(), 0u);
}

TEST_F(RequestSenderTest, TheContactIsOfTheTransportThatItGoesBy) {
  start_.with_contact = true;
  hops_ = std::vector<sip::Hop>{{Transport::kTcp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.8")}};
  start();
  EXPECT_EQ(last().value(sip::HeaderName::kContact), "<sip:192.0.2.1:5071;transport=tcp>");
  sender_.connection_lost(7, true, "");
  EXPECT_EQ(last().value(sip::HeaderName::kContact), "<sip:192.0.2.1:5070>");
  start_.with_contact = false;
  start(2);
  EXPECT_FALSE(last().has(sip::HeaderName::kContact));
}

TEST_F(RequestSenderTest, AChallengeIsAnsweredForItsMethodWithAHigherCSeq) {
  sender_.configure("", {{"sip.test", "gateway", "secret"}}, true);
  start();
  respond("401 Auth", "WWW-Authenticate: Digest realm=\"sip.test\", nonce=\"n\"\r\n");
  EXPECT_THAT(header("Authorization"), HasSubstr("username=\"gateway\""));
  EXPECT_EQ(last().cseq.number, 6u);
  EXPECT_EQ(last().cseq.method, "SUBSCRIBE");
  EXPECT_EQ(last().call_id, requests_[0]->message.call_id);
  respond("202 Accepted");
  EXPECT_THAT(told(), ElementsAre("1 202 cseq 6 from UDP 192.0.2.7:5060"));

  // The same nonce, and another method: another answer.
  const std::string of_subscribe = header("Authorization");
  start_.method = Method::kNotify;
  start(2);
  EXPECT_FALSE(header("Authorization").empty());
  EXPECT_NE(header("Authorization"), of_subscribe);
}

TEST_F(RequestSenderTest, PastTheProxyAPasswordIsForTheRealmsOwnDomain) {
  sender_.configure("", {{"sip.test", "gateway", "secret"}}, true);
  start_.way.is_route = true;
  bob_.remote_target = "sip:bob@192.0.2.9";
  start();
  respond("401 Auth", "WWW-Authenticate: Digest realm=\"sip.test\", nonce=\"n\"\r\n");
  EXPECT_EQ(sent().size(), 1u);
  ASSERT_EQ(bob_.told.size(), 1u);
  EXPECT_THAT(bob_.told[0], HasSubstr("1 401 cseq 5"));
  EXPECT_THAT(bob_.told[0], HasSubstr("the password for realm \"sip.test\""));
}

TEST_F(RequestSenderTest, AnOverloadedServerLeadsToTheNext) {
  hops_ = std::vector<sip::Hop>{{Transport::kUdp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.8")}};
  start();
  respond("503 Busy");
  EXPECT_THAT(told(), ElementsAre());
  respond("200 OK");
  EXPECT_THAT(sent(), ElementsAre("SUBSCRIBE to 192.0.2.7:5060", "SUBSCRIBE to 192.0.2.8:5060"));
  EXPECT_THAT(told(), ElementsAre("1 200 cseq 6 from UDP 192.0.2.8:5060"));
  EXPECT_EQ(bob_.from.peer, endpoint("192.0.2.8"));
}

TEST_F(RequestSenderTest, WhatOneServerSaidIsToldWhenTheOthersAreSilent) {
  hops_ = std::vector<sip::Hop>{{Transport::kUdp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.8")}};
  start();
  respond("503 Busy", "Retry-After: 7\r\n");
  sender_.unreachable(endpoint("192.0.2.8"), {}, "nobody listens there");
  EXPECT_THAT(told(), ElementsAre("1 503 cseq 6 from another server; UDP 192.0.2.8:5060 cannot be reached "
                                  "(nobody listens there)"));
  EXPECT_EQ(bob_.from.peer, endpoint("192.0.2.7"));
}

TEST_F(RequestSenderTest, SilenceIsToldOnce) {
  start();
  advance(40s);
  EXPECT_THAT(told(), ElementsAre("1 failed cseq 5 no answer in 32 s from UDP 192.0.2.7:5060"));
  EXPECT_EQ(bob_.last.why, Why::kTimedOut);
  EXPECT_TRUE(bob_.last.may_have_arrived);
  EXPECT_EQ(sender_.size(), 0u);
}

TEST_F(RequestSenderTest, WhyNoneCameIsTold) {
  hops_ = tl::make_unexpected(sip::NoHop{true, "sip.test does not exist"});
  start(1);
  EXPECT_EQ(bob_.last.why, Why::kNoAddress);
  EXPECT_TRUE(bob_.last.permanent);
  hops_ = tl::make_unexpected(sip::NoHop{true, "none of gateway.sip_domains", true});
  start(2);
  EXPECT_EQ(bob_.last.why, Why::kForbidden);
  hops_ = std::vector<sip::Hop>{{Transport::kTcp, endpoint("192.0.2.7")}};
  start(3);
  sender_.connection_lost(7, true, "refused");
  EXPECT_EQ(bob_.last.why, Why::kUnreachable);
  EXPECT_FALSE(bob_.last.may_have_arrived);
  start(4);
  sender_.connection_lost(7, false, "");
  EXPECT_TRUE(bob_.last.may_have_arrived);
  bob_.remote_target = "sip:bob@sip.test>";
  start(5);
  EXPECT_EQ(bob_.last.why, Why::kUnwritable);
  EXPECT_EQ(bob_.told.size(), 5u);
  EXPECT_EQ(sender_.size(), 0u);
}

TEST_F(RequestSenderTest, WithinADialogItFollowsItsRoutesAndNotTheProxys) {
  sender_.configure("sip:192.0.2.99;lr", {}, true);
  bob_.to_tag = "t2";
  bob_.remote_target = "sip:bob@10.0.0.5:40000";
  bob_.route_set = {"<sip:p1.test;lr>", "<sip:p2.test;lr;x=\"1,2\">"};
  start_.method = Method::kNotify;
  start_.way = {"sip:p1.test;lr", true, sip::NextHop::Chosen::kByTrusted};
  start();
  EXPECT_THAT(sought_, ElementsAre("sip:p1.test;lr route trusted"));
  EXPECT_EQ(last().request_uri, "sip:bob@10.0.0.5:40000");
  EXPECT_EQ(last().to.tag, "t2");
  Lines routes;
  last().each_value(sip::HeaderName::kRoute, [&](std::string_view route) {
    routes.emplace_back(route);
    return true;
  });
  EXPECT_EQ(routes, bob_.route_set);

  bob_.route_set.clear();  // without any the proxy has its part
  start_.way = {bob_.remote_target, false, sip::NextHop::Chosen::kByTrusted};
  start(2);
  EXPECT_EQ(last().value(sip::HeaderName::kRoute), "<sip:192.0.2.99;lr>");
}

TEST_F(RequestSenderTest, WhatTurnsOutToBeLargeIsLookedForAgain) {
  large_hops_ = std::vector<sip::Hop>{{Transport::kTcp, endpoint("192.0.2.7")}};
  bob_.body = std::string(1400, 'x');
  start();
  ASSERT_EQ(sent().size(), 1u);
  EXPECT_EQ(last().via.transport, "TCP");
  EXPECT_EQ(last().value(sip::HeaderName::kContentType), "application/pidf+xml");
  respond("200 OK");
  large_hops_ = std::vector<sip::Hop>{{Transport::kUdp, endpoint("192.0.2.7")}};
  start(2);
  EXPECT_THAT(sent(), ElementsAre());
  EXPECT_EQ(bob_.last.why, Why::kTooLarge);
}

TEST_F(RequestSenderTest, WhatAServerSaidIsForgottenWhenOthersAreLookedFor) {
  hops_ = std::vector<sip::Hop>{{Transport::kTcp, endpoint("192.0.2.6")},
                                {Transport::kUdp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.8")}};
  large_hops_ = std::vector<sip::Hop>{{Transport::kTcp, endpoint("192.0.2.9")}};
  start();
  sender_.connection_lost(7, true, "refused");
  bob_.body = std::string(1400, 'x');  // it has grown
  respond("503 Busy");
  EXPECT_EQ(sent().back(), "SUBSCRIBE to 192.0.2.9:5060");
  sender_.connection_lost(7, true, "refused");
  EXPECT_EQ(told().size(), 1u);
  EXPECT_EQ(bob_.last.why, Why::kTooLarge);
}

TEST_F(RequestSenderTest, AnotherFormGoesToTheSameHop) {
  bob_.body = "rich";
  bob_.fallback = "plain";
  hops_ = std::vector<sip::Hop>{{Transport::kUdp, endpoint("192.0.2.7")},
                                {Transport::kUdp, endpoint("192.0.2.8")}};
  start();
  respond("503 Busy");
  respond("415 Unsupported");
  EXPECT_EQ(last().body, "plain");
  EXPECT_EQ(last().cseq.number, 7u);
  respond("200 OK");
  EXPECT_EQ(sent().back(), "SUBSCRIBE to 192.0.2.8:5060");
  EXPECT_EQ(told().back(), "1 200 cseq 7 from UDP 192.0.2.8:5060");
  EXPECT_EQ(sought_.size(), 1u);
  EXPECT_EQ(sender_.size(), 0u);
}

TEST_F(RequestSenderTest, GivingUpEndsTheRequestsOfOneUserWithoutAWord) {
  Subscriber eve;
  start(1);
  start(2, &eve);
  sent();
  sender_.give_up(bob_);
  EXPECT_EQ(sender_.waiting(), 1u);
  advance(10s);
  EXPECT_EQ(sender_.size(), 1u);
  EXPECT_FALSE(sent().empty()) << "hers is sent again";
  respond("200 OK", "", 0);  // too late
  respond("200 OK", "", 1);
  EXPECT_THAT(told(), ElementsAre());
  EXPECT_THAT(eve.told, ElementsAre("2 200 cseq 5 from UDP 192.0.2.7:5060"));
}

TEST_F(RequestSenderTest, StatusesAreCountedByMethod) {
  start(1);
  respond("200 OK");
  start_.method = Method::kNotify;
  start(2);
  respond("481 Gone");
  std::vector<service::Metric> metrics;
  sender_.add_metrics(metrics);
  Lines shown;
  for (const service::Metric& each : metrics) {
    if (each.name == "stox_sip_sent_total")
      shown.push_back(each.labels.at(0).second + " " + each.labels.at(1).second);
  }
  EXPECT_THAT(shown, ElementsAre("NOTIFY 481", "SUBSCRIBE 200"));
}

}  // namespace
}  // namespace stox
