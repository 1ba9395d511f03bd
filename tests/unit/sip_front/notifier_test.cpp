#include "sip_front/sip/subscription/notifier.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/sip_front/sip_text.h"

namespace stox::sip {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = Notifier::Kind;
using Reason = SubscriptionState::Reason;

const std::string kSubscribe = crlf(
    "SUBSCRIBE sip:juliet*x.test@gw.test SIP/2.0\n"
    "Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK776sgdkse;rport\n"
    "Record-Route: <sip:192.0.2.1;lr;x=1>, <sip:192.0.2.2;lr>\n"
    "Max-Forwards: 70\n"
    "From: <sip:romeo@sip.test>;tag=49583\n"
    "To: <sip:juliet*x.test@gw.test>\n"
    "Call-ID: asd88asd77a@192.0.2.7\n"
    "CSeq: 5 SUBSCRIBE\n"
    "Contact: <sip:romeo@192.0.2.7:5060>\n"
    "Event: presence;id=7\n"
    "Expires: 600\n"
    "\n");

class NotifierTest : public ::testing::Test, protected NotifierUser {
 protected:
  struct Sent {
    Id id;
    std::string lines, body, type, call_id;
    uint32_t cseq;
  };

  std::string body_of(Id, Occasion occasion) override {
    return occasion == Occasion::kUnsubscribed ? "closed" : known_;
  }
  void send_notify(Id id, const Notify& notify) override {
    sent_.push_back({id, std::string(notify.lines), std::string(notify.body), std::string(notify.type),
                     notify.dialog.call_id, notify.dialog.local_cseq});
  }
  void gone(Id, std::string_view why) override { gone_.emplace_back(why); }

  Notifier::Taken take(const std::string& text, std::string_view tag = "ours",
                       std::string_view subscriber = "romeo") {
    const Datagram request(text);
    EXPECT_TRUE(request.parsed) << text;
    return notifier_.take(request.message, tag, {"juliet", subscriber, ""}, now_);
  }
  // Of the dialog that kSubscribe began.
  static std::string in_dialog(int cseq, int expires, std::string_view tag = "ours") {
    std::string text =
        replaced(kSubscribe, "@gw.test>\r\nCall", "@gw.test>;tag=" + std::string(tag) + "\r\nCall");
    text = replaced(text, "CSeq: 5", "CSeq: " + std::to_string(cseq));
    return replaced(text, "Expires: 600", "Expires: " + std::to_string(expires));
  }
  void answer(Id id, int status, std::string_view more = {}) {
    const Datagram response(
        crlf("SIP/2.0 " + std::to_string(status) +
             " As It Is\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\n"
             "From: <sip:juliet*x.test@gw.test>;tag=ours\nTo: <sip:romeo@sip.test>;tag=49583\n"
             "Call-ID: asd88asd77a@192.0.2.7\nCSeq: 1 NOTIFY\n" +
             std::string(more) + "\n"));
    ASSERT_TRUE(response.parsed);
    notifier_.answered(id, response.message, now_);
  }
  void pass(Duration time) { notifier_.turn(now_ += time); }
  // One whose first NOTIFY has been answered.
  Id active() {
    const auto taken = take(kSubscribe);
    notifier_.activate(taken.id, now_);
    pass(seconds(0));
    answer(taken.id, 200);
    sent_.clear();
    return taken.id;
  }

  std::string known_ = "open";
  std::vector<Sent> sent_;
  std::vector<std::string> gone_;
  Time now_ = from_us(1'000'000'000);
  Notifier notifier_{"presence", "application/pidf+xml", 1000, *this};
};

TEST_F(NotifierTest, TheAnswerComesFirstAndIsFollowedByANotifyOfThePendingStateWithoutABody) {
  const auto taken = take(kSubscribe);
  EXPECT_EQ(taken.kind, Kind::kNew);
  EXPECT_EQ(taken.status, 200);
  EXPECT_EQ(taken.lines,
            "Record-Route: <sip:192.0.2.1;lr;x=1>\r\nRecord-Route: <sip:192.0.2.2;lr>\r\nExpires: 600\r\n");
  EXPECT_TRUE(sent_.empty());
  pass(seconds(0));
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].lines, "Event: presence;id=7\r\nSubscription-State: pending;expires=600\r\n");
  EXPECT_EQ(sent_[0].body + sent_[0].type, "");
  EXPECT_EQ(sent_[0].cseq, 1u);
}

