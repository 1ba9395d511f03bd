#include "xmpp_worker/siblings/moved_streams.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

namespace stox::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Numbers = std::vector<uint64_t>;
using Names = std::vector<std::string>;
using Reply = std::function<void(const pb::Held&)>;

pb::Held in_hand(const std::vector<uint32_t>& indexes) {
  pb::Held out;
  for (const uint32_t each : indexes) out.add_indexes(each);
  return out;
}

// A worker with its bus: what it was told to let go, and what it asked.
class Side final : public MovedStreams::User {
 public:
  explicit Side(const Clock& clock) : moved(clock, *this) {}

  void ask_in_hand(const std::string& worker, pb::InHand question, Reply reply) override {
    asked.push_back(worker);
    questions.push_back(std::move(question));
    replies.push_back(std::move(reply));
  }
  void let_go(uint64_t number) override { gone.push_back(number); }

  // True: it is held.
  bool take(const std::string& domain, const std::string& conversation, uint64_t number) {
    const Time came = moved.must_wait(domain, conversation);
    if (came != Time{}) moved.hold(came, conversation, number);
    moved.turn();
    return came != Time{};
  }
  void answer_all(const pb::Held& answer) {
    questions.clear();
    for (const auto& reply : std::exchange(replies, {})) reply(answer);
  }
  void no_way() {
    questions.clear();
    replies.clear();
  }

  MovedStreams moved;
  Names asked;
  std::vector<pb::InHand> questions;
  std::vector<Reply> replies;
  Numbers gone;
};

class MovedStreamsTest : public testing::Test {
 protected:
  void pass(Duration time) {
    clock.advance(time);
    a.moved.turn();
    b.moved.turn();
  }

  ManualClock clock;
  Side a{clock}, b{clock};
};

TEST_F(MovedStreamsTest, AWorkerThatIsAloneHoldsNothing) {
  b.moved.set_workers({});
  b.moved.came("r.test");
  EXPECT_FALSE(b.take("r.test", "x y", 1));
}

TEST_F(MovedStreamsTest, WithoutANewStreamNothingIsHeld) {
  b.moved.set_workers({"a"});
  EXPECT_FALSE(b.take("r.test", "x y", 1));
}

TEST_F(MovedStreamsTest, AConversationWaitsUntilTheOthersHaveNothingEarlierOfIt) {
  b.moved.set_workers({"a", "c"});
  b.moved.came("r.test");
  ASSERT_TRUE(b.take("r.test", "x y", 1));
  EXPECT_EQ(b.asked, (Names{"a", "c"}));
  b.replies[0](in_hand({}));
  EXPECT_TRUE(b.gone.empty()) << "c has not answered";
  ASSERT_TRUE(b.take("r.test", "x y", 2)) << "would overtake the first";
  b.replies[1](in_hand({}));
  EXPECT_EQ(b.gone, (Numbers{1, 2}));
  EXPECT_FALSE(b.take("r.test", "x y", 3));
  EXPECT_EQ(b.asked.size(), 2u) << "known by now";
}

TEST_F(MovedStreamsTest, WhatIsInHandElsewhereIsAskedForAgainAndHoldsUpNothingElse) {
  b.moved.set_workers({"a"});
  b.moved.came("r.test");
  b.take("r.test", "x y", 1);
  b.take("r.test", "x z", 2);
  ASSERT_EQ(b.questions.size(), 2u);
  b.replies[0](in_hand({0}));
  b.replies[1](in_hand({}));
  EXPECT_EQ(b.gone, (Numbers{2}));
  pass(seconds(1));
  ASSERT_EQ(b.questions.size(), 3u);
  b.replies[2](in_hand({}));
  EXPECT_EQ(b.gone, (Numbers{2, 1}));
}

TEST_F(MovedStreamsTest, OtherDomainsDoNotWait) {
  b.moved.set_workers({"a"});
  b.moved.came("r.test");
  EXPECT_FALSE(b.take("s.test", "x y", 1));
}

TEST_F(MovedStreamsTest, AnAnswerThatDoesNotComeIsAskedForAgain) {
  b.moved.set_workers({"a"});
  b.moved.came("r.test");
  b.take("r.test", "x y", 1);
  pass(milliseconds(400));
  ASSERT_EQ(b.replies.size(), 2u);
  EXPECT_TRUE(b.gone.empty()) << "no way to it just now";
  b.replies[1](in_hand({}));
  EXPECT_EQ(b.gone, (Numbers{1}));
}

TEST_F(MovedStreamsTest, AWorkerThatDiesIsWaitedForWithItsJournalButNotForLong) {
  b.moved.set_workers({"a"});
  b.moved.set_workers({});
  b.moved.came("r.test");
  ASSERT_TRUE(b.take("r.test", "x y", 1));
  b.no_way();
  b.moved.set_workers({"a"});
  pass(milliseconds(400));
  ASSERT_EQ(b.replies.size(), 1u) << "its next process has the journal";
  b.moved.set_workers({});
  pass(seconds(4));
  EXPECT_TRUE(b.gone.empty());
  pass(seconds(2));
  EXPECT_EQ(b.gone, (Numbers{1}));
}

