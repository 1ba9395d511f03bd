#include "sip_front/sip/subscription/subscriber.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/sip_front/subscription_text.h"

namespace stox::sip {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

struct Asked {
  uint64_t token;
  Dialog dialog;
  uint32_t expires_s;
};

struct Scene : SubscribeSender, SubscriberUser {
  void subscribe(uint64_t token, const Request& request) override {
    asked.push_back({token, request.dialog, request.expires_s});
    EXPECT_EQ(request.package, "presence");
    EXPECT_EQ(request.accept, "application/pidf+xml");
  }
  void notified(uint64_t, bool active, std::string_view type, std::string_view body) override {
    said.push_back(std::string(active ? "active" : "pending") + (type.empty() ? "" : " ") +
                   std::string(type) + (body.empty() ? "" : " ") + std::string(body));
  }
  void interrupted(uint64_t, Reason reason) override {
    said.push_back("interrupted " + std::string(name_of(reason)));
  }
  void ended(uint64_t, Reason reason) override { said.push_back("ended " + std::string(name_of(reason))); }
  void failed(uint64_t, uint16_t status, uint32_t retry_after_s) override {
    said.push_back("failed " + std::to_string(status) + " " + std::to_string(retry_after_s));
  }

  uint64_t begin() {
    number = subscriber
                 .begin({"sip:ann*x.test@gw.test", "sip:bob@sip.test", "presence", "application/pidf+xml"},
                        clock.now())
                 .value();
    turn();
    return number;
  }
  void turn() { next = subscriber.turn(clock.now()); }
  // In small steps, as a loop turns.
  void pass(Duration time) {
    for (const Time end = clock.now() + time; clock.now() < end;) {
      clock.advance(std::min<Duration>(1s, end - clock.now()));
      turn();
    }
  }
  void answer(int status, const std::string& headers = {}, const std::string& to_tag = "bobs") {
    answer_to(asked.back(), status, headers, to_tag);
  }
  void answer_to(const Asked& one, int status, const std::string& headers = {},
                 const std::string& to_tag = "bobs") {
    const Datagram response(subscribe_response(one.dialog, status, headers, to_tag));
    EXPECT_FALSE(response.message.is_request);
    subscriber.responded(one.token, response.message, clock.now());
    turn();
  }
  // Of the notifier with this tag; returns our answer.
  int notify(const std::string& state, const std::string& body = {}, const std::string& headers = {},
             const std::string& tag = "bobs", uint32_t at = 0, const std::string& event = "presence") {
    const Dialog dialog = asked.back().dialog;
    return notify_in(dialog, state, body, headers, tag, at, event);
  }
  int notify_in(const Dialog& dialog, const std::string& state, const std::string& body = {},
                const std::string& headers = {}, const std::string& tag = "bobs", uint32_t at = 0,
                const std::string& event = "presence") {
    NotifyText text{state, body, "application/pidf+xml", headers, tag, at, event};
    if (at == 0) text.cseq = ++cseq;
    const Datagram request(notify_text(dialog, text));
    EXPECT_TRUE(request.message.is_request);
    int status = 0;
    subscriber.notify(
        request.message,
        [&](uint16_t code) {
          EXPECT_EQ(status, 0) << "answered twice";
          status = code;
          said.push_back(std::to_string(code));
        },
        clock.now());
    turn();
    return status;
  }
  // An active subscription of an hour.
  void activate(const std::string& expires = "3600") {
    begin();
    answer(200, "Expires: " + expires + "\n");
    EXPECT_EQ(notify("active;expires=" + expires, "<open/>"), 200);
    said.clear();
  }
  Texts take() { return std::exchange(said, {}); }

