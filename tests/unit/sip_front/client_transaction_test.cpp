#include "sip_front/sip/transaction/client_transaction.h"

#include <gtest/gtest.h>

#include "sip_front/sip/transaction/timers.h"
#include "tests/unit/sip_front/sip_text.h"

namespace stox::sip {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

class ClientTransaction : public testing::Test, public ClientUser {
 protected:
  void send_request(const Flow&, std::string_view bytes) override {
    events_.push_back(std::to_string(to_ms(clock_.now() - begin_)) + " send " + std::string(bytes));
  }
  void responded(uint64_t token, const Message& response) override {
    events_.push_back("response " + std::to_string(token) + " " + std::to_string(response.status));
  }
  void timed_out(uint64_t token) override { events_.push_back("timeout " + std::to_string(token)); }
  void transport_failed(uint64_t token, bool may_have_arrived, std::string_view) override {
    events_.push_back("failure " + std::to_string(token) + (may_have_arrived ? ", may have arrived" : ""));
    if (start_on_failure_) start(99, "z9hG4bKnext");
  }

  void start(uint64_t token, const std::string& branch) {
    std::string bytes = branch;
    transactions_.start({token, branch, "192.0.2.1", 5070, Method::kMessage, flow_}, bytes, clock_.now());
  }
  bool receive(uint16_t status, std::string_view branch, std::string_view sent_by = "192.0.2.1:5070",
               std::string_view cseq = "1 MESSAGE") {
    std::string text = "SIP/2.0 " + std::to_string(status) + " x\nVia: SIP/2.0/UDP ";
    text.append(sent_by).append(";branch=").append(branch);
    text.append("\nFrom: sip:a@b;tag=1\nTo: sip:c@d\nCall-ID: i\nCSeq: ").append(cseq).append("\n\n");
    const Datagram d(crlf(text));
    EXPECT_TRUE(d.parsed);
    return transactions_.receive(d.message, clock_.now());
  }
  void advance(Duration d) {
    for (Duration done{0}; done < d; done += 100ms) {
      clock_.advance(std::min<Duration>(100ms, d - done));
      transactions_.turn(clock_.now());
    }
  }
  Lines take() { return std::exchange(events_, {}); }

