// An origin that dies and goes on as another process, on the bus in memory.
#include "tests/unit/common/bus/bus_scene.h"

namespace stox::bus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// An origin that writes down what it submits, dies, and goes on as another process of its name.
class RestoreTest : public BusTest {
 protected:
  struct Written {
    pb::Envelope envelope;
    RestoredTimes times;
    std::string call_id;
    uint32_t openings = 0;
  };

  // As BusTest::send, journalled.
  void send_written(const std::string& call_id, const std::string& conversation = "a b") {
    pb::Envelope e;
    e.set_conversation(conversation);
    e.mutable_sip_message()->set_call_id(call_id);
    *e.mutable_id() = front().edge->origin().new_id();
    const Time now = bus_.clock().now();
    const RestoredTimes times{now, now + seconds(25), now + seconds(40)};
    Written w{e, times, call_id, 0};
    if (const auto number = front().edge->origin().submit(e, times.begin_before, times.end_by))
      journal_[*number] = w;
  }
  void note_ended() {
    for (const auto& [number, o] : front().outcomes) {
      const auto w = journal_.find(number);
      if (w == journal_.end()) continue;
      EXPECT_TRUE(ended_.emplace(w->second.call_id, o).second) << "two outcomes for " << w->second.call_id;
      journal_.erase(w);
    }
    front().outcomes.clear();
  }
  void die(bool silently = false, bool unsent = false) {
    note_ended();
    targets_ = front().edge->origin().possible_targets();
    bus_.kill("sip-1", silently, unsent);
  }
  void revive() {
    start("sip-1", pb::FRONT);
    front().edge->origin().restore_targets(targets_);
    for (auto& [number, w] : std::exchange(journal_, {})) {
      pb::Envelope e = w.envelope;
      const uint64_t handle = front().edge->origin().restore(e, w.times, ++w.openings << 16);
      journal_[handle] = std::move(w);
    }
  }
  const pb::Outcome& ended(const std::string& call_id) {
    note_ended();
    EXPECT_TRUE(ended_.contains(call_id)) << "no outcome for " << call_id;
    return ended_[call_id];
  }

  std::map<uint64_t, Written> journal_;
  std::map<std::string, pb::Outcome> ended_;
  std::vector<PossibleTarget> targets_;
};

TEST_F(RestoreTest, WhatNeverLeftIsSentOnceByTheNextProcess) {
  send_written("c1");
  send_written("c2");
  die();
  revive();
  bus_.advance(seconds(1));
  EXPECT_EQ(ended("c1").verdict(), pb::DELIVERED);
  EXPECT_EQ(ended("c2").verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began, (std::vector<std::string>{"c1", "c2"}));
}

