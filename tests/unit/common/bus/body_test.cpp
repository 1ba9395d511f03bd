// What a row of the table of bodies asks of the bus: made-up rows, and envelopes across the bus in memory.
#include "tests/unit/common/bus/bus_scene.h"

namespace stox::bus {
namespace {

constexpr int kSip = pb::Envelope::kSipMessageFieldNumber, kXmpp = pb::Envelope::kXmppMessageFieldNumber;

class BodyTest : public BusTest {
 protected:
  // All edges anew, with these rows.
  void with_rows(BodyKinds rows) {
    bodies_ = std::move(rows);
    for (const auto& [name, role] : {std::pair{"sip-1", pb::FRONT}, {"w-1", pb::WORKER}, {"w-2", pb::WORKER}})
      start(name, role);
    start("sip-2", pb::FRONT);
    bus_.advance(std::chrono::seconds(4));
    one_mapper();
  }
  uint64_t send_to(const std::string& from, const std::string& to, const std::string& call_id) {
    pb::Envelope e;
    e.set_conversation("a b");
    e.set_to(to);
    e.mutable_sip_message()->set_call_id(call_id);
    const Time end = bus_.clock().now() + std::chrono::seconds(100);
    return actors_[from].edge->origin().submit(e, end, end).value();
  }
};

TEST_F(BodyTest, WhatHasNoRowIsRefusedByItsTarget) {
  with_rows({{.field = kXmpp}});
  const uint64_t number = send("1");
  bus_.run();
  EXPECT_EQ(outcome(number).reason(), pb::UNSUPPORTED);
}

TEST_F(BodyTest, AnEnvelopeGoesToTheEdgeThatItNames) {
  with_rows({{.field = kSip}});
  for (const auto& [from, to] :
       {std::pair{"sip-1", "w-2"}, {"w-1", "sip-2"}, {"sip-1", "sip-2"}, {"w-2", "w-1"}}) {
    const uint64_t number = send_to(from, to, std::string("from ") + from);
    bus_.run();
    EXPECT_EQ(actors_[from].outcomes[number].verdict(), pb::DELIVERED) << from << " to " << to;
    EXPECT_EQ(actors_[to].began, std::vector<std::string>{std::string("from ") + from});
    actors_[to].began.clear();
  }
}

TEST_F(BodyTest, ItWaitsForTheEdgeThatItNames) {
  with_rows({{.field = kSip, .patience = std::chrono::seconds(60)}});
  bus_.kill("sip-2");
  const uint64_t number = send_to("w-1", "sip-2", "1");
  bus_.advance(std::chrono::seconds(50));
  EXPECT_FALSE(worker().outcomes.contains(number));
  start("sip-2", pb::FRONT);
  bus_.advance(std::chrono::seconds(4));
  EXPECT_EQ(worker().outcomes[number].verdict(), pb::DELIVERED);
}

TEST_F(BodyTest, AndNotForOneThatNeverWas) {
  with_rows({{.field = kSip, .patience = std::chrono::seconds(60)}});
  const uint64_t number = send_to("w-1", "sip-9", "1");
  bus_.run();
  EXPECT_EQ(worker().outcomes[number].reason(), pb::NO_TARGET);
}

TEST_F(BodyTest, InDoubtItFailsOrIsRepeated) {
  for (const bool repeats : {false, true}) {
    with_rows({{.field = kSip, .repeat_in_doubt = repeats}});
    actors_["sip-2"].answers = false;
    actors_["sip-2"].began.clear();
    const uint64_t number = send_to("w-1", "sip-2", "1");
    bus_.run();
    ASSERT_EQ(actors_["sip-2"].began.size(), 1U);
    bus_.kill("sip-2");
    actors_["sip-2"].answers = true;
    start("sip-2", pb::FRONT);
    bus_.advance(std::chrono::seconds(10));
    EXPECT_EQ(worker().outcomes[number].verdict(), repeats ? pb::DELIVERED : pb::FAILED);
    EXPECT_EQ(actors_["sip-2"].began.size(), repeats ? 2U : 1U);
    worker().outcomes.clear();
  }
}

TEST_F(BodyTest, ANewerOneTakesThePlaceOfWhatWasNotSent) {
  with_rows({{.field = kSip, .newest_wins = true, .patience = std::chrono::seconds(60)}});
  bus_.kill("sip-2");
  bus_.run();
  const uint64_t first = send_to("w-1", "sip-2", "away"), second = send_to("w-1", "sip-2", "busy"),
                 last = send_to("w-1", "sip-2", "here");
  bus_.advance(std::chrono::seconds(2));
  EXPECT_EQ(worker().outcomes[first].reason(), pb::SUPERSEDED);
  EXPECT_EQ(worker().outcomes[second].reason(), pb::SUPERSEDED);
  EXPECT_TRUE(worker().edge->origin().given_up().empty());
  start("sip-2", pb::FRONT);
  actors_["sip-2"].began.clear();
  bus_.advance(std::chrono::seconds(4));
  EXPECT_EQ(worker().outcomes[last].verdict(), pb::DELIVERED);
  EXPECT_EQ(actors_["sip-2"].began, std::vector<std::string>{"here"});
}

TEST_F(BodyTest, WhatIsFleetingIsNotAwaited) {
  with_rows({{.field = kSip, .fleeting = true, .patience = std::chrono::seconds(60)},
             {.field = kXmpp, .patience = std::chrono::seconds(60)}});
  bus_.kill("sip-2");
  send_to("w-1", "sip-2", "state");
  EXPECT_EQ(worker().edge->origin().in_flight(), 1U);
  EXPECT_EQ(worker().edge->origin().awaited(), 0U);
  pb::Envelope message;
  message.set_to("sip-2");
  message.mutable_xmpp_message();
  const Time end = bus_.clock().now() + std::chrono::seconds(20);
  const uint64_t number = worker().edge->origin().submit(message, end, end).value();
  EXPECT_EQ(worker().edge->origin().awaited(), 1U);
  bus_.advance(std::chrono::seconds(30));
  EXPECT_TRUE(worker().outcomes.contains(number));
  EXPECT_EQ(worker().edge->origin().in_flight(), 1U);
  EXPECT_EQ(worker().edge->origin().awaited(), 0U);
}

TEST_F(BodyTest, WhatIsFleetingIsNotKeptForARetry) {
  for (const bool fleeting : {false, true}) {
    with_rows({{.field = kSip, .fleeting = fleeting}});
    const uint64_t number = send_to("w-1", "sip-9", "1");
    bus_.run();
    EXPECT_EQ(worker().outcomes[number].reason(), pb::NO_TARGET);
    EXPECT_EQ(worker().edge->origin().given_up().size(), fleeting ? 0U : 1U);
    worker().outcomes.clear();
  }
}

TEST_F(BodyTest, OthersKeepTheirOrder) {
  with_rows({{.field = kSip}});
  bus_.kill("sip-2");
  bus_.run();
  for (const char* each : {"1", "2", "3"}) send_to("w-1", "sip-2", each);
  start("sip-2", pb::FRONT);
  actors_["sip-2"].began.clear();
  bus_.advance(std::chrono::seconds(4));
  EXPECT_EQ(actors_["sip-2"].began, (std::vector<std::string>{"1", "2", "3"}));
}

TEST_F(BodyTest, WithoutAConversationNothingIsWaitedFor) {
  with_rows({{.field = kSip}});
  worker("w-1").answers = worker("w-2").answers = false;
  send("1", "");
  bus_.run();
  bus_.kill("m-1");  // what goes another way than the one before waits for that, in one conversation
  start_mapper("m-1");
  bus_.advance(std::chrono::seconds(4));
  worker("w-1").answers = worker("w-2").answers = true;
  const uint64_t second = send("2", "");
  bus_.advance(std::chrono::seconds(1));
  EXPECT_EQ(outcome(second).verdict(), pb::DELIVERED);
}

}  // namespace
}  // namespace stox::bus
