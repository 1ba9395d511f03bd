#include "common/service/trace.h"

#include <gtest/gtest.h>

namespace stox::service {
namespace {

const std::string kTraceId("\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36", 16);

TEST(Trace, FindsByEveryIdOldestFirst) {
  Trace trace;
  TraceHop& one = trace.add();
  one.trace_id = kTraceId;
  one.envelope = "sip-1.5.1";
  one.message_id = "call@h";
  TraceHop& two = trace.add();
  two.trace_id = kTraceId;
  two.other_id = "stanza-1";
  trace.add().envelope = "sip-1.5.2";

  const auto both = trace.find("4BF92F3577b34da6a3ce929d0e0e4736");
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0]->envelope, "sip-1.5.1");
  EXPECT_EQ(both[1]->other_id, "stanza-1");
  EXPECT_EQ(trace.find("sip-1.5.1").size(), 1U);
  EXPECT_EQ(trace.find("call@h").size(), 1U);
  EXPECT_EQ(trace.find("stanza-1").size(), 1U);
  EXPECT_TRUE(trace.find("nobody").empty());
  EXPECT_TRUE(trace.find("").empty()) << "hops without a message id are not meant";
}

TEST(Trace, PresenceTakesNoMessagesPlace) {
  Trace trace;
  Trace::Handle message = 0, presence = 0;
  trace.add(&message).message_id = "call@h";
  trace.add(&presence, Trace::Of::kPresence).trace_id = kTraceId;
  ASSERT_NE(trace.at(presence), nullptr);
  EXPECT_EQ(trace.at(presence)->trace_id, kTraceId);
  for (std::size_t i = 0; i <= Trace::kMessages; ++i)
    trace.presence_passed(kTraceId, "a", "b", "STATE, to XMPP", 5);
  EXPECT_EQ(trace.find("call@h").size(), 1U);
  EXPECT_EQ(trace.at(message)->message_id, "call@h");
  EXPECT_EQ(trace.at(presence), nullptr) << "a newer one has its place";
  const auto passed = trace.find("4bf92f");
  ASSERT_EQ(passed.size(), Trace::kPresences);
  EXPECT_EQ(passed[0]->decision, "STATE, to XMPP");
  EXPECT_EQ(trace.last(9, [](const TraceHop&) { return true; }).size(), 1U) << "messages only";
}

TEST(Trace, TheFirstDigitsOfATraceIdAreEnough) {
  Trace trace;
  trace.add().trace_id = kTraceId;
  EXPECT_EQ(trace.find("4bf92f").size(), 1U);
  EXPECT_EQ(trace.find("4BF92F3577").size(), 1U);
  EXPECT_TRUE(trace.find("4bf92").empty()) << "too short to stand for one";
  EXPECT_TRUE(trace.find("4bf92g").empty());
  EXPECT_TRUE(trace.find("bf92f3").empty());
}

TEST(Trace, TheLastThatAreChosenOldestFirst) {
  Trace trace;
  for (const char* id : {"1", "2", "3", "4"}) trace.add().message_id = id;
  const auto last = trace.last(2, [](const TraceHop& hop) { return hop.message_id != "3"; });
  ASSERT_EQ(last.size(), 2U);
  EXPECT_EQ(last[0]->message_id, "2");
  EXPECT_EQ(last[1]->message_id, "4");
  for (std::size_t i = 0; i < Trace::kMessages; ++i) trace.add();
  EXPECT_TRUE(trace.last(9, [](const TraceHop& hop) { return !hop.message_id.empty(); }).empty());
}

TEST(Trace, KeepsTheLastMessages) {
  Trace trace;
  Trace::Handle first = 0;
  trace.add(&first).envelope = "first";
  Trace::Handle second = 0;
  trace.add(&second).envelope = "second";
  for (std::size_t i = 0; i + 2 < Trace::kMessages; ++i) trace.add();
  ASSERT_NE(trace.at(first), nullptr);
  EXPECT_EQ(trace.at(first)->envelope, "first");

  TraceHop& newest = trace.add();
  EXPECT_EQ(newest.envelope, "") << "a slot is handed out cleared";
  newest.envelope = "newest";
  EXPECT_EQ(trace.at(first), nullptr);
  EXPECT_TRUE(trace.find("first").empty());
  EXPECT_EQ(trace.at(second)->envelope, "second");
  EXPECT_EQ(trace.find("newest").size(), 1U);
}

TEST(Trace, AHandleOfNothingIsNothing) {
  Trace trace;
  EXPECT_EQ(trace.at(0), nullptr);
  EXPECT_EQ(trace.at(1), nullptr);
  Trace::Handle handle = 0;
  trace.add(&handle);
  EXPECT_NE(trace.at(handle), nullptr);
  EXPECT_EQ(trace.at(handle + 1), nullptr);
}

}  // namespace
}  // namespace stox::service