TEST_F(MovedStreamsTest, EachNewStreamIsAQuestionAnew) {
  b.moved.set_workers({"a"});
  b.moved.came("r.test");
  b.take("r.test", "x y", 1);
  b.answer_all(in_hand({}));
  clock.advance(seconds(1));
  b.moved.came("r.test");
  EXPECT_TRUE(b.take("r.test", "x y", 2));
}

TEST_F(MovedStreamsTest, OnOneStreamEveryDomainMaySpeak) {
  b.moved.set_workers({"a"});
  b.moved.came({});
  EXPECT_TRUE(b.take("r.test", "x y", 1));
  EXPECT_TRUE(b.take("s.test", "x z", 2));
  b.answer_all(in_hand({}));
  EXPECT_EQ(b.gone, (Numbers{1, 2}));
}

TEST_F(MovedStreamsTest, WhoHasGivenUpItsPlaceIsAskedAsLongAsItIsThere) {
  b.moved.set_workers({"a"});
  b.moved.set_workers({});
  b.moved.came({});
  b.take("r.test", "x y", 1);
  b.answer_all(in_hand({}));
  EXPECT_EQ(b.gone, (Numbers{1}));
}

TEST_F(MovedStreamsTest, AStreamIsNewForAsLongAsAMessageMayBeUnderWay) {
  b.moved.set_workers({"a"});
  b.moved.came("r.test");
  clock.advance(seconds(94));
  EXPECT_NE(b.moved.must_wait("r.test", "x y"), Time{});
  clock.advance(seconds(1));
  EXPECT_EQ(b.moved.must_wait("r.test", "x y"), Time{});
}

// The stream goes to b and back to a: each has something the other waits for, and there is an order.
TEST_F(MovedStreamsTest, WorkersThatWaitForEachOtherDoSoInTurn) {
  std::map<std::string, std::vector<std::pair<Time, uint64_t>>> in_hand;  // by worker
  const auto answer = [&](Side& asker, const std::string& by) {
    const auto questions = asker.questions;
    const auto replies = std::exchange(asker.replies, {});
    asker.questions.clear();
    for (std::size_t i = 0; i < questions.size(); ++i) {
      replies[i](MovedStreams::answer(questions[i], clock.now(), [&](const std::string&, Time until) {
        return std::any_of(in_hand[by].begin(), in_hand[by].end(),
                           [&](const auto& each) { return each.first <= until; });
      }));
    }
  };
  const auto take = [&](Side& side, const std::string& name, uint64_t number) {
    side.moved.came("r.test");
    clock.advance(milliseconds(10));
    in_hand[name].emplace_back(clock.now(), number);
    const bool waits = side.take("r.test", "x y", number);
    clock.advance(milliseconds(10));
    return waits;
  };
  a.moved.set_workers({"b"});
  b.moved.set_workers({"a"});
  in_hand["a"].emplace_back(clock.now(), 1);  // on the first stream
  clock.advance(milliseconds(10));
  ASSERT_TRUE(take(b, "b", 2));
  ASSERT_TRUE(take(a, "a", 3));
  answer(b, "a");
  answer(a, "b");
  EXPECT_TRUE(a.gone.empty());
  EXPECT_TRUE(b.gone.empty());

  std::erase_if(in_hand["a"], [](const auto& each) { return each.second == 1; });
  pass(milliseconds(400));
  answer(a, "b");
  answer(b, "a");
  EXPECT_EQ(b.gone, (Numbers{2}));
  EXPECT_TRUE(a.gone.empty());

  in_hand["b"].clear();
  pass(milliseconds(400));
  answer(a, "b");
  EXPECT_EQ(a.gone, (Numbers{3}));
}

TEST_F(MovedStreamsTest, RubbishFromOthersDoesNoHarm) {
  std::vector<Time> until;
  pb::InHand question;
  for (const int64_t age_ms : {INT64_MIN, int64_t{3}, INT64_MAX}) {
    question.add_conversations()->set_age_ms(age_ms);
  }
  clock.advance(std::chrono::hours(10));
  const auto answer = MovedStreams::answer(question, clock.now(), [&](const std::string&, Time time) {
    until.push_back(time);
    return time == clock.now();
  });
  EXPECT_EQ(std::vector<uint32_t>(answer.indexes().begin(), answer.indexes().end()),
            std::vector<uint32_t>{0});
  EXPECT_EQ(until, (std::vector<Time>{clock.now(), clock.now() - milliseconds(3),
                                      clock.now() - std::chrono::hours(1)}));
  b.moved.set_workers({"a"});
  b.moved.came("r.test");
  b.take("r.test", "x y", 1);
  b.answer_all(in_hand({7, UINT32_MAX}));
  EXPECT_EQ(b.gone, (Numbers{1}));
}

}  // namespace
}  // namespace stox::worker
