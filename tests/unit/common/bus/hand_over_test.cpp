// Stanzas that one worker hands over to another, on the bus in memory.
#include "common/bus/edge/hand_over.h"

#include "tests/unit/common/bus/bus_scene.h"

namespace stox::bus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(BusTest, HandOversArriveInOrderOnceAlsoWhenSomeAreLost) {
  start("w-2", pb::WORKER);
  bus_.run();
  one_mapper();
  bus_.hold("w-1", "m-1");
  hand_over("a");
  bus_.run();
  EXPECT_EQ(bus_.lose("w-1", "m-1"), 1u);
  bus_.release("w-1", "m-1");
  hand_over("b");
  bus_.advance(seconds(5));
  EXPECT_EQ(worker("w-2").handed, (std::vector<std::string>{"w-1:a", "w-1:b"}));
}

TEST_F(BusTest, HandOversToANewProcessBeginAnew) {
  start("w-2", pb::WORKER);
  bus_.run();
  hand_over("a");
  bus_.run();
  bus_.kill("w-2");
  bus_.advance(seconds(1));
  start("w-2", pb::WORKER);
  bus_.advance(seconds(1));
  hand_over("b");
  bus_.advance(seconds(2));
  EXPECT_EQ(worker("w-2").handed, (std::vector<std::string>{"w-1:a", "w-1:b"}));
}

TEST_F(BusTest, AStreamThatWasIdleForHoursGoesOn) {
  start("w-2", pb::WORKER);
  bus_.run();
  std::vector<std::string> all;
  for (const int minutes : {61, 125, 1}) {  // forgotten by the sender, by both
    for (const char* text : {"a", "b"}) {
      hand_over(text);
      all.push_back(std::string("w-1:") + text);
    }
    bus_.advance(std::chrono::minutes(minutes));
  }
  EXPECT_EQ(worker("w-2").handed, all);
}

TEST_F(BusTest, ACopyThatComesAfterTheNewsOfItsSendersSuccessorIsNotHandedOn) {
  start("w-2", pb::WORKER);
  bus_.run();
  bus_.hold("w-2", "m-1");
  hand_over("a");
  bus_.run();
  bus_.hold("m-1", "w-2");
  bus_.advance(milliseconds(1500));
  bus_.kill("w-1");
  bus_.run();
  start("w-1", pb::WORKER);
  bus_.run();
  bus_.release("m-1", "w-2");
  bus_.run();
  EXPECT_EQ(worker("w-2").handed, (std::vector<std::string>{"w-1:a"}));
}

TEST_F(BusTest, AHandOverToAProcessThatIsNoMoreEndsAtTheNextOne) {
  start("w-2", pb::WORKER);
  bus_.run();
  EXPECT_TRUE(put(4711, 9, "old"));
  bus_.advance(seconds(2));
  EXPECT_TRUE(worker("w-2").handed.empty());
  EXPECT_EQ(worker("w-1").edge->hand_overs().waiting(), 0u);
}

TEST_F(BusTest, AHandOverToAProcessThatIsNotKnownYetWaitsForIt) {
  EXPECT_TRUE(put(4711, 9, "a"));
  bus_.advance(seconds(2));
  EXPECT_EQ(worker("w-1").edge->hand_overs().waiting(), 1u);
}

TEST_F(BusTest, WhoDoesNotTakeHandOversGetsNoneThatWouldSeemToFollow) {
  start("w-2", pb::WORKER);
  bus_.run();
  const auto epoch = worker("w-2").edge->epoch();
  hand_over("a");
  bus_.run();
  for (const auto& mapper : {"m-1", "m-2"}) bus_.hold("w-1", mapper);
  for (std::size_t i = 0; i < HandOvers::kMaxWaiting; ++i) hand_over("b");
  EXPECT_FALSE(put(epoch, 9, "c"));
  EXPECT_TRUE(put(epoch, 9, "c")) << "said once";
  EXPECT_EQ(worker("w-1").edge->hand_overs().waiting(), 0u);
  EXPECT_EQ(worker("w-1").edge->hand_overs().given_up(), HandOvers::kMaxWaiting + 2);
  bus_.run();
  for (const auto& mapper : {"m-1", "m-2"}) {
    bus_.lose("w-1", mapper);
    bus_.release("w-1", mapper);
  }
  bus_.advance(seconds(5));
  EXPECT_TRUE(put(epoch, 9, "c"));
  EXPECT_TRUE(put(epoch, 10, "d"));
  bus_.advance(seconds(2));
  EXPECT_EQ(worker("w-2").handed, (std::vector<std::string>{"w-1:a", "w-1:d"}));
}

TEST_F(BusTest, HandOversThatNobodyTakesAreGivenUpAndThatIsTold) {
  hand_over("a", 4711);
  bus_.advance(seconds(119));
  EXPECT_EQ(worker("w-1").hand_overs_lost_count, 0);
  bus_.advance(seconds(3));
  EXPECT_EQ(worker("w-1").hand_overs_lost_count, 1);
  EXPECT_EQ(worker("w-1").edge->hand_overs().waiting(), 0u);
  bus_.advance(seconds(200));
  EXPECT_EQ(worker("w-1").hand_overs_lost_count, 1);
}

// Faults at random, with a seed.
class HandOversUnderFaults : public BusTest, public ::testing::WithParamInterface<int> {};

TEST_P(HandOversUnderFaults, ArriveOnceInOrder) {
  std::srand(static_cast<unsigned>(GetParam()));
  start("w-2", pb::WORKER);
  bus_.run();
  std::map<std::string, int> starts;
  uint64_t receiver = worker("w-2").edge->epoch();
  const auto put_number = [&](int number) {
    return put(receiver, 9, std::to_string(starts["w-1"]) + "." + std::to_string(number));
  };
  for (int step = 0; step < 400; ++step) {
    EXPECT_TRUE(down_.contains("w-1") || put_number(step));
    if (dice(12) == 0) {
      const std::string name =
          std::vector<std::string>{"m-1", "m-2", "w-1", "w-2"}[static_cast<std::size_t>(dice(4))];
      if (befall(name)) {
        ++starts[name];
        if (name == "w-2") receiver = worker(name).edge->epoch();
      }
    }
    if (dice(20) == 0) hold_and_release();
    bus_.advance(milliseconds(dice(400)));
  }
  wake_all();
  for (const std::string& name : down_) name[0] == 'm' ? start_mapper(name) : start(name, pb::WORKER);
  for (const char* m : {"m-1", "m-2"}) {
    for (const char* w : {"w-1", "w-2"}) {
      bus_.release(m, w);
      bus_.release(w, m);
    }
  }
  if (down_.contains("w-1")) ++starts["w-1"];
  if (down_.contains("w-2")) receiver = worker("w-2").edge->epoch();
  EXPECT_TRUE(put_number(400));
  bus_.advance(seconds(10));
  std::map<int, int> last;  // by sender
  for (const std::string& one : worker("w-2").handed) {
    const int sender = std::stoi(one.substr(4)), number = std::stoi(one.substr(one.find('.') + 1));
    EXPECT_TRUE(!last.contains(sender) || number > last[sender]) << one << " twice, or out of order";
    last[sender] = number;
  }
  EXPECT_TRUE(last[starts["w-1"]] == 400 || worker("w-1").hand_overs_lost_count > 0) << "the last is lost";
}

INSTANTIATE_TEST_SUITE_P(Seeds, HandOversUnderFaults, ::testing::Range(1, 41));

}  // namespace
}  // namespace stox::bus