TEST_F(RestoreTest, WhatIsBegunIsWaitedForAndItsOutcomeFindsTheNextProcess) {
  worker().answers = false;
  send_written("c1");
  bus_.run();
  die();
  revive();
  bus_.advance(seconds(2));
  EXPECT_EQ(front().edge->origin().in_flight(), 1u);
  worker().finish_all();
  bus_.run();
  EXPECT_EQ(ended("c1").verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(RestoreTest, WhatEndedMeanwhileIsToldAtTheFirstQuestion) {
  worker().answers = false;
  send_written("c1");
  bus_.run();
  die();
  bus_.run();
  worker().finish_all();
  bus_.advance(seconds(2));
  revive();
  bus_.advance(seconds(1));
  EXPECT_EQ(ended("c1").verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(RestoreTest, ATargetThatHasGoneMeanwhileIsADoubt) {
  worker().answers = false;
  send_written("c1");
  bus_.run();
  die();
  bus_.kill("w-1");
  bus_.advance(seconds(1));
  start("w-1", pb::WORKER);
  revive();
  bus_.advance(seconds(2));
  EXPECT_EQ(ended("c1").reason(), pb::IN_DOUBT);
  EXPECT_NE(ended("c1").text().find("may have been delivered"), std::string::npos);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(RestoreTest, AfterAHundredAndTwentySecondsItIsADoubt) {
  send_written("c1");
  bus_.run();
  bus_.kill("sip-1");
  front().outcomes.clear();  // it died before it could do anything about it
  targets_ = {{"w-1", bus_.edge("w-1").epoch(), true, {}}};
  bus_.advance(seconds(125));
  revive();
  bus_.advance(seconds(3));
  EXPECT_EQ(ended("c1").reason(), pb::IN_DOUBT);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(RestoreTest, WhatNeverLeftAndIsTooLateFailsForCertain) {
  bus_.hold("sip-1", "m-1");
  bus_.hold("sip-1", "m-2");
  send_written("c1");
  bus_.run();
  die(false, /*unsent=*/true);
  bus_.release("sip-1", "m-1");
  bus_.release("sip-1", "m-2");
  bus_.advance(seconds(30));
  revive();
  bus_.advance(seconds(3));
  EXPECT_EQ(ended("c1").reason(), pb::DEADLINE);
  EXPECT_TRUE(worker().began.empty());
}

TEST_F(RestoreTest, NewMessagesOfTheConversationWaitForTheOldOnes) {
  worker().answers = false;
  send_written("c1");
  bus_.run();
  send_written("c2");  // dies with us
  die(false, /*unsent=*/true);
  revive();
  send_written("c3");
  send_written("x1", "x y");
  bus_.advance(seconds(1));
  EXPECT_EQ(worker().began, (std::vector<std::string>{"c1", "x1"}));
  worker().answers = true;
  worker().finish_all();
  bus_.advance(seconds(1));
  EXPECT_EQ(worker().began, (std::vector<std::string>{"c1", "x1", "c2", "c3"}));
}

TEST_F(RestoreTest, NothingIsAskedBeforeAllMappersHaveSeenTheNewProcess) {
  for (const char* m : {"m-1", "m-2"}) bus_.hold("sip-1", m);
  send_written("c1");
  bus_.run();
  die();
  for (const char* m : {"m-1", "m-2"}) bus_.sleep(m);
  revive();
  bus_.wake("m-1");
  bus_.advance(seconds(1));
  EXPECT_TRUE(worker().began.empty()) << "the other mapper may still have it";
  bus_.wake("m-2");
  bus_.advance(seconds(1));
  EXPECT_EQ(worker().began, std::vector<std::string>{"c1"});
}

TEST_F(RestoreTest, AMapperThatDoesNotComeBackHoldsItUpForThreeHeartbeatsOnly) {
  for (const char* m : {"m-1", "m-2"}) bus_.hold("sip-1", m);
  send_written("c1");
  bus_.run();
  die(false, /*unsent=*/true);
  for (const char* m : {"m-1", "m-2"}) bus_.release("sip-1", m);
  bus_.kill("m-2");
  revive();
  bus_.advance(seconds(2));
  EXPECT_TRUE(worker().began.empty());
  bus_.advance(seconds(3));
  EXPECT_EQ(ended("c1").verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(RestoreTest, WithoutAnyMapperItWaitsAndThenGoes) {
  for (const char* m : {"m-1", "m-2"}) bus_.hold("sip-1", m);
  send_written("c1");
  bus_.run();
  die(false, /*unsent=*/true);
  for (const char* m : {"m-1", "m-2"}) {
    bus_.release("sip-1", m);
    bus_.kill(m);
  }
  revive();
  bus_.advance(seconds(8));
  EXPECT_EQ(front().edge->origin().in_flight(), 1u);
  start_mapper("m-1");
  start_mapper("m-2");
  bus_.advance(seconds(8));
  EXPECT_EQ(ended("c1").verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(RestoreTest, ACopyFromBeforeTheDeathDoesNotBeginBesideTheNewOne) {
  bus_.hold("m-1", "w-1");
  bus_.hold("m-2", "w-1");
  send_written("c1");
  bus_.run();  // it lies before the worker
  die();
  revive();
  bus_.advance(seconds(1));
  bus_.release("m-1", "w-1");
  bus_.release("m-2", "w-1");
  bus_.advance(seconds(8));
  EXPECT_EQ(ended("c1").verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(RestoreTest, OldAndNewIdsWithTheSameNumberAreToldApart) {
  worker().answers = false;
  send_written("old", "a b");
  bus_.run();
  die();
  revive();
  bus_.advance(seconds(1));
  send_written("new 1", "c d");  // the numbers begin again at 1
  send_written("new 2", "e f");
  bus_.advance(seconds(1));
  EXPECT_EQ(worker().began.size(), 3u);
  pb::Outcome refused;
  refused.set_verdict(pb::FAILED);
  worker().edge->target().finish(worker().begun_ids[0], refused);
  bus_.run();
  EXPECT_EQ(ended("old").verdict(), pb::FAILED);
  EXPECT_EQ(front().edge->origin().in_flight(), 2u);
}

TEST_F(RestoreTest, ATargetWhoseMemoryOverflowedMakesADoubt) {
  Actor& w = worker();
  w.edge = &bus_.start_edge(
      {.name = "w-1", .role = pb::WORKER, .max_memory = 5, .pace = Duration{0}, .bodies = bodies_}, w);
  bus_.advance(seconds(1));
  bus_.hold("m-1", "sip-1");
  bus_.hold("m-2", "sip-1");
  send_written("c1");
  bus_.advance(milliseconds(500));
  die();
  bus_.run();
  bus_.release("m-1", "sip-1");
  bus_.release("m-2", "sip-1");
  const auto c1 = std::exchange(journal_, {});
  start("sip-1", pb::FRONT);
  bus_.advance(seconds(1));
  for (int i = 0; i < 20; ++i) send("other " + std::to_string(i), std::to_string(i));
  bus_.advance(seconds(1));
  bus_.kill("sip-1");
  front().outcomes.clear();
  journal_ = c1;
  revive();
  bus_.advance(seconds(2));
  EXPECT_EQ(ended("c1").reason(), pb::IN_DOUBT);
  EXPECT_EQ(std::count(w.began.begin(), w.began.end(), "c1"), 1);
}

// As BusUnderFaults, and the origin dies, too.
class RestoreUnderFaults : public RestoreTest, public ::testing::WithParamInterface<int> {};

TEST_P(RestoreUnderFaults, EverythingEndsOnceInOrderAndNothingTwice) {
  std::srand(static_cast<unsigned>(GetParam()));
  start("w-2", pb::WORKER);
  bus_.run();
  std::set<std::string> down, sent;
  int next[5] = {};
  for (int step = 0; step < 400; ++step) {
    const int who = dice(5);
    if (!down.contains("sip-1")) {
      const std::string call_id = std::to_string(who) + ":" + std::to_string(next[who]++);
      const std::size_t before = journal_.size();
      send_written(call_id, "conversation " + std::to_string(who));
      if (journal_.size() > before) sent.insert(call_id);
    }
    for (const char* w : {"w-1", "w-2"}) worker(w).answers = dice(3) != 0;
    if (dice(8) == 0) {
      const std::string name = std::vector<std::string>{
          "m-1", "m-2", "w-1", "w-2", "sip-1", "sip-1"}[static_cast<std::size_t>(dice(6))];
      if (name == "sip-1") {
        const bool silently = dice(2) == 0, unsent = dice(2) == 0;
        down.contains(name) ? revive() : die(silently, unsent);
      } else if (down.contains(name)) {
        name[0] == 'm' ? start_mapper(name) : start(name, pb::WORKER);
      } else {
        kill_somehow(name);
      }
      if (down.erase(name) == 0) down.insert(name);
    }
    if (dice(20) == 0) hold_and_release();
    bus_.advance(milliseconds(dice(400)));
    for (const char* w : {"w-1", "w-2"}) {
      if (!down.contains(w) && dice(2) == 0) worker(w).finish_all();
    }
    if (!down.contains("sip-1")) note_ended();
  }
  if (down.contains("sip-1")) revive();
  bus_.advance(seconds(60));
  note_ended();
  std::size_t delivered = 0;
  for (const auto& [call_id, o] : ended_) delivered += o.verdict() == pb::DELIVERED;
  EXPECT_GT(delivered, sent.size() / 10) << "hardly anything got through: a test of nothing";
  for (const std::string& call_id : sent) EXPECT_TRUE(ended_.contains(call_id)) << call_id;
  check_order_and_doubles(ended_);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RestoreUnderFaults, ::testing::Range(1, 41));

}  // namespace
}  // namespace stox::bus
