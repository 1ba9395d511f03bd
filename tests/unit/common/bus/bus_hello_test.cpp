// Who a process on the bus says it is, and what becomes of it when that cannot be.
#include <gmock/gmock.h>

#include "tests/unit/common/bus/bus_scene.h"

namespace stox::bus {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class BusHello : public BusTest {
 protected:
  BusHello() { one_mapper(); }

  // As the process at this end of the pipe would say it.
  void say_hello(const std::string& from, const std::string& as, pb::Role role, uint64_t epoch) {
    pb::Batch batch;
    pb::Hello& hello = *batch.add_items()->mutable_hello();
    hello.mutable_who()->set_name(as);
    hello.mutable_who()->set_role(role);
    hello.mutable_who()->set_epoch(epoch);
    hello.mutable_who()->set_process_epoch(epoch);
    batch.add_items()->mutable_heartbeat()->set_received(1);
    bus_.inject(from, "m-1", batch.SerializeAsString());
    bus_.run();
  }
  std::vector<std::string> members() {
    std::vector<std::string> out;
    for (const pb::Member& one : bus_.mapper("m-1").members()) out.push_back(one.name());
    return out;
  }
  void a_message_crosses() {
    const uint64_t number = send("c");
    bus_.advance(seconds(1));
    EXPECT_EQ(outcome(number).verdict(), pb::DELIVERED);
  }
  const std::string& refusals() { return choosers_["m-1"].refusals; }
};

TEST_F(BusHello, ASecondNameOnOneConnectionIsRefusedAndNamed) {
  say_hello("sip-1", "w-1", pb::WORKER, 9);
  bus_.advance(seconds(5));
  EXPECT_THAT(members(), ::testing::ElementsAre("sip-1", "w-1"));
  EXPECT_EQ(bus_.mapper("m-1").links().size(), 2u);
  EXPECT_THAT(refusals(), HasSubstr("\"w-1\" was not let in: it is sip-1 already"));
  a_message_crosses();
}

TEST_F(BusHello, ASecondRoleOnOneConnectionIsRefused) {
  say_hello("sip-1", "sip-1", pb::WORKER, 9);
  EXPECT_EQ(bus_.mapper("m-1").members()[0].role(), pb::FRONT);
  a_message_crosses();
}

TEST_F(BusHello, WhoHasNoNameOrIsNoEdgeIsRefused) {
  pb::Batch mute;
  mute.add_items()->mutable_hello();
  start("x", pb::WORKER);  // a connection; what it says comes behind this
  bus_.inject("x", "m-1", mute.SerializeAsString());
  say_hello("x", "m-9", pb::MAPPER, 9);
  EXPECT_THAT(members(), ::testing::ElementsAre("sip-1", "w-1", "x"));
  EXPECT_THAT(refusals(), HasSubstr("is neither a sip_front nor an xmpp_worker"));
}

class BusSharedKeys : public BusHello {
 protected:
  void start_with(const std::string& name, pb::Role role, uint64_t shared) {
    Actor& actor = actors_[name];
    actor.begun_ids.clear();
    actor.edge = &bus_.start_edge({.name = name,
                                   .role = role,
                                   .max_in_flight = 1000,
                                   .pace = Duration{0},
                                   .shared = shared,
                                   .bodies = bodies_},
                                  actor);
    bus_.advance(seconds(1));
  }
  void start_mapper_with(uint64_t shared) {
    bus_.kill("m-1");
    choosers_["m-1"].node = &bus_.start_mapper("m-1", choosers_["m-1"], shared);
    bus_.advance(seconds(4));
  }
};

TEST_F(BusSharedKeys, WhoHasOtherValuesWaitsForARestartAndNothingIsGivenToIt) {
  bus_.kill("w-1");
  start_mapper_with(1);
  start_with("sip-1", pb::FRONT, 2);
  EXPECT_TRUE(front().edge->restart_pending());
  const uint64_t waits = send("c1");
  bus_.advance(seconds(3));
  EXPECT_FALSE(front().outcomes.contains(waits)) << "it waits a while for a mapper that has been restarted";

  start_mapper_with(2);
  EXPECT_FALSE(front().edge->restart_pending());
  EXPECT_TRUE(front().edge->has_mapper());
  start_with("w-1", pb::WORKER, 1);
  EXPECT_TRUE(worker().edge->restart_pending());
  EXPECT_TRUE(worker().began.empty());
  bus_.advance(seconds(1));
  start_with("w-1", pb::WORKER, 2);
  bus_.advance(seconds(3));
  EXPECT_EQ(worker().began, (std::vector<std::string>{"c1"}));
  EXPECT_EQ(outcome(waits).verdict(), pb::DELIVERED);
}

TEST_F(BusSharedKeys, WhoIsNotRestartedIsATargetForNobodyAndThatIsSaid) {
  start_mapper_with(2);
  start_with("sip-1", pb::FRONT, 2);
  start_with("w-1", pb::WORKER, 1);
  const uint64_t number = send("c1");
  bus_.advance(seconds(15));
  EXPECT_EQ(outcome(number).reason(), pb::NO_TARGET) << "503, or resource-constraint";
  EXPECT_TRUE(worker().began.empty());
}

// Each of these as if the worker had said it.
TEST_F(BusHello, NobodySpeaksForAnother) {
  pb::Batch batch;
  pb::Envelope& envelope = *batch.add_items()->mutable_envelope();
  envelope.mutable_id()->set_origin("w-1");
  envelope.set_to_epoch(bus_.mapper("m-1").epoch());
  envelope.mutable_sip_message()->set_call_id("forged");
  batch.add_items()->mutable_outcome()->set_target("w-1");
  batch.add_items()->mutable_answer()->set_by("w-1");
  pb::HandOver& over = *batch.add_items()->mutable_hand_over();
  over.set_from("w-1");
  over.set_to("w-1");
  batch.add_items()->mutable_hand_over_ack()->set_to("w-1");
  pb::Call& call = *batch.add_items()->mutable_call();
  call.set_from("w-1@2");
  call.set_to("w-1");
  bus_.inject("sip-1", "m-1", batch.SerializeAsString());
  const auto dropped = bus_.mapper("m-1").links()[0].dropped;
  bus_.run();
  EXPECT_EQ(bus_.mapper("m-1").links()[0].dropped - dropped, 6u);
  EXPECT_THAT(refusals(), HasSubstr("sip-1 speaks for w-1@2, and is not heard"));
  EXPECT_TRUE(worker().began.empty());
  a_message_crosses();
}

// libprotobuf would write a line of its own to standard error for each.
TEST_F(BusHello, WhatCannotBeReadIsToldWithItsSender) {
  pb::Batch batch;
  batch.add_items()->mutable_hello()->mutable_who()->set_name("AAAA");
  std::string frame = batch.SerializeAsString();
  frame.replace(frame.find("AAAA"), 4, "\xff\xfe\xff\xfe");
  testing::internal::CaptureStderr();
  bus_.inject("sip-1", "m-1", frame);
  for (int i = 0; i < 3; ++i) bus_.inject("m-1", "w-1", frame);
  bus_.run();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(refusals(), HasSubstr("sip-1 sent what cannot be read: String field 'stox.pb.Member.name'"));
  EXPECT_THAT(worker().troubles, HasSubstr("m-1 sent what cannot be read: String field"));
  EXPECT_EQ(std::count(worker().troubles.begin(), worker().troubles.end(), '\n'), 1);
  a_message_crosses();
}

// The newer process of a name is faster than the news of the older one's end.
TEST_F(BusHello, ANameThatComesOnANewConnectionIsTaken) {
  bus_.kill("w-1", true);
  start("w-1", pb::WORKER);
  bus_.run();
  EXPECT_THAT(members(), ::testing::ElementsAre("sip-1", "w-1"));
  EXPECT_EQ(refusals(), "");
  a_message_crosses();
}

}  // namespace
}  // namespace stox::bus
