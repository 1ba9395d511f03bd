#include "xmpp_worker/siblings/other_workers.h"

#include <gtest/gtest.h>

namespace stox::worker {
namespace {

using std::chrono::seconds;

struct Is {
  uint64_t connection = 40, broken = 0, epoch = 5;
  pb::ProcessState state = pb::READY;
  std::string serves = "gw.test";
  pb::Backend backend = pb::COMPONENT;
  std::string claim = {};
};

pb::Member worker(const std::string& name, const Is& is = {}) {
  pb::Member member;
  member.set_role(pb::WORKER);
  member.set_name(name);
  member.set_process_epoch(is.epoch);
  member.mutable_serving()->set_state(is.state);
  member.mutable_serving()->set_backend(is.backend);
  member.mutable_serving()->add_serves(is.serves);
  if (!is.claim.empty()) member.mutable_serving()->add_domains(is.claim);
  member.mutable_serving()->set_connection(is.connection);
  member.mutable_serving()->set_broken(is.broken);
  return member;
}

class OtherWorkersTest : public testing::Test {
 protected:
  static uint64_t connection(const std::string& name, uint64_t number) {
    return OtherWorkers::connection(name, number);
  }

  OtherWorkers others{"c@1", {"gw.test"}};
  Time now = Time{} + seconds(1000);
};

TEST_F(OtherWorkersTest, AreThoseOfOurDomainsButNotWe) {
  EXPECT_FALSE(others.update({worker("c@1"), worker("c@2"), worker("d", {.serves = "other.test"})}));
  EXPECT_EQ(others.connections(), (std::vector<uint64_t>{connection("c@2", 40)}));
}

// As mappers do: for a domain that one claims no other acts.
TEST_F(OtherWorkersTest, OneOfThoseThatAreReadyActsForADomain) {
  others.update({worker("c@2", {.claim = "*.Rooms.test"}), worker("c@3"),
                 worker("c@4", {.state = pb::STANDBY, .claim = "*.Rooms.test"})});
  const auto able = others.ready();
  const auto all = [](const PlacedWorker&) { return true; };
  for (const char* conversation : {"a b", "c d", "e f", "g h"}) {
    EXPECT_EQ(place(able, "garden.rooms.test", conversation, all)->name, "c@2");
    EXPECT_EQ(place(able, "xmpp.test", conversation, all)->name, "c@3");
  }
}

// Only they may have stanzas sent on our stream: the last ones of a worker that has drained, too.
TEST_F(OtherWorkersTest, WhoIsOrWasOneIsKnown) {
  others.update({worker("c@2"), worker("d", {.serves = "other.test"})});
  others.update({worker("c@2", {.serves = ""})});
  EXPECT_TRUE(others.has_been_alike("c@2"));
  for (const char* other : {"d", "sip-1", "c@3", "c@1"}) EXPECT_FALSE(others.has_been_alike(other)) << other;
}

TEST_F(OtherWorkersTest, AConnectionCountsFromBeforeItIsMade) {
  others.update({worker("c@2", {.connection = 0, .state = pb::STARTING})});
  EXPECT_TRUE(others.connections().empty());
  others.update({worker("c@2", {.connection = 41, .state = pb::STARTING})});
  EXPECT_EQ(others.connections(), (std::vector<uint64_t>{connection("c@2", 41)}));
}

TEST_F(OtherWorkersTest, WhoIsConnectedHoldsThePlaceUntilItHasDrained) {
  others.update({worker("c@2", {.state = pb::STANDBY}), worker("c@3", {.state = pb::STARTING})});
  EXPECT_EQ(others.holder(), "");
  others.update({worker("c@2", {.state = pb::DRAINING})});
  EXPECT_EQ(others.holder(), "c@2");
  others.update({worker("c@2", {.state = pb::DRAINING, .serves = ""})});
  EXPECT_EQ(others.holder(), "");
}

TEST_F(OtherWorkersTest, WhoHasGoneTookWhatWasOnItsConnection) {
  others.update({worker("c@2")});
  EXPECT_TRUE(others.update({}));
  EXPECT_TRUE(others.connections().empty());
  EXPECT_FALSE(others.update({worker("c@2", {.connection = 50, .epoch = 6})}));
}

TEST_F(OtherWorkersTest, SoDidWhoIsReplacedByANewProcessBeforeItWasMissed) {
  others.update({worker("c@2")});
  EXPECT_TRUE(others.update({worker("c@2", {.connection = 50, .epoch = 6})}));
}

TEST_F(OtherWorkersTest, AConnectionThatCameBackAsAnotherIsLostAlsoWhenNobodySawItDown) {
  others.update({worker("c@2")});
  EXPECT_TRUE(others.update({worker("c@2", {.connection = 41, .broken = 1})}));
  EXPECT_TRUE(others.update({worker("c@2", {.connection = 0, .broken = 2, .state = pb::STARTING})}));
  EXPECT_TRUE(others.update({worker("c@2", {.connection = 0, .broken = 3, .state = pb::STARTING})}))
      << "one was there and broke, and we were not told";
}

TEST_F(OtherWorkersTest, AConnectionThatTheServerRefusedTookNothing) {
  others.update({worker("c@2", {.connection = 41, .state = pb::STARTING})});
  EXPECT_FALSE(others.update({worker("c@2", {.connection = 0, .state = pb::STANDBY})}));
  others.update({worker("c@2", {.connection = 42, .state = pb::STANDBY})});
  EXPECT_FALSE(others.update({worker("c@2", {.connection = 43, .state = pb::STANDBY})}));
  EXPECT_FALSE(others.update({worker("c@2", {.connection = 0, .state = pb::STANDBY})}));
  EXPECT_FALSE(others.update({}));
}

TEST_F(OtherWorkersTest, TheirConnectionsAreNewsOnce) {
  others.update({worker("c@2"), worker("c@3", {.connection = 0})});
  const auto news = others.take_news();
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(news[0].name(), "c@2");
  others.update({worker("c@2"), worker("c@3", {.connection = 7})});
  EXPECT_EQ(others.take_news().size(), 1u);
  EXPECT_TRUE(others.take_news().empty());
}

TEST_F(OtherWorkersTest, OursIsMadeWhenAllOthersKnowOfIt) {
  EXPECT_FALSE(others.may_connect(true, now));
  others.update({worker("c@2"), worker("c@3", {.connection = 0})});
  others.announce(60, now);
  others.known_by("c@2", 60);
  others.known_by("c@3", 59);
  EXPECT_FALSE(others.may_connect(true, now));
  others.known_by("c@3", 60);
  EXPECT_TRUE(others.may_connect(true, now));
  others.announce(61, now);
  EXPECT_FALSE(others.may_connect(true, now));
}

TEST_F(OtherWorkersTest, WhoHasGoneOrDoesNotAnswerIsNotWaitedFor) {
  others.update({worker("c@2")});
  others.announce(60, now);
  EXPECT_FALSE(others.may_connect(true, now + seconds(4)));
  EXPECT_TRUE(others.may_connect(true, now + seconds(5)));
  others.update({});
  EXPECT_TRUE(others.may_connect(true, now));
}

TEST_F(OtherWorkersTest, WithoutAMapperNobodyWouldHearOfIt) {
  others.announce(60, now);
  EXPECT_FALSE(others.may_connect(false, now + seconds(60)));
  EXPECT_TRUE(others.may_connect(true, now + seconds(60)));
}

TEST_F(OtherWorkersTest, AnswersMayHaveBeenOnTheirWayToAServerThatDied) {
  others.update({worker("s-2", {.backend = pb::SERVER})});
  EXPECT_TRUE(others.has_been());
  EXPECT_TRUE(others.update({}));
}

}  // namespace
}  // namespace stox::worker
