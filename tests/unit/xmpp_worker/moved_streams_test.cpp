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

// A worker with its bus: what it was told to let go, and what it asked.
class Side final : public MovedStreams::User {
 public:
  explicit Side(const Clock& clock) : moved(clock, *this) {}

  void query(const std::string& worker, std::string_view text,
             std::function<void(std::string)> reply) override {
    asked.push_back(worker);
    questions.emplace_back(text);
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
  void answer_all(const std::string& text) {
    questions.clear();
    for (const auto& reply : std::exchange(replies, {})) reply(text);
  }

  MovedStreams moved;
  Names asked, questions;
  std::vector<std::function<void(std::string)>> replies;
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
  b.replies[0]("[]");
  EXPECT_TRUE(b.gone.empty()) << "c has not answered";
  ASSERT_TRUE(b.take("r.test", "x y", 2)) << "would overtake the first";
  b.replies[1]("[]");
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
  b.replies[0]("[0]");
  b.replies[1]("[]");
  EXPECT_EQ(b.gone, (Numbers{2}));
  pass(seconds(1));
  ASSERT_EQ(b.questions.size(), 3u);
  b.replies[2]("[]");
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
  b.replies[1]("");
  EXPECT_TRUE(b.gone.empty()) << "no way to it just now";
  pass(milliseconds(400));
  b.replies[2]("[]");
  EXPECT_EQ(b.gone, (Numbers{1}));
}

TEST_F(MovedStreamsTest, AWorkerThatDiesIsWaitedForWithItsJournalButNotForLong) {
  b.moved.set_workers({"a"});
  b.moved.set_workers({});
  b.moved.came("r.test");
  ASSERT_TRUE(b.take("r.test", "x y", 1));
  b.answer_all("");
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
  b.answer_all("[]");
  clock.advance(seconds(1));
  b.moved.came("r.test");
  EXPECT_TRUE(b.take("r.test", "x y", 2));
}

TEST_F(MovedStreamsTest, OnOneStreamEveryDomainMaySpeak) {
  b.moved.set_workers({"a"});
  b.moved.came({});
  EXPECT_TRUE(b.take("r.test", "x y", 1));
  EXPECT_TRUE(b.take("s.test", "x z", 2));
  b.answer_all("[]");
  EXPECT_EQ(b.gone, (Numbers{1, 2}));
}

TEST_F(MovedStreamsTest, WhoHasGivenUpItsPlaceIsAskedAsLongAsItIsThere) {
  b.moved.set_workers({"a"});
  b.moved.set_workers({});
  b.moved.came({});
  b.take("r.test", "x y", 1);
  b.answer_all("[]");
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
    const Names questions = asker.questions;
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

TEST_F(MovedStreamsTest, AnswersOnlyItsQuestionsAndNoRubbish) {
  const auto yes = [](const std::string&, Time) { return true; };
  EXPECT_FALSE(MovedStreams::is_question("status"));
  EXPECT_EQ(MovedStreams::answer("in hand? {", clock.now(), yes), "[]");
  EXPECT_EQ(MovedStreams::answer(R"(in hand? [["x"], 5, ["x", "y"], ["x y", 3]])", clock.now(), yes), "[3]");
  b.moved.set_workers({"a"});
  b.moved.came("r.test");
  b.take("r.test", "x y", 1);
  b.answer_all(R"([7, "x", -1])");
  EXPECT_EQ(b.gone, (Numbers{1}));
}

}  // namespace
}  // namespace stox::worker
