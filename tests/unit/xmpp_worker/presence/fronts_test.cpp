#include "xmpp_worker/presence/fronts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace stox::worker {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class FrontsTest : public testing::Test {
 protected:
  void there_are(const std::vector<std::string>& names) {
    std::vector<pb::Member> members;
    for (const std::string& name : names) {
      members.emplace_back().set_name(name);
      members.back().set_role(name.starts_with("sip") ? pb::FRONT : pb::WORKER);
    }
    fronts.update(members);
  }
  std::map<std::string, std::string> of_pairs() const {
    std::map<std::string, std::string> out;
    for (int i = 0; i < 100; ++i) {
      const std::string pair = "ann" + std::to_string(i) + "@x.test bob@gw.test";
      out[pair] = fronts.of(pair);
    }
    return out;
  }

  ManualClock clock;
  Fronts fronts{clock};
};

TEST_F(FrontsTest, AreTheFrontsOfTheBus) {
  EXPECT_THAT(fronts.all(), IsEmpty());
  EXPECT_EQ(fronts.of("ann@x.test bob@gw.test"), "");
  there_are({"sip-2", "component-1", "sip-1"});
  EXPECT_THAT(fronts.all(), ElementsAre("sip-1", "sip-2"));
}

TEST_F(FrontsTest, ShareThePairs) {
  there_are({"sip-1", "sip-2"});
  std::map<std::string, int> pairs;
  for (const auto& [pair, front] : of_pairs()) ++pairs[front];
  EXPECT_GT(pairs["sip-1"], 20);
  EXPECT_GT(pairs["sip-2"], 20);
}

TEST_F(FrontsTest, OneThatHasGoneForAMomentKeepsItsPairs) {
  there_are({"sip-1", "sip-2"});
  const auto before = of_pairs();
  there_are({"sip-2"});
  clock.advance(seconds(30));
  there_are({"sip-2"});
  EXPECT_THAT(fronts.all(), ElementsAre("sip-1", "sip-2"));
  EXPECT_EQ(of_pairs(), before);
  there_are({"sip-1", "sip-2"});
  clock.advance(seconds(90));
  EXPECT_EQ(of_pairs(), before) << "it is back";
}

TEST_F(FrontsTest, OneThatHasGoneForLongLosesThem) {
  there_are({"sip-1", "sip-2"});
  there_are({"sip-2"});
  clock.advance(seconds(90));
  EXPECT_THAT(fronts.all(), ElementsAre("sip-2"));
  for (const auto& [pair, front] : of_pairs()) EXPECT_EQ(front, "sip-2");
}

TEST_F(FrontsTest, TellThoseThatAreThere) {
  std::vector<std::string> names = {"sip-1", "sip-2"};
  there_are({"sip-1", "sip-2"});
  there_are({});
  fronts.leave_those_there(&names);
  EXPECT_THAT(names, ElementsAre("sip-1", "sip-2")) << "a mapper has died";
  there_are({"sip-2"});
  fronts.leave_those_there(&names);
  EXPECT_THAT(names, ElementsAre("sip-2"));
}

TEST_F(FrontsTest, ThatNobodyIsToldOfForAMomentAreNotForgotten) {
  there_are({"sip-1", "sip-2"});
  there_are({});
  there_are({"sip-1"});
  EXPECT_THAT(fronts.all(), ElementsAre("sip-1", "sip-2"));
}

}  // namespace
}  // namespace stox::worker
