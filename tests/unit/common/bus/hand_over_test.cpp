// Stanzas that one worker hands over to another, on the bus in memory.
#include "common/bus/hand_over.h"

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

TEST_F(BusTest, AHandOverToAProcessThatIsNoMoreEndsAtTheNextOne) {
  start("w-2", pb::WORKER);
  bus_.run();
  EXPECT_TRUE(worker("w-1").edge->hand_over("w-2", 4711, 9, "old"));
  bus_.advance(seconds(2));
  EXPECT_TRUE(worker("w-2").handed.empty());
  EXPECT_EQ(worker("w-1").edge->hand_overs_waiting(), 0u);
}

TEST_F(BusTest, AHandOverToAProcessThatIsNotKnownYetWaitsForIt) {
  EXPECT_TRUE(worker("w-1").edge->hand_over("w-2", 4711, 9, "a"));
  bus_.advance(seconds(2));
  EXPECT_EQ(worker("w-1").edge->hand_overs_waiting(), 1u);
}

TEST_F(BusTest, WhoDoesNotTakeHandOversGetsNoneThatWouldSeemToFollow) {
  start("w-2", pb::WORKER);
  bus_.run();
  const auto epoch = worker("w-2").edge->epoch();
  hand_over("a");
  bus_.run();
  for (const auto& mapper : {"m-1", "m-2"}) bus_.hold("w-1", mapper);
  for (std::size_t i = 0; i < HandOvers::kMaxWaiting; ++i) hand_over("b");
  EXPECT_FALSE(worker("w-1").edge->hand_over("w-2", epoch, 9, "c"));
  EXPECT_TRUE(worker("w-1").edge->hand_over("w-2", epoch, 9, "c")) << "said once";
  EXPECT_EQ(worker("w-1").edge->hand_overs_waiting(), 0u);
  EXPECT_EQ(worker("w-1").edge->hand_overs_given_up(), HandOvers::kMaxWaiting + 2);
  bus_.run();
  for (const auto& mapper : {"m-1", "m-2"}) {
    bus_.lose("w-1", mapper);
    bus_.release("w-1", mapper);
  }
  bus_.advance(seconds(5));
  EXPECT_TRUE(worker("w-1").edge->hand_over("w-2", epoch, 9, "c"));
  EXPECT_TRUE(worker("w-1").edge->hand_over("w-2", epoch, 10, "d"));
  bus_.advance(seconds(2));
  EXPECT_EQ(worker("w-2").handed, (std::vector<std::string>{"w-1:a", "w-1:d"}));
}

TEST_F(BusTest, HandOversThatNobodyTakesAreGivenUpAndThatIsTold) {
  hand_over("a", 4711);
  bus_.advance(seconds(119));
  EXPECT_EQ(worker("w-1").hand_overs_lost_count, 0);
  bus_.advance(seconds(3));
  EXPECT_EQ(worker("w-1").hand_overs_lost_count, 1);
  EXPECT_EQ(worker("w-1").edge->hand_overs_waiting(), 0u);
  bus_.advance(seconds(200));
  EXPECT_EQ(worker("w-1").hand_overs_lost_count, 1);
}

}  // namespace
}  // namespace stox::bus
