#include "common/bus/edge/target_memory.h"

#include <gtest/gtest.h>

#include "common/bus/wire/times.h"

namespace stox::bus {
namespace {

using Verdict = TargetMemory::Verdict;

class TargetMemoryTest : public ::testing::Test {
 protected:
  static pb::Envelope envelope(uint64_t number, uint64_t dedup = 0, uint32_t attempt = 1) {
    pb::Envelope e;
    e.mutable_id()->set_origin("sip-1");
    e.mutable_id()->set_epoch(7);
    e.mutable_id()->set_number(number);
    e.set_conversation("a b");
    e.set_dedup_key(dedup);
    e.set_attempt(attempt);
    return e;
  }
  Verdict take(const pb::Envelope& e) { return memory_.take(e, 0, clock_.now(), &outcome_); }
  std::size_t finish(uint64_t number, pb::Reason reason = pb::NOT_GIVEN) {
    pb::Outcome o;
    o.set_verdict(reason == pb::NOT_GIVEN ? pb::DELIVERED : pb::FAILED);
    o.set_reason(reason);
    o.set_text("number " + std::to_string(number));
    *o.mutable_id() = envelope(number).id();
    return memory_.finish(o, clock_.now()).size();
  }

  ManualClock clock_;
  TargetMemory memory_{1000};
  pb::Outcome outcome_;
};

TEST_F(TargetMemoryTest, AnIdBeginsOnceAndThenAnswersItsOutcome) {
  EXPECT_EQ(take(envelope(1)), Verdict::kBegin);
  EXPECT_EQ(take(envelope(1)), Verdict::kPending);
  EXPECT_EQ(finish(1), 1u);
  EXPECT_EQ(take(envelope(1, 0, 2)), Verdict::kEnded);
  EXPECT_EQ(outcome_.text(), "number 1");
  EXPECT_EQ(finish(1), 0u) << "ended twice";
}

TEST_F(TargetMemoryTest, TheSameMessageUnderAnotherIdSharesTheOutcome) {
  EXPECT_EQ(take(envelope(1, 55)), Verdict::kBegin);
  EXPECT_EQ(take(envelope(2, 55)), Verdict::kPending);
  EXPECT_EQ(finish(1), 2u);
  EXPECT_EQ(take(envelope(3, 55)), Verdict::kEnded);
  EXPECT_EQ(outcome_.id().number(), 3u);
}

TEST_F(TargetMemoryTest, WhatWasGivenBackUntouchedMayComeAgain) {
  EXPECT_EQ(take(envelope(1, 55)), Verdict::kBegin);
  EXPECT_EQ(finish(1, pb::LINK_DOWN), 1u);
  EXPECT_EQ(take(envelope(1, 55, 2)), Verdict::kEnded) << "not by its id";
  EXPECT_EQ(take(envelope(2, 55)), Verdict::kBegin);
  EXPECT_EQ(take(envelope(3, 55)), Verdict::kPending);
  clock_.advance(kMemory / 2);
  EXPECT_EQ(finish(2), 2u);
  clock_.advance(kMemory / 2);
  memory_.forget_old(clock_.now());
  EXPECT_EQ(take(envelope(4, 55)), Verdict::kEnded);
  EXPECT_EQ(outcome_.text(), "number 2");

  EXPECT_EQ(take(envelope(5, 66)), Verdict::kBegin);
  EXPECT_EQ(finish(5, pb::IN_DOUBT), 1u);
  EXPECT_EQ(take(envelope(6, 66)), Verdict::kEnded) << "it may have been delivered";
}

TEST_F(TargetMemoryTest, DedupKeysCountWithinAConversationOnly) {
  EXPECT_EQ(take(envelope(1, 55)), Verdict::kBegin);
  pb::Envelope other = envelope(2, 55);
  other.set_conversation("c d");
  EXPECT_EQ(take(other), Verdict::kBegin);
}

TEST_F(TargetMemoryTest, UnknownIsAPromise) {
  EXPECT_EQ(memory_.ask(envelope(1).id(), 1, clock_.now(), &outcome_), Verdict::kPromised);
  EXPECT_EQ(take(envelope(1, 0, 1)), Verdict::kPromised);
  EXPECT_EQ(take(envelope(1, 0, 2)), Verdict::kBegin);
}

TEST_F(TargetMemoryTest, OrderNeedsThePredecessor) {
  pb::Envelope second = envelope(2);
  second.set_after(1);
  EXPECT_EQ(take(second), Verdict::kOutOfOrder);
  EXPECT_EQ(take(envelope(1)), Verdict::kBegin);
  EXPECT_EQ(take(second), Verdict::kBegin);
}

TEST_F(TargetMemoryTest, ForgetsWhatEndedAfterItsTimeButNeverWhatIsPending) {
  take(envelope(1, 9));
  take(envelope(2));
  finish(1);
  clock_.advance(kMemory);
  memory_.forget_old(clock_.now());
  EXPECT_EQ(take(envelope(1, 9)), Verdict::kBegin);
  EXPECT_EQ(take(envelope(2)), Verdict::kPending);
}

TEST_F(TargetMemoryTest, IsBounded) {
  for (uint64_t n = 1; n <= 5000; ++n) {
    take(envelope(n, n));
    finish(n);
  }
  EXPECT_LE(memory_.size(), 1001u);
  EXPECT_EQ(take(envelope(5000, 5000)), Verdict::kEnded);
}

}  // namespace
}  // namespace stox::bus
