// The calls between workers on the bus in memory: what one asks arrives as it was said, and so does the
// answer.
#include "xmpp_worker/siblings/sibling_calls.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/bus/memory/memory_wire.h"

namespace stox::worker {
namespace {

struct NoMapping final : bus::MapperUser {
  bus::Placement place(pb::Envelope&) override { return bus::Refuse{pb::Refused::NO_TARGET, ""}; }
  void translate(pb::Outcome&) override {}
};

// One of an earlier version, unless it is told what to answer.
struct Sibling final : bus::EdgeUser {
  void begin(const pb::Envelope&, Time) override {}
  void ended(uint64_t, const pb::Outcome&) override {}
  void handed_over(const pb::HandOver& one) override { handed.push_back(one); }
  void call_came(const pb::Call& question, bus::Calls::Reply reply) override {
    questions.push_back(question);
    reply(answer);
  }

  std::vector<pb::HandOver> handed;
  std::vector<pb::Call> questions;
  pb::Call answer;
};

class SiblingCallsTest : public testing::Test {
 protected:
  SiblingCallsTest() {
    bus_.start_mapper("m-1", mapper_);
    for (auto& [name, sibling] : siblings_)
      bus_.start_edge({.name = name, .role = pb::WORKER, .pace = Duration{0}}, sibling);
    bus_.advance(std::chrono::seconds(4));
  }
  bus::Edge& asker() { return bus_.edge("c-1"); }
  Sibling& other() { return siblings_["c-2"]; }

  bus::MemoryBus bus_{{"m-1"}, {"c-1", "c-2"}};
  NoMapping mapper_;
  std::map<std::string, Sibling> siblings_{{"c-1", {}}, {"c-2", {}}};
};

TEST_F(SiblingCallsTest, AStanzaIsSentByTheOtherWorker) {
  bool sent = false;
  const std::string xml = "<message>\xc3\xa4</message>";
  other().answer.mutable_sent();
  send_for(asker().calls(), "c-2", "a@gw.test", "b@x.test", xml, [&] { sent = true; });
  EXPECT_FALSE(sent);
  bus_.run();
  ASSERT_EQ(other().questions.size(), 1u);
  const pb::SendFor& stanza = other().questions[0].send_for();
  EXPECT_EQ(stanza.from(), "a@gw.test");
  EXPECT_EQ(stanza.to(), "b@x.test");
  EXPECT_EQ(stanza.xml(), xml);
  EXPECT_TRUE(sent);
}

TEST_F(SiblingCallsTest, AStanzaIsNotSentByWhoIsNotThereOrRefusesOrIsOlder) {
  bool sent = false;
  for (const char* name : {"nobody", "c-2"})
    send_for(asker().calls(), name, "a@gw.test", "b@x.test", "<message/>", [&] { sent = true; });
  bus_.run();
  EXPECT_EQ(other().questions.size(), 1u);
  EXPECT_FALSE(sent);
}

TEST_F(SiblingCallsTest, TheOtherWorkerSaysWhatItHasInHand) {
  std::vector<pb::Held> said;
  other().answer.mutable_held()->add_indexes(1);
  pb::InHand question;
  question.add_conversations()->set_key("a b");
  question.add_conversations()->set_key("a c");
  question.mutable_conversations(1)->set_age_ms(300);
  ask_in_hand(asker().calls(), "c-2", question, [&](const pb::Held& one) { said.push_back(one); });
  bus_.run();
  ASSERT_EQ(other().questions.size(), 1u);
  EXPECT_EQ(other().questions[0].in_hand().DebugString(), question.DebugString());
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].DebugString(), "indexes: 1\n");
}

TEST_F(SiblingCallsTest, WhoIsOutOfReachHasSaidNothing) {
  int said = 0;
  ask_in_hand(asker().calls(), "nobody", {}, [&](const pb::Held&) { ++said; });
  // The mapper loses it before it knows.
  bus_.hold("m-1", "c-2");
  bus_.kill("c-2", true);
  ask_in_hand(asker().calls(), "c-2", {}, [&](const pb::Held&) { ++said; });
  bus_.run();
  EXPECT_EQ(said, 0);
}

// Or a rolling upgrade would hold messages up until they fail.
TEST_F(SiblingCallsTest, OneOfAnEarlierVersionIsNotWaitedFor) {
  std::vector<pb::Held> said;
  ask_in_hand(asker().calls(), "c-2", {}, [&](const pb::Held& one) { said.push_back(one); });
  bus_.run();
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].indexes_size(), 0);
}

TEST_F(SiblingCallsTest, AConnectionIsSaidToBeKnown) {
  pb::Member other_worker;
  other_worker.set_name("c-2");
  other_worker.set_process_epoch(bus_.edge("c-2").epoch());
  other_worker.mutable_serving()->set_connection(4711);
  say_known(asker().hand_overs(), other_worker);
  bus_.run();
  ASSERT_EQ(other().handed.size(), 1u);
  EXPECT_EQ(other().handed[0].from(), "c-1");
  EXPECT_EQ(other().handed[0].known_connection().connection(), 4711u);
}

}  // namespace
}  // namespace stox::worker