TEST_F(NotifierTest, WhatCannotBeTakenIsRefused) {
  EXPECT_EQ(take(replaced(kSubscribe, "Event: presence;id=7\r\n", "")).status, 489);
  const auto event = take(replaced(kSubscribe, "presence;id=7", "dialog"));
  EXPECT_EQ(event.status, 489);
  EXPECT_EQ(event.lines, "Allow-Events: presence\r\n");
  const auto brief = take(replaced(kSubscribe, "Expires: 600", "Expires: 59"));
  EXPECT_EQ(brief.status, 423);
  EXPECT_EQ(brief.lines, "Min-Expires: 60\r\n");
  EXPECT_EQ(take(replaced(kSubscribe, "Contact: <sip:romeo@192.0.2.7:5060>\r\n", "")).status, 400);
  EXPECT_EQ(take(in_dialog(6, 600, "unknown")).status, 481);
  EXPECT_EQ(notifier_.size(), 0u);
}

TEST_F(NotifierTest, ALongExpiryIsShortenedAndNoneIsAnHour) {
  EXPECT_TRUE(
      take(replaced(kSubscribe, "Expires: 600", "Expires: 100000")).lines.ends_with("Expires: 3600\r\n"));
  EXPECT_TRUE(
      take(replaced(kSubscribe, "Expires: 600\r\n", ""), "other").lines.ends_with("Expires: 3600\r\n"));
}

TEST_F(NotifierTest, OneNotifyAtATimeAndTheNewestStateWaits) {
  const Id id = take(kSubscribe).id;
  notifier_.activate(id, now_);
  pass(seconds(0));
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].body, "open");
  EXPECT_EQ(sent_[0].type, "application/pidf+xml");
  for (const char* state : {"away", "busy"}) {
    known_ = state;
    notifier_.notify(id, now_);
    pass(seconds(6));
  }
  EXPECT_EQ(sent_.size(), 1u) << "the first has no answer";
  answer(id, 200);
  pass(seconds(0));
  ASSERT_EQ(sent_.size(), 2u);
  EXPECT_EQ(sent_[1].body, "busy");
  EXPECT_EQ(sent_[1].cseq, 2u);
  EXPECT_NE(sent_[1].lines.find("active;expires=588"), std::string::npos);
}

TEST_F(NotifierTest, ChangesGoOutAtMostOnceInFiveSeconds) {
  const Id id = active();
  known_ = "away";
  notifier_.notify(id, now_);
  pass(milliseconds(4999));
  EXPECT_TRUE(sent_.empty());
  pass(milliseconds(1));
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].body, "away");
}

TEST_F(NotifierTest, AStateFollowsAnApprovalOfWhichNothingWasKnownAtOnce) {
  known_ = "";
  const Id id = active();
  known_ = "open";
  notifier_.notify(id, now_);
  pass(seconds(0));
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].body, "open");
}

TEST_F(NotifierTest, ARefreshIsAnsweredAndToldTheStateAtOnce) {
  const Id id = active();
  pass(seconds(1));
  const auto taken = take(replaced(in_dialog(6, 300), "romeo@192.0.2.7", "romeo@192.0.2.8"));
  EXPECT_EQ(taken.kind, Kind::kRefreshed);
  EXPECT_EQ(taken.status, 200);
  pass(seconds(0));
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_NE(sent_[0].lines.find("active;expires=300"), std::string::npos);
  EXPECT_EQ(notifier_.find(id)->dialog.remote_target, "sip:romeo@192.0.2.8:5060");
}

TEST_F(NotifierTest, ARequestOutOfOrderIsAnswered500) {
  active();
  EXPECT_EQ(take(in_dialog(5, 600)).status, 500);
  EXPECT_EQ(take(in_dialog(4, 600)).status, 500);
  EXPECT_EQ(take(in_dialog(9, 600)).status, 200);
}

