#include "sip_front/sip/transaction/server_transaction.h"

#include <gtest/gtest.h>

#include "sip_front/sip/transaction/timers.h"
#include "tests/unit/sip_front/sip_text.h"

namespace stox::sip {
namespace {

using namespace std::chrono_literals;
using Match = ServerTransactions::Match;

// Writes down what is sent: "STATUS to ADDRESS:PORT".
struct Sent : FlowSender {
  void send(const Flow& flow, std::string_view bytes) override {
    sent.push_back(std::string(bytes.substr(8, 3)) + " to " + flow.peer.str());
    last = bytes;
  }
  std::vector<std::string> take() { return std::exchange(sent, {}); }
  std::vector<std::string> sent;
  std::string last;
};

using Lines = std::vector<std::string>;

class ServerTransaction : public testing::Test {
 protected:
  struct Receipt {
    Match match;
    Id id;
  };
  Receipt receive(ServerTransactions& transactions, const std::string& text) {
    Datagram d(text);
    EXPECT_TRUE(d.parsed);
    const Match match = transactions.match(d.message, flow_);
    return {match, match == Match::kNew ? transactions.open(d.message, flow_, clock_.now()) : Id{}};
  }
  Receipt receive(const std::string& text, uint16_t from_port = 40000) {
    flow_.peer = *Endpoint::parse("192.0.2.7", from_port);
    return receive(transactions_, text);
  }
  void respond(Id id, uint16_t status) { transactions_.respond(id, status, {}, {}, clock_.now()); }
  void advance(Duration d) {  // in small steps, as timers fire one after the other
    for (Duration done{0}; done < d; done += 100ms) {
      clock_.advance(std::min<Duration>(100ms, d - done));
      transactions_.turn(clock_.now());
    }
  }