  ManualClock clock;
  Random random;
  Subscriber subscriber{10, random, *this, *this};
  std::vector<Asked> asked;
  Texts said;
  uint64_t number = 0;
  uint32_t cseq = 0;
  Time next = kNever;
};

TEST(Subscriber, AsksOnceAndSaysNothingUntilItIsNotified) {
  Scene s;
  s.begin();
  ASSERT_EQ(s.asked.size(), 1u);
  EXPECT_EQ(s.asked[0].expires_s, 3600u);
  EXPECT_EQ(s.asked[0].dialog.remote_target, "sip:bob@sip.test");
  EXPECT_EQ(s.asked[0].dialog.remote_tag, "");
  EXPECT_EQ(s.asked[0].dialog.local_cseq, 1u);
  s.answer(202, "Expires: 3600\n");
  EXPECT_EQ(s.take(), Texts{});
  EXPECT_EQ(s.notify("pending;expires=3600"), 200);
  EXPECT_EQ(s.take(), (Texts{"200", "pending"}));
  s.notify("active;expires=3500", "<open/>");
  EXPECT_EQ(s.take(), (Texts{"200", "active application/pidf+xml <open/>"}));
  s.notify("active;expires=3400");
  EXPECT_EQ(s.take(), (Texts{"200", "active"}));
}

TEST(Subscriber, TheNotifyMakesTheDialogAlsoBeforeTheAnswer) {
  Scene s;
  s.begin();
  EXPECT_EQ(s.notify("active;expires=600", "<open/>", "Record-Route: <sip:proxy.test;lr>\n"), 200);
  s.answer(200, "Expires: 600\nRecord-Route: <sip:another.test;lr>\nContact: <sip:bob@192.0.2.9>\n");
  s.pass(580s);
  ASSERT_EQ(s.asked.size(), 2u);
  EXPECT_EQ(s.asked[1].dialog.call_id, s.asked[0].dialog.call_id);
  EXPECT_EQ(s.asked[1].dialog.remote_tag, "bobs");
  EXPECT_EQ(s.asked[1].dialog.local_cseq, 2u);
  EXPECT_EQ(s.asked[1].dialog.remote_target, "sip:bob@192.0.2.9");
  ASSERT_EQ(s.asked[1].dialog.route_set.size(), 1u);
  EXPECT_NE(s.asked[1].dialog.route_set[0].find("proxy.test"), std::string::npos);
}

TEST(Subscriber, OfAForkTheFirstNotifyWins) {
  Scene s;
  s.begin();
  s.answer(200, "Expires: 3600\n", "first");
  EXPECT_EQ(s.notify("active", "<a/>", {}, "second"), 200);
  EXPECT_EQ(s.notify("active", "<b/>", {}, "first"), 481);
  EXPECT_EQ(s.notify("active", "<c/>", {}, "second"), 200);
}

TEST(Subscriber, WithoutANotifyItHasFailed) {
  Scene s;
  s.begin();
  s.answer(200, "Expires: 3600\n");
  s.pass(31s);
  EXPECT_EQ(s.take(), Texts{});
  s.pass(2s);
  EXPECT_EQ(s.take(), Texts{"failed 0 0"});
  EXPECT_EQ(s.subscriber.size(), 0u);
  EXPECT_EQ(s.notify("active"), 481);
}

TEST(Subscriber, RefusesANotifyThatIsNoneOfItsOwn) {
  Scene s;
  s.activate();
  EXPECT_EQ(s.notify("active", {}, {}, "bobs", 0, "dialog"), 489);
  EXPECT_EQ(s.notify("active", {}, {}, "bobs", 0, "presence;id=7"), 481);
  EXPECT_EQ(s.notify("active", {}, {}, "bobs", 1), 500);  // a number that was there
  Dialog other = s.asked.back().dialog;
  other.call_id = "another";
  EXPECT_EQ(s.notify_in(other, "active"), 481);
  other = s.asked.back().dialog;
  other.local_tag = "another";
  EXPECT_EQ(s.notify_in(other, "active"), 481);
  EXPECT_EQ(s.take(), (Texts{"489", "481", "500", "481", "481"}));
}

TEST(Subscriber, RefreshesBeforeItExpires) {
  for (int i = 0; i < 20; ++i) {
    Scene s;
    s.activate("600");
    s.pass(500s);
    EXPECT_EQ(s.asked.size(), 1u);
    s.pass(70s);
    ASSERT_EQ(s.asked.size(), 2u);
    s.answer(200, "Expires: 600\n");
    s.notify("active;expires=600", "<open/>");
    s.pass(450s);
    EXPECT_EQ(s.asked.size(), 2u);
    EXPECT_EQ(s.take(), (Texts{"200", "active application/pidf+xml <open/>"}));
  }
}

TEST(Subscriber, TheNotifierMayShortenIt) {
  Scene s;
  s.begin();
  s.answer(200, "Expires: 3600\n");
  s.notify("active;expires=100");
  s.pass(80s);
  EXPECT_EQ(s.asked.size(), 2u);
}

TEST(Subscriber, AShortGrantIsNotRefreshedAllTheTime) {
  for (const std::string expires : {"0", "1", "5", "31"}) {
    Scene s;
    s.activate(expires);
    std::size_t seen = 1;
    for (int i = 0; i < 600; ++i) {
      s.pass(1s);
      if (s.asked.size() == seen) continue;
      seen = s.asked.size();
      s.answer(200, "Expires: " + expires + "\n");
      s.notify("active;expires=" + expires, "<open/>");
    }
    EXPECT_GT(s.asked.size(), 10u) << expires;
    EXPECT_LT(s.asked.size(), 40u) << expires << ": three a minute";
  }
}

TEST(Subscriber, AsksForAsLongAsTheNotifierWants) {
  Scene s;
  s.begin();
  s.answer(423, "Min-Expires: 7200\n");
  ASSERT_EQ(s.asked.size(), 2u);
  EXPECT_EQ(s.asked[1].expires_s, 7200u);
  EXPECT_EQ(s.asked[1].dialog.local_cseq, 2u);
  s.answer(423, "Min-Expires: 7200\n");
  EXPECT_EQ(s.take(), Texts{"failed 423 0"});
}

TEST(Subscriber, A423CannotBeRepeatedForEver) {
  Scene s;
  s.begin();
  for (int i = 1; i <= 10 && s.said.empty(); ++i)
    s.answer(423, "Min-Expires: " + std::to_string(3600 + i) + "\n");
  EXPECT_EQ(s.take(), Texts{"failed 423 0"});
  EXPECT_LT(s.asked.size(), 6u);
}

TEST(Subscriber, TellsWhyTheFirstFailed) {
  Scene s;
  s.begin();
  s.answer(503, "Retry-After: 120\n");
  EXPECT_EQ(s.take(), Texts{"failed 503 120"});
  s.begin();
  s.subscriber.no_answer(s.asked.back().token, 1, 0, s.clock.now());
  EXPECT_EQ(s.take(), Texts{"failed 0 0"});
  EXPECT_EQ(s.subscriber.size(), 0u);
}

TEST(Subscriber, ARefreshForADialogThatIsGoneBeginsAnother) {
  for (const int status : {481, 404, 405, 410, 416, 480, 482, 483, 484, 485, 489, 501, 604}) {
    Scene s;
    s.activate();
    s.pass(3600s - 20s);
    ASSERT_EQ(s.asked.size(), 2u);
    s.answer(status);
    ASSERT_EQ(s.asked.size(), 3u) << status;
    EXPECT_NE(s.asked[2].dialog.call_id, s.asked[1].dialog.call_id);
    EXPECT_NE(s.asked[2].dialog.local_tag, s.asked[1].dialog.local_tag);
    EXPECT_EQ(s.asked[2].dialog.remote_tag, "");
    EXPECT_EQ(s.take(), Texts{"interrupted "});
  }
}

TEST(Subscriber, ARefreshThatFailsOtherwiseKeepsTheDialogUntilItExpires) {
  Scene s;
  s.activate();
  while (s.asked.size() < 2) s.pass(1s);
  const Time asked = s.clock.now();
  s.answer(503);
  EXPECT_EQ(s.notify("active", "<still/>"), 200);
  while (s.asked.size() < 3) s.pass(1s);
  EXPECT_EQ(s.clock.now() - asked, 30s);
  EXPECT_EQ(s.asked[2].dialog.call_id, s.asked[1].dialog.call_id);
  s.take();
  s.answer(500, "Retry-After: 10000\n");
  s.pass(3600s);
  ASSERT_EQ(s.asked.size(), 4u);
  EXPECT_NE(s.asked[3].dialog.call_id, s.asked[1].dialog.call_id);
  EXPECT_EQ(s.take(), Texts{"interrupted "});
}

TEST(Subscriber, ARefreshWithoutANotifyEndsTheDialog) {
  Scene s;
  s.activate();
  s.pass(3600s - 20s);
  s.answer(200, "Expires: 3600\n");
  s.pass(33s);
  EXPECT_EQ(s.take(), Texts{"interrupted "});
  EXPECT_EQ(s.asked.size(), 3u);
}

TEST(Subscriber, UnsubscribesWithinTheDialogAndAnswersTheLastNotify) {
  Scene s;
  s.activate();
  s.subscriber.end(s.number, s.clock.now());
  s.turn();
  ASSERT_EQ(s.asked.size(), 2u);
  EXPECT_EQ(s.asked[1].expires_s, 0u);
  EXPECT_EQ(s.asked[1].dialog.remote_tag, "bobs");
  s.answer(200, "Expires: 0\n");
  EXPECT_EQ(s.notify("terminated;reason=timeout"), 200);
  EXPECT_EQ(s.take(), Texts{"200"});
  EXPECT_EQ(s.subscriber.size(), 0u);
}

TEST(Subscriber, UnsubscribingBeforeThereIsADialogWaitsForOne) {
  Scene s;
  s.begin();
  s.subscriber.end(s.number, s.clock.now());
  s.turn();
  EXPECT_EQ(s.asked.size(), 1u);
  s.answer(200, "Expires: 3600\n");
  EXPECT_EQ(s.notify("active;expires=3600", "<open/>"), 200);
  ASSERT_EQ(s.asked.size(), 2u);
  EXPECT_EQ(s.asked[1].expires_s, 0u);
  s.answer(200);
  s.pass(33s);  // without the last NOTIFY
  EXPECT_EQ(s.subscriber.size(), 0u);
  EXPECT_EQ(s.take(), Texts{"200"});
}

TEST(Subscriber, UnsubscribingFromNothingSendsNothing) {
  Scene s;
  s.activate();
  s.notify("terminated;reason=probation");
  s.subscriber.end(s.number, s.clock.now());
  s.pass(3600s);
  EXPECT_EQ(s.asked.size(), 1u);
  EXPECT_EQ(s.subscriber.size(), 0u);
}

TEST(Subscriber, BeginsAnewAtOnceWhenTheNotifierMoves) {
  for (const std::string reason : {"deactivated", "timeout"}) {
    Scene s;
    s.activate();
    EXPECT_EQ(s.notify("terminated;reason=" + reason), 200);
    EXPECT_EQ(s.take(), (Texts{"200", "interrupted " + reason}));
    ASSERT_EQ(s.asked.size(), 2u);
    EXPECT_EQ(s.asked[1].dialog.remote_tag, "");
    EXPECT_EQ(s.asked[1].dialog.remote_target, "sip:bob@sip.test");
    EXPECT_TRUE(s.asked[1].dialog.route_set.empty());
  }
}

TEST(Subscriber, ButNotMoreOftenThanThreeTimesAMinute) {
  Scene s;
  s.activate();
  for (int i = 0; i < 3; ++i) s.notify("terminated;reason=deactivated");
  EXPECT_EQ(s.asked.size(), 4u);
  s.notify("terminated;reason=deactivated");
  EXPECT_EQ(s.asked.size(), 4u);
  s.pass(20s);
  EXPECT_EQ(s.asked.size(), 5u);
}

TEST(Subscriber, BeginsAnewWhenTheNotifierWants) {
  struct Case {
    std::string state;
    Duration wait;
  };
  for (const Case& one :
       {Case{"terminated;reason=probation;retry-after=120", 120s}, Case{"terminated;reason=giveup", 10min},
        Case{"terminated", 10min}, Case{"terminated;reason=whatever;retry-after=5", 5s},
        Case{"terminated;reason=probation;retry-after=99999999", 24h},
        Case{"terminated;reason=invariant;retry-after=31536000", 24h},
        Case{"terminated;reason=invariant", 24h}}) {
    Scene s;
    s.activate();
    EXPECT_EQ(s.notify(one.state), 200);
    s.pass(one.wait - 1s);
    EXPECT_EQ(s.asked.size(), 1u) << one.state;
    s.pass(1s);
    EXPECT_EQ(s.asked.size(), 2u) << one.state;
  }
}

TEST(Subscriber, EndsWhenItIsRejected) {
  for (const std::string reason : {"rejected", "noresource"}) {
    Scene s;
    s.activate();
    EXPECT_EQ(s.notify("terminated;reason=" + reason), 200);
    EXPECT_EQ(s.take(), (Texts{"200", "ended " + reason}));
    EXPECT_EQ(s.subscriber.size(), 0u);
    s.pass(24h);
    EXPECT_EQ(s.asked.size(), 1u);
  }
}

TEST(Subscriber, AnswersToEarlierRequestsDoNotCount) {
  Scene s;
  s.begin();
  const Asked first = s.asked.back();
  s.notify("terminated;reason=deactivated");
  ASSERT_EQ(s.asked.size(), 2u);
  s.take();
  s.answer_to(first, 403);
  EXPECT_EQ(s.take(), Texts{});
  s.answer(200, "Expires: 3600\n");
  EXPECT_EQ(s.notify("active"), 200);
}

TEST(Subscriber, AnswersToChallengesHaveNumbersToo) {
  Scene s;
  s.begin();
  Asked challenged = s.asked.back();
  challenged.dialog.local_cseq = 2;
  s.answer_to(challenged, 200, "Expires: 100\n");
  s.notify("active;expires=100");
  s.pass(80s);
  ASSERT_EQ(s.asked.size(), 2u);
  EXPECT_EQ(s.asked[1].dialog.local_cseq, 3u);
  s.subscriber.no_answer(s.asked[1].token, 5, 0, s.clock.now());
  while (s.asked.size() < 3) s.pass(1s);
  EXPECT_EQ(s.asked[2].dialog.local_cseq, 1u) << "it has expired, which makes another dialog";
}

TEST(Subscriber, HasABound) {
  Scene s;
  for (int i = 0; i < 10; ++i) s.begin();
  EXPECT_FALSE(s.subscriber.begin({}, s.clock.now()));
}

}  // namespace
}  // namespace stox::sip