TEST_F(NotifierTest, AnotherEventIdIsNotThisSubscription) {
  active();
  EXPECT_EQ(take(replaced(in_dialog(6, 600), "id=7", "id=8")).status, 481);
}

TEST_F(NotifierTest, WhoWantsNoMoreGetsALastNotify) {
  active();
  EXPECT_EQ(take(in_dialog(6, 0)).kind, Kind::kUnsubscribed);
  pass(seconds(0));
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_NE(sent_[0].lines.find("terminated;reason=timeout\r\n"), std::string::npos);
  EXPECT_EQ(sent_[0].body, "closed");
  EXPECT_EQ(gone_, std::vector<std::string>{"timeout"});
  EXPECT_EQ(take(in_dialog(7, 600)).status, 481);
}

TEST_F(NotifierTest, AFetchIsToldOnce) {
  const auto taken = take(replaced(kSubscribe, "Expires: 600", "Expires: 0"));
  EXPECT_EQ(taken.kind, Kind::kFetched);
  EXPECT_TRUE(taken.lines.ends_with("Expires: 0\r\n"));
  pass(seconds(0));
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_NE(sent_[0].lines.find("terminated;reason=timeout\r\n"), std::string::npos);
  EXPECT_EQ(sent_[0].body, "open");
  EXPECT_EQ(notifier_.size(), 0u);
}

TEST_F(NotifierTest, WhatNobodyRefreshesEnds) {
  active();
  pass(seconds(599));
  EXPECT_TRUE(sent_.empty());
  pass(seconds(1));
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_NE(sent_[0].lines.find("terminated;reason=timeout\r\n"), std::string::npos);
  EXPECT_EQ(sent_[0].body, "");
  EXPECT_EQ(notifier_.size(), 0u);
}

TEST_F(NotifierTest, ARefreshLeavesNothingOfTheExpiryBefore) {
  const Id id = active();
  pass(seconds(100));
  take(in_dialog(6, 600));
  pass(seconds(0));
  answer(id, 200);
  EXPECT_EQ(notifier_.turn(now_), now_ + seconds(600));
}

TEST_F(NotifierTest, AnEndWaitsForTheNotifyUnderWay) {
  const Id id = take(kSubscribe).id;
  pass(seconds(0));
  notifier_.terminate(id, Reason::kGiveup, now_, 600);
  pass(seconds(0));
  EXPECT_EQ(sent_.size(), 1u);
  EXPECT_EQ(take(in_dialog(6, 600)).status, 481) << "it has ended";
  answer(id, 200);
  pass(seconds(0));
  ASSERT_EQ(sent_.size(), 2u);
  EXPECT_NE(sent_[1].lines.find("terminated;reason=giveup;retry-after=600\r\n"), std::string::npos);
}

TEST_F(NotifierTest, WhoseNotifyIsRefusedOrUnansweredIsGoneSilently) {
  for (const int status : {481, 404, 405, 410, 416, 480, 482, 483, 484, 485, 489, 501, 604, 0}) {
    const Id id = take(kSubscribe).id;
    pass(seconds(0));
    sent_.clear();
    if (status == 0) {
      notifier_.unanswered(id);
    } else {
      answer(id, status);
    }
    pass(seconds(0));
    EXPECT_EQ(notifier_.size(), 0u) << status;
    EXPECT_TRUE(sent_.empty()) << status;
  }
}

TEST_F(NotifierTest, OtherRefusalsEndNothing) {
  const Id id = take(kSubscribe).id;
  pass(seconds(0));
  answer(id, 488);
  EXPECT_EQ(notifier_.size(), 1u);
}

TEST_F(NotifierTest, AnOverloadedWatcherIsToldLater) {
  const Id id = take(kSubscribe).id;
  pass(seconds(0));
  answer(id, 503, "Retry-After: 20\n");
  pass(seconds(19));
  EXPECT_EQ(sent_.size(), 1u);
  pass(seconds(1));
  EXPECT_EQ(sent_.size(), 2u);
  notifier_.undelivered(id, now_);
  pass(Notifier::kAgain);
  EXPECT_EQ(sent_.size(), 3u) << "there was no way to it";
}