  ManualClock clock_;
  Flow flow_;
  Sent sent_;
  ServerTransactions transactions_{1000, 42, {4, 2}, sent_};
};

TEST_F(ServerTransaction, AnswersOnceAndAbsorbsCopies) {
  const auto first = receive(kHello);
  ASSERT_EQ(first.match, Match::kNew);
  EXPECT_EQ(receive(kHello).match, Match::kCopy);  // Trying: silence
  EXPECT_EQ(sent_.take(), Lines{});
  respond(first.id, 200);
  EXPECT_EQ(sent_.take(), Lines{"200 to 192.0.2.7:40000"});
  const std::string response = sent_.last;
  EXPECT_EQ(receive(kHello).match, Match::kCopy);  // Completed: the same bytes again
  EXPECT_EQ(sent_.take(), Lines{"200 to 192.0.2.7:40000"});
  EXPECT_EQ(sent_.last, response);
  respond(first.id, 404);  // a second final response is ignored
  EXPECT_EQ(sent_.take(), Lines{});
  EXPECT_EQ(transactions_.copies(), 2u);
}

TEST_F(ServerTransaction, Says100AfterThreeAndAHalfSecondsAndAgainToCopies) {
  const auto first = receive(kHello);
  advance(3400ms);
  EXPECT_EQ(sent_.take(), Lines{});
  advance(100ms);
  EXPECT_EQ(sent_.take(), Lines{"100 to 192.0.2.7:40000"});
  EXPECT_EQ(sent_.last.find(";tag=4958"), sent_.last.find(";tag="));  // From's only
  EXPECT_EQ(receive(kHello).match, Match::kCopy);
  EXPECT_EQ(sent_.take(), Lines{"100 to 192.0.2.7:40000"});
  respond(first.id, 504);
  EXPECT_EQ(sent_.take(), Lines{"504 to 192.0.2.7:40000"});
}

TEST_F(ServerTransaction, AnsweredInTimeSaysNo100) {
  respond(receive(kHello).id, 200);
  sent_.take();
  advance(5s);
  EXPECT_EQ(sent_.take(), Lines{});
}

TEST_F(ServerTransaction, ForgetsAtTimerJ) {
  respond(receive(kHello).id, 200);
  advance(kTimerJ - 100ms);
  EXPECT_EQ(receive(kHello).match, Match::kCopy);
  EXPECT_EQ(transactions_.completed(), 1u);
  advance(100ms);
  EXPECT_EQ(transactions_.completed(), 0u);
  EXPECT_EQ(receive(kHello).match, Match::kNew);
}

TEST_F(ServerTransaction, OnReliableTransportsIsGoneWithTheAnswer) {
  flow_.transport = Transport::kTcp;
  flow_.connection = 7;
  respond(receive(kHello).id, 200);
  EXPECT_EQ(sent_.take(), Lines{"200 to 192.0.2.7:5060"});  // where to connect if the connection is gone
  EXPECT_EQ(transactions_.completed(), 0u);
  EXPECT_EQ(receive(kHello).match, Match::kNew);
}

TEST_F(ServerTransaction, AnswersToTheSentByPortWithoutRport) {
  respond(receive(replaced(kHello, ";rport", "")).id, 200);
  EXPECT_EQ(sent_.take(), Lines{"200 to 192.0.2.7:5060"});
  respond(receive(replaced(replaced(replaced(kHello, ":5060;", ":5099;"), ";rport", ""), "asd88", "b")).id,
          200);
  EXPECT_EQ(sent_.take(), Lines{"200 to 192.0.2.7:5099"});
}

TEST_F(ServerTransaction, AnswersToTheMaddrOfTheTopViaOverUdp) {
  int n = 0;
  const auto answered = [&](std::string_view sent_by, std::string_view params) {
    const std::string id = std::to_string(++n);
    std::string via(sent_by);
    via.append(";branch=z9hG4bK").append(id).append(params);
    const std::string request = replaced(kHello, "192.0.2.7:5060;branch=z9hG4bK776sgdkse;rport", via);
    respond(receive(replaced(request, "asd88asd77a", id)).id, 200);
    return sent_.take();
  };
  EXPECT_EQ(answered("a.test:5099", ";maddr=10.9.9.9;rport"), Lines{"200 to 10.9.9.9:5099"});
  EXPECT_EQ(answered("a.test", ";maddr=10.9.9.9"), Lines{"200 to 10.9.9.9:5060"});
  EXPECT_EQ(answered("b.test", ";maddr=x.test;rport"), Lines{"200 to 192.0.2.7:40000"});  // no address
  EXPECT_EQ(answered("c.test", ";maddr=[2001:db8::1]"), Lines{"200 to 192.0.2.7:5060"});  // out of reach
  flow_.transport = Transport::kTcp;
  EXPECT_EQ(answered("d.test:5099", ";maddr=10.9.9.9"), Lines{"200 to 192.0.2.7:5099"});
}

TEST(ResponseFlow, OfV6GoesToAMaddrInBracketsToo) {
  const Flow flow{Transport::kUdp, 0, 0, *Endpoint::parse("2001:db8::7", 40000)};
  const auto via = parse_via("SIP/2.0/UDP [2001:db8::7];maddr=[2001:db8::9];branch=z9hG4bK1");
  ASSERT_TRUE(via);
  EXPECT_EQ(response_flow(flow, *via, true).peer.str(), "[2001:db8::9]:5060");
}

TEST_F(ServerTransaction, FollowsAClientToItsNewPort) {
  const auto first = receive(kHello);
  receive(kHello, 40001);
  respond(first.id, 200);
  EXPECT_EQ(sent_.take(), Lines{"200 to 192.0.2.7:40001"});
}

TEST_F(ServerTransaction, IsIdentifiedByBranchSentByAndMethod) {
  const auto other = [&](std::string_view what, std::string_view with) {
    return receive(replaced(replaced(kHello, "Call-ID: a", "Call-ID: b"), what, with)).match;
  };
  receive(kHello);
  EXPECT_EQ(other("", ""), Match::kCopy);  // what else differs does not matter
  EXPECT_EQ(other("192.0.2.7:5060", "192.0.2.8"), Match::kNew);
  EXPECT_EQ(other("192.0.2.7:5060", "192.0.2.8:5060"), Match::kCopy);  // the default port
}

TEST_F(ServerTransaction, OfRfc2543IsIdentifiedByItsHeaders) {
  for (const char* branch : {"branch=1", "branch=z9hG4bK", "ttl=9"}) {
    const std::string old = replaced(replaced(kHello, "branch=z9hG4bK776sgdkse;rport", branch), "asd88asd77a",
                                     std::to_string(std::string_view(branch).size()));
    EXPECT_EQ(receive(old).match, Match::kNew) << branch;
    EXPECT_EQ(receive(old).match, Match::kCopy) << branch;
    EXPECT_EQ(receive(replaced(old, "gw.test>", "gw.test>;tag=5")).match, Match::kNew) << branch;
  }
}

TEST_F(ServerTransaction, FindsMergedRequests) {
  receive(kHello);
  const std::string other_branch = replaced(kHello, "776sgdkse", "other");
  EXPECT_EQ(receive(other_branch).match, Match::kMerged);
  EXPECT_EQ(receive(replaced(other_branch, "sip:ann*", "sip:eve*")).match, Match::kMerged);
  EXPECT_EQ(receive(replaced(other_branch, "\r\n\r\nhello", "\r\n\r\nworld")).match, Match::kReused);
  EXPECT_EQ(receive(replaced(other_branch, "CSeq: 1", "CSeq: 2")).match, Match::kNew);
}

TEST_F(ServerTransaction, WhatWasRefusedForNowMayComeAgain) {
  const std::string again = replaced(kHello, "776sgdkse", "again");
  const Id refused = receive(kHello).id;
  EXPECT_EQ(receive(replaced(kHello, "776sgdkse", "other")).match, Match::kMerged);
  respond(refused, 503);
  const auto taken = receive(again);
  EXPECT_EQ(taken.match, Match::kNew);
  EXPECT_EQ(receive(kHello).match, Match::kCopy);
  respond(taken.id, 200);
  EXPECT_EQ(receive(replaced(kHello, "776sgdkse", "other")).match, Match::kMerged);
  advance(40s);
  EXPECT_EQ(receive(again).match, Match::kNew);
}

TEST_F(ServerTransaction, ARequestWithAToTagIsNeverMerged) {
  receive(kHello);
  EXPECT_EQ(receive(replaced(replaced(kHello, "776sgdkse", "other"), "gw.test>", "gw.test>;tag=1")).match,
            Match::kNew);
}

TEST_F(ServerTransaction, KnowsWhatACancelMeans) {
  const std::string cancel = replaced(replaced(kHello, "MESSAGE sip", "CANCEL sip"), "1 MESSAGE", "1 CANCEL");
  const Datagram d(cancel);
  ASSERT_TRUE(d.parsed);
  EXPECT_FALSE(transactions_.has_cancelled(d.message));
  receive(kHello);
  EXPECT_TRUE(transactions_.has_cancelled(d.message));
  EXPECT_FALSE(transactions_.has_cancelled(Datagram(replaced(cancel, "776sgdkse", "x")).message));
}

TEST_F(ServerTransaction, WhatIsNotOpenedIsNotRemembered) {
  const Datagram d(kHello);
  EXPECT_EQ(transactions_.match(d.message, flow_), Match::kNew);
  EXPECT_EQ(transactions_.waiting(), 0u);
  EXPECT_EQ(receive(kHello).match, Match::kNew);
}

TEST_F(ServerTransaction, TheOldestCompletedGiveWayAtTheCap) {
  ServerTransactions small(2, 42, {4, 2}, sent_);
  const auto nth = [](int n) {
    return replaced(replaced(kHello, "776sgdkse", std::to_string(n)), "asd88asd77a", "c" + std::to_string(n));
  };
  std::vector<Id> ids;
  for (int n = 0; n < 4; ++n) {
    ids.push_back(receive(small, nth(n)).id);
  }
  for (int n = 0; n < 3; ++n) small.respond(ids[static_cast<std::size_t>(n)], 200, {}, {}, clock_.now());
  EXPECT_EQ(small.completed(), 2u);
  EXPECT_EQ(small.waiting(), 1u);
  EXPECT_EQ(small.crowded_out(), 1u);
  EXPECT_EQ(receive(small, nth(0)).match, Match::kNew);
  for (int n = 1; n < 4; ++n) {
    EXPECT_EQ(receive(small, nth(n)).match, Match::kCopy) << n;
  }
}

TEST_F(ServerTransaction, LongOnesGiveWaySooner) {
  ServerTransactions small(20, 42, {4, 2}, sent_);
  const auto nth = [](int n) {
    return replaced(
        replaced(replaced(kHello, "776sgdkse", std::to_string(n)), "asd88asd77a", "c" + std::to_string(n)),
        "\"Bob", "\"" + std::string(4000, 'x'));
  };
  for (int n = 0; n < 100; ++n) small.respond(receive(small, nth(n)).id, 200, {}, {}, clock_.now());
  EXPECT_LE(small.completed_bytes(), 20 * ServerTransactions::kBytesEach);
  EXPECT_GT(small.completed(), 0u);
  EXPECT_EQ(small.completed() + small.crowded_out(), 100u);
  EXPECT_EQ(receive(small, nth(99)).match, Match::kCopy);
}

TEST_F(ServerTransaction, ThousandsComeAndGo) {
  flow_.transport = Transport::kTcp;  // gone with the answer
  std::vector<std::pair<std::string, Id>> live;
  for (int n = 0; n < 5000; ++n) {
    const std::string text =
        replaced(replaced(kHello, "776sgdkse", std::to_string(n)), "asd88asd77a", std::to_string(n));
    live.emplace_back(text, receive(text).id);
    if (n % 3 == 0) respond(live.back().second, 200);
  }
  for (int n = 0; n < 5000; ++n) {
    EXPECT_EQ(receive(live[static_cast<std::size_t>(n)].first).match, n % 3 == 0 ? Match::kNew : Match::kCopy)
        << n;
  }
  EXPECT_EQ(transactions_.waiting(), 5000u);
}

}  // namespace
}  // namespace stox::sip