  ManualClock clock_;
  Time begin_ = clock_.now();
  Flow flow_;
  bool start_on_failure_ = false;
  Lines events_;
  ClientTransactions transactions_{42, *this};
};

TEST_F(ClientTransaction, SendsElevenCopiesOverUdpAndGivesUpAfter32Seconds) {
  start(1, "z9hG4bKa");
  advance(40s);
  Lines wanted;
  for (const char* at :
       {"0", "500", "1500", "3500", "7500", "11500", "15500", "19500", "23500", "27500", "31500"}) {
    wanted.push_back(std::string(at) + " send z9hG4bKa");
  }
  wanted.emplace_back("timeout 1");
  EXPECT_EQ(take(), wanted);
  EXPECT_EQ(transactions_.waiting(), 0u);
  EXPECT_FALSE(receive(200, "z9hG4bKa"));
}

TEST_F(ClientTransaction, EndsWithTheFirstFinalResponseAndSwallowsCopiesUntilTimerK) {
  start(1, "z9hG4bKa");
  EXPECT_TRUE(receive(200, "z9hG4bKa"));
  EXPECT_TRUE(receive(404, "z9hG4bKa"));
  advance(kTimerK - 100ms);
  EXPECT_TRUE(receive(200, "z9hG4bKa"));
  advance(100ms);
  EXPECT_FALSE(receive(200, "z9hG4bKa"));
  advance(40s);
  EXPECT_EQ(take(), (Lines{"0 send z9hG4bKa", "response 1 200"}));
}

TEST_F(ClientTransaction, AProvisionalResponseSlowsRetransmissionDown) {
  start(1, "z9hG4bKa");
  EXPECT_TRUE(receive(100, "z9hG4bKa"));
  advance(9s);
  EXPECT_EQ(take(),
            (Lines{"0 send z9hG4bKa", "500 send z9hG4bKa", "4500 send z9hG4bKa", "8500 send z9hG4bKa"}));
  advance(30s);
  EXPECT_EQ(take().back(), "timeout 1");
}

TEST_F(ClientTransaction, OverTcpSendsOnceAndIsGoneWithTheResponse) {
  flow_.transport = Transport::kTcp;
  flow_.connection = 3;
  start(1, "z9hG4bKa");
  start(2, "z9hG4bKb");
  advance(31s);
  EXPECT_TRUE(receive(200, "z9hG4bKa"));
  EXPECT_FALSE(receive(200, "z9hG4bKa"));
  advance(2s);
  EXPECT_EQ(take(), (Lines{"0 send z9hG4bKa", "0 send z9hG4bKb", "response 1 200", "timeout 2"}));
}

TEST_F(ClientTransaction, IgnoresResponsesThatAreNotItsOwn) {
  start(1, "z9hG4bKa");
  EXPECT_FALSE(receive(200, "z9hG4bKb"));
  EXPECT_FALSE(receive(200, "z9hG4bKa", "192.0.2.1:5070", "1 OPTIONS"));
  EXPECT_FALSE(receive(200, "z9hG4bKa", "192.0.2.9:5070"));
  EXPECT_FALSE(receive(200, "z9hG4bKa", "192.0.2.1"));
  EXPECT_EQ(take(), Lines{"0 send z9hG4bKa"});
}

TEST_F(ClientTransaction, FailsWithItsConnection) {
  flow_.transport = Transport::kTcp;
  flow_.connection = 3;
  start(1, "z9hG4bKa");
  flow_.connection = 4;
  start(2, "z9hG4bKb");
  transactions_.connection_lost(3, false, "");
  EXPECT_EQ(take(), (Lines{"0 send z9hG4bKa", "0 send z9hG4bKb", "failure 1, may have arrived"}));
  EXPECT_EQ(transactions_.waiting(), 1u);
  transactions_.connection_lost(4, true, "");
  EXPECT_EQ(take(), Lines{"failure 2"});
}

TEST_F(ClientTransaction, ACopyThatIsRefusedDoesNotUndoTheFirst) {
  start(1, "z9hG4bKa");
  advance(500ms);
  transactions_.unreachable(flow_.peer, "z9hG4bKa", "");
  EXPECT_EQ(take().back(), "failure 1, may have arrived");
}

TEST_F(ClientTransaction, APeerThatHasGoneMayHaveReadWhatCameBefore) {
  for (const char* branch : {"z9hG4bKa", "z9hG4bKb", "z9hG4bKc", "z9hG4bKd"}) {
    start(transactions_.waiting() + 1, branch);
  }
  receive(100, "z9hG4bKd");
  take();
  transactions_.unreachable(flow_.peer, "z9hG4bKc", "");
  EXPECT_EQ(take(), Lines{"failure 3"});
  transactions_.unreachable(flow_.peer, "SIP/2.0 200 OK", "");
  EXPECT_EQ(take(), Lines{});
  transactions_.unreachable(flow_.peer, "z9hG4b", "");  // all that came back of it
  EXPECT_EQ(take(), Lines{"failure 4, may have arrived"});
  transactions_.unreachable(flow_.peer, "", "");
  EXPECT_EQ(take(), Lines{"failure 2"});
  EXPECT_TRUE(receive(200, "z9hG4bKa"));
  EXPECT_EQ(take(), Lines{"response 1 200"});
}

TEST_F(ClientTransaction, WhatIsWorkedOnHasArrived) {
  start(1, "z9hG4bKa");
  receive(100, "z9hG4bKa");
  transactions_.unreachable(flow_.peer, "z9hG4bKa", "");
  EXPECT_EQ(take().back(), "failure 1, may have arrived");
}

TEST_F(ClientTransaction, WhatIsStartedOnFailureDoesNotFailWithIt) {
  flow_.peer = *Endpoint::parse("192.0.2.7", 5060);
  start(1, "z9hG4bKa");
  start_on_failure_ = true;
  transactions_.unreachable(*Endpoint::parse("192.0.2.7", 5061), "", "");
  transactions_.unreachable(flow_.peer, "", "");
  EXPECT_EQ(take(), (Lines{"0 send z9hG4bKa", "failure 1", "0 send z9hG4bKnext"}));
  EXPECT_TRUE(receive(200, "z9hG4bKnext"));
}

TEST_F(ClientTransaction, AResponseWithMoreThanOurViaIsSomebodyElses) {
  start(1, "z9hG4bKa");
  take();
  const Datagram d(
      crlf("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa\n"
           "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKb\n"
           "From: sip:a@b;tag=1\nTo: sip:c@d\nCall-ID: i\nCSeq: 1 MESSAGE\n\n"));
  ASSERT_TRUE(d.parsed);
  EXPECT_FALSE(transactions_.receive(d.message, clock_.now()));
  EXPECT_EQ(take(), Lines{});
  EXPECT_TRUE(receive(200, "z9hG4bKa"));
}

}  // namespace
}  // namespace stox::sip
