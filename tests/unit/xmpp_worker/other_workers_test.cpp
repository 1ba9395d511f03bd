#include "xmpp_worker/other_workers.h"

#include <gtest/gtest.h>

namespace stox::worker {
namespace {

using std::chrono::seconds;

pb::Member worker(const std::string& name, pb::ProcessState state = pb::READY, uint64_t epoch = 5,
                  const std::string& serves = "gw.test") {
  pb::Member member;
  member.set_role(pb::WORKER);
  member.set_name(name);
  member.set_process_epoch(epoch);
  member.mutable_serving()->set_state(state);
  member.mutable_serving()->set_backend(pb::COMPONENT);
  member.mutable_serving()->add_serves(serves);
  return member;
}

class OtherWorkersTest : public testing::Test {
 protected:
  OtherWorkers others{"c@1", {"gw.test"}};
  Time now = Time{} + seconds(1000);
};

TEST_F(OtherWorkersTest, AreThoseOfOurDomainsButNotWe) {
  EXPECT_FALSE(
      others.update({worker("c@1"), worker("c@2"), worker("d", pb::READY, 5, "other.test")}, true, now));
  EXPECT_EQ(others.connections(), (std::vector<uint64_t>{others.connection("c@2")}));
  EXPECT_TRUE(others.is_there("c@2", 5));
  EXPECT_FALSE(others.is_there("c@2", 4));
  EXPECT_FALSE(others.is_there("d", 5));
  EXPECT_FALSE(others.is_there("c@1", 5));
}

TEST_F(OtherWorkersTest, HaveAConnectionWhileTheyAreConnected) {
  EXPECT_FALSE(others.update({worker("c@2", pb::STARTING), worker("c@3", pb::STANDBY)}, true, now));
  EXPECT_TRUE(others.connections().empty());
  EXPECT_TRUE(others.is_there("c@3", 5));
  EXPECT_EQ(others.holder(), "");
  EXPECT_FALSE(others.update({worker("c@2", pb::DRAINING), worker("c@3", pb::READY)}, true, now));
  EXPECT_EQ(others.connections().size(), 2u);
  EXPECT_EQ(others.holder(), "c@2");
}

TEST_F(OtherWorkersTest, OneThatHasDrainedGivesItsPlaceFree) {
  others.update({worker("c@2", pb::DRAINING)}, false, now);
  EXPECT_EQ(others.holder(), "c@2");
  pb::Member drained = worker("c@2", pb::DRAINING);
  drained.mutable_serving()->clear_serves();
  others.update({drained}, false, now);
  EXPECT_EQ(others.holder(), "");
}

TEST_F(OtherWorkersTest, OneThatIsGoneMayStillBeThereForTheServer) {
  others.update({worker("c@2")}, true, now);
  EXPECT_TRUE(others.update({}, true, now));
  EXPECT_GT(others.unsure_until(), now);
  EXPECT_FALSE(others.update({worker("c@2", pb::READY, 6)}, true, now + seconds(1)));
  EXPECT_LE(others.unsure_until(), now);
}

TEST_F(OtherWorkersTest, OneThatHeldThePlaceAloneTookNothingOfOurs) {
  others.update({worker("c@2")}, false, now);
  EXPECT_FALSE(others.update({}, false, now));
  EXPECT_LE(others.unsure_until(), now);
}

TEST_F(OtherWorkersTest, OneThatConnectsIsThereBeforeItIsKnown) {
  others.update({worker("c@2", pb::STARTING)}, true, now);
  EXPECT_EQ(others.unsure_until(), now + seconds(2));
  others.update({worker("c@2", pb::STARTING)}, true, now + seconds(1));  // for another reason now
  EXPECT_EQ(others.unsure_until(), now + seconds(2));
  others.update({worker("c@2", pb::READY)}, true, now + seconds(1));
  EXPECT_LE(others.unsure_until(), now);
}

TEST_F(OtherWorkersTest, OneThatBrokeItsStreamMayStillBeThereForTheServer) {
  others.update({worker("c@2")}, true, now);
  EXPECT_TRUE(others.update({worker("c@2", pb::STARTING)}, true, now));
  EXPECT_GT(others.unsure_until(), now);
}

TEST_F(OtherWorkersTest, OneThatDrainedOrWasReplacedIsGoneForTheServerToo) {
  others.update({worker("c@2"), worker("c@3")}, true, now);
  others.update({worker("c@2", pb::DRAINING), worker("c@3")}, true, now);
  EXPECT_TRUE(others.update({worker("c@3")}, true, now));
  EXPECT_LE(others.unsure_until(), now);
  EXPECT_TRUE(others.update({worker("c@3", pb::READY, 6)}, true, now));
  EXPECT_LE(others.unsure_until(), now);
}

}  // namespace
}  // namespace stox::worker