TEST_F(NotifierTest, OneResourceHasABoundedNumber) {
  for (std::size_t i = 0; i < Notifier::kMaxOfOne; ++i)
    ASSERT_EQ(take(kSubscribe, std::to_string(i), "romeo" + std::to_string(i)).status, 200);
  const auto refused = take(kSubscribe, "more");
  EXPECT_EQ(refused.status, 480);
  EXPECT_GT(refused.retry_after_s, 0u);
  EXPECT_EQ(take(in_dialog(6, 600, "1")).status, 200) << "a refresh is none more";
}

TEST_F(NotifierTest, OneSubscriberLeavesRoomForOthersAndHisOldestGivesWay) {
  for (std::size_t i = 0; i < Notifier::kMaxOfOne; ++i)
    ASSERT_EQ(take(kSubscribe, std::to_string(i)).status, 200);
  EXPECT_EQ(gone_.size(), Notifier::kMaxOfOne - Notifier::kMaxOfPair);
  EXPECT_EQ(notifier_.size(), Notifier::kMaxOfPair);
  EXPECT_EQ(take(kSubscribe, "another's", "paris").status, 200);
  pass(seconds(0));
  EXPECT_EQ(sent_.size(), Notifier::kMaxOfPair + 1) << "who gave way is told nothing";
  EXPECT_EQ(take(in_dialog(6, 600, "0")).status, 481);
  EXPECT_EQ(take(in_dialog(6, 600, "199")).status, 200);
  EXPECT_EQ(take(in_dialog(6, 600, "190")).status, 200);
  EXPECT_EQ(take(in_dialog(6, 600, "189")).status, 481);
}

TEST_F(NotifierTest, AFetchTakesNoSubscriptionsPlace) {
  for (std::size_t i = 0; i < Notifier::kMaxOfPair; ++i) take(kSubscribe, std::to_string(i));
  EXPECT_EQ(take(replaced(kSubscribe, "Expires: 600", "Expires: 0"), "fetch").kind, Kind::kFetched);
  pass(seconds(0));
  EXPECT_EQ(take(in_dialog(6, 600, "0")).status, 200);
}

TEST_F(NotifierTest, AllTogetherAreBounded) {
  Notifier small("presence", "application/pidf+xml", 2, *this);
  const Datagram request(kSubscribe);
  EXPECT_EQ(small.take(request.message, "1", {"a", "s", ""}, now_).status, 200);
  EXPECT_EQ(small.take(request.message, "2", {"b", "s", ""}, now_).status, 200);
  const auto refused = small.take(request.message, "3", {"c", "s", ""}, now_);
  EXPECT_EQ(refused.status, 503);
  EXPECT_GT(refused.retry_after_s, 0u);
}

TEST_F(NotifierTest, TheNextProcessGoesOnWithAHigherCSeq) {
  const Id id = active();
  Subscription kept = *notifier_.find(id);
  Notifier next("presence", "application/pidf+xml", 1000, *this);
  const Id restored = next.restore(kept, "romeo");
  next.turn(now_);
  EXPECT_TRUE(sent_.empty()) << "nothing new is known";
  const Datagram refresh(in_dialog(6, 600));
  EXPECT_EQ(next.take(refresh.message, "", {}, now_).status, 200);
  next.turn(now_);
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].id, restored);
  EXPECT_EQ(sent_[0].cseq, kept.dialog.local_cseq + 1001);
  EXPECT_NE(sent_[0].lines.find("active;"), std::string::npos);
}

TEST_F(NotifierTest, ACSeqThatItsSenderUsedUpIsNotUsedAgain) {
  const Id id = active();
  notifier_.used_cseq(id, 5);
  take(in_dialog(6, 600));
  pass(seconds(0));
  EXPECT_EQ(sent_.at(0).cseq, 6u);
}

}  // namespace
}  // namespace stox::sip
