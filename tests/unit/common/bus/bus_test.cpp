// The rules of the bus (design: "The life of a message") on its twin in memory.
#include "tests/unit/common/bus/bus_scene.h"

namespace stox::bus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// One mapper still lists the process before, by its silence only it will know that it has gone.
TEST_F(BusTest, AProcessStartedAfterTheClockWasSetBackIsTheNewerOne) {
  start("w-2", pb::WORKER);
  bus_.advance(seconds(4));
  const auto epoch_of_w2 = [&] {
    for (const pb::Member& m : front().edge->members()) {
      if (m.name() == "w-2") return m.process_epoch();
    }
    return uint64_t{0};
  };
  const uint64_t before = worker("w-2").edge->epoch();
  bus_.hold("w-2", "m-2");
  bus_.kill("w-2", true);
  for (const uint64_t after : {before - 1, before - 2, before + 100}) {
    bus_.kill("w-2", true);
    worker("w-2").edge = &bus_.start_edge(
        {.name = "w-2", .role = pb::WORKER, .epoch = after, .bodies = bodies()}, worker("w-2"));
    bus_.hold("w-2", "m-2");
    bus_.run();
    EXPECT_EQ(epoch_of_w2(), after);
    start("w-3", pb::WORKER);  // m-2 lists all anew
    bus_.run();
    EXPECT_EQ(epoch_of_w2(), after);
  }
}

TEST_F(BusTest, AMapperThatSeesNoTargetIsPassedBy) {
  bus_.cut("w-1", "m-1");
  bus_.run();
  std::vector<uint64_t> numbers;
  for (int i = 0; i < 20; ++i) numbers.push_back(send(std::to_string(i), "a " + std::to_string(i)));
  bus_.advance(milliseconds(500));
  for (const uint64_t n : numbers) EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, AMapperThatIsLeftGetsNothingNewAndEndsWhatItHas) {
  one_mapper();
  worker().answers = false;
  const uint64_t before = send("c1");
  bus_.run();
  front().edge->leave_mapper(0);
  EXPECT_FALSE(front().edge->done_with(0));
  const uint64_t after = send("c2", "a c");
  bus_.run();
  EXPECT_EQ(worker().began, (std::vector<std::string>{"c1"}));
  worker().finish_all();
  bus_.run();
  EXPECT_EQ(outcome(before).verdict(), pb::DELIVERED);
  EXPECT_TRUE(front().edge->done_with(0));
  start_mapper("m-2");
  bus_.advance(seconds(1));
  worker().finish_all();
  bus_.run();
  EXPECT_EQ(outcome(after).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, AMapperThatIsRemovedWithSomethingInFlightIsAskedRound) {
  worker().answers = false;
  const uint64_t n = send("c1");
  bus_.run();
  for (const Pipe pipe : {0U, 1U}) {
    if (front().edge->links()[pipe].sent == 0) continue;
    front().edge->remove_mapper(pipe);
    break;
  }
  bus_.run();
  worker().finish_all();
  bus_.advance(seconds(6));
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(BusTest, QuestionsReachEveryProcessFromEach) {
  std::vector<std::string> answers;
  const auto keep = [&](const std::string& text) { answers.push_back(text); };
  front().edge->calls().ask("w-1", "how", keep);
  front().edge->calls().ask("m-2", "how", keep);
  choosers_["m-1"].node->ask("sip-1", "how", keep);
  choosers_["m-1"].node->ask("m-2", "how", keep);
  front().edge->calls().ask("nobody", "how", keep);
  choosers_["m-1"].node->ask("nobody", "how", keep);
  bus_.run();
  std::sort(answers.begin(), answers.end());
  EXPECT_EQ(answers, (std::vector<std::string>{"", "", "m-2 how", "m-2 how", "sip-1 how", "w-1 how"}));
  EXPECT_EQ(front().edge->links()[0].sent, 0u) << "what stoxctl asks is not counted";
}

// The field of a later version, which nobody here knows: mappers pass it on, and who is asked has no answer.
TEST_F(BusTest, ACallOfALaterVersionArrivesAndIsAnsweredWithNothing) {
  pb::Call question;
  ASSERT_TRUE(question.MergeFromString(std::string("\xa2\x38\x03new", 6)));  // number 900
  std::vector<pb::Call> answers;
  front().edge->calls().call("w-1", question, [&](const pb::Call& answer) { answers.push_back(answer); });
  bus_.run();
  ASSERT_EQ(worker().questions.size(), 1u);
  EXPECT_NE(worker().questions[0].SerializeAsString().find("new"), std::string::npos);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].what_case(), pb::Call::WHAT_NOT_SET);
  EXPECT_EQ(answers[0].from(), "w-1");
}

TEST_F(BusTest, ALossyEnvelopeCrossesAndIsKeptByNobody) {
  send_lossy("typing");
  EXPECT_EQ(front().edge->origin().in_flight(), 0u);
  const uint64_t n = send("c1");  // waits for nothing
  bus_.run();
  EXPECT_EQ(worker().began, (std::vector<std::string>{"typing", "c1"}));
  EXPECT_EQ(worker().edge->target().begun(), 0u);
  EXPECT_EQ(front().outcomes.size(), 1u);
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, ALossyEnvelopeThatCannotPassIsDroppedInSilence) {
  choosers_["m-1"].to = choosers_["m-2"].to = "w-9";
  send_lossy("typing");
  bus_.advance(seconds(30));
  choosers_["m-1"].to = choosers_["m-2"].to = "";
  bus_.advance(seconds(30));
  EXPECT_TRUE(worker().began.empty());
  EXPECT_TRUE(front().outcomes.empty());
  EXPECT_EQ(front().edge->origin().in_flight(), 0u);
}

TEST_F(BusTest, AMessageCrossesAndItsOutcomeComesBackTranslated) {
  const uint64_t n = send("c1");
  bus_.run();
  EXPECT_EQ(worker().began, std::vector<std::string>{"c1"});
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
  EXPECT_EQ(outcome(n).text(), "translated");
  EXPECT_EQ(outcome(n).target(), "w-1");
  EXPECT_EQ(front().edge->origin().in_flight(), 0u);
}

TEST_F(BusTest, TheMapperMayEndItAtOnce) {
  const uint64_t n = send("unmappable");
  bus_.run();
  EXPECT_EQ(outcome(n).sip_status().code(), 404u);
  EXPECT_TRUE(worker().began.empty());
}

TEST_F(BusTest, BytesThatAreNotUtf8HarmNobody) {
  const uint64_t good = send("c1", "a b");
  const uint64_t bad = send("c\xff\xfe", "\xc0\x80");
  bus_.run();
  EXPECT_EQ(outcome(good).verdict(), pb::DELIVERED);
  EXPECT_EQ(outcome(bad).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, ProcessesStartInAnyOrder) {
  MemoryBus bus({"m-1", "m-2"}, {"sip-1", "w-1"});
  Actor sip, w;
  Chooser chooser;
  sip.edge =
      &bus.start_edge({.name = "sip-1", .role = pb::FRONT, .pace = Duration{0}, .bodies = bodies()}, sip);
  pb::Envelope e;
  e.set_conversation("a b");
  e.mutable_sip_message()->set_call_id("early");
  const Time now = bus.clock().now();
  ASSERT_TRUE(sip.edge->origin().submit(e, now + seconds(25), now + seconds(25)));
  bus.advance(seconds(1));
  chooser.node = &bus.start_mapper("m-1", chooser);
  bus.advance(seconds(1));
  EXPECT_FALSE(chooser.node->ready());
  EXPECT_EQ(chooser.node->missing(), "w-1");
  w.edge = &bus.start_edge({.name = "w-1", .role = pb::WORKER, .pace = Duration{0}, .bodies = bodies()}, w);
  bus.advance(milliseconds(100));
  EXPECT_TRUE(chooser.node->ready());
  EXPECT_EQ(w.began, std::vector<std::string>{"early"});
  EXPECT_EQ(sip.outcomes.size(), 1u);
}

TEST_F(BusTest, AMapperIsReadyAfterThreeHeartbeatsEvenIfSomebodyIsMissing) {
  bus_.kill("w-1");
  bus_.kill("m-1");
  bus_.advance(milliseconds(200));
  start_mapper("m-1");
  bus_.advance(seconds(2));
  EXPECT_FALSE(bus_.mapper("m-1").ready());
  bus_.advance(seconds(1));
  EXPECT_TRUE(bus_.mapper("m-1").ready());
}

TEST_F(BusTest, AMapperThatWasReadyStaysReadyWhenAnEdgeGoes) {
  bus_.kill("m-1");
  bus_.kill("m-2");
  bus_.run();
  start_mapper("m-1");
  bus_.run();
  ASSERT_TRUE(bus_.mapper("m-1").ready());
  bus_.kill("w-1");
  bus_.run();
  EXPECT_TRUE(bus_.mapper("m-1").ready());
  EXPECT_EQ(bus_.mapper("m-1").missing(), "w-1");
}

TEST_F(BusTest, EdgesAreToldWhoIsThereAndWhoHasGone) {
  EXPECT_EQ(front().edge->members().size(), 2u);
  bus_.kill("w-1");
  bus_.run();
  ASSERT_EQ(front().edge->members().size(), 1u);
  EXPECT_EQ(front().edge->members()[0].name(), "sip-1");
}

TEST_F(BusTest, ADeathWithoutAnyEventIsNoticedByHeartbeatAlone) {
  bus_.kill("w-1", /*silently=*/true);
  bus_.advance(seconds(2));
  EXPECT_EQ(front().edge->members().size(), 2u);
  bus_.advance(seconds(2));
  EXPECT_EQ(front().edge->members().size(), 1u);
}

TEST_F(BusTest, AMapperThatDiesBeforeForwardingLosesNothing) {
  one_mapper();
  bus_.hold("sip-1", "m-1");
  const uint64_t n = send("c1");
  bus_.run();
  EXPECT_EQ(bus_.lose("sip-1", "m-1"), 1u);
  bus_.kill("m-1");
  bus_.advance(seconds(1));
  start_mapper("m-1");
  bus_.advance(seconds(4));
  EXPECT_EQ(worker().began, std::vector<std::string>{"c1"});
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, AMapperThatDiesAfterForwardingDoublesNothing) {
  one_mapper();
  worker().answers = false;
  const uint64_t n = send("c1");
  bus_.run();
  bus_.kill("m-1");
  bus_.advance(seconds(1));
  worker().finish_all();  // with no mapper to tell
  start_mapper("m-1");
  bus_.advance(seconds(8));
  EXPECT_EQ(worker().began, std::vector<std::string>{"c1"});
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, TheOtherMapperTakesOverAtOnce) {
  std::vector<uint64_t> numbers;
  for (int i = 0; i < 20; ++i)
    numbers.push_back(send("c" + std::to_string(i), "conversation " + std::to_string(i)));
  bus_.hold("sip-1", "m-1");
  bus_.hold("sip-1", "m-2");
  bus_.run();
  bus_.lose("sip-1", "m-1");
  bus_.kill("m-1");
  bus_.release("sip-1", "m-2");
  bus_.advance(milliseconds(200));
  for (const uint64_t n : numbers) EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
  EXPECT_EQ(std::set<std::string>(worker().began.begin(), worker().began.end()).size(),
            worker().began.size());
}

TEST_F(BusTest, AnOutcomeLostWithItsMapperIsAskedFor) {
  one_mapper();
  bus_.hold("m-1", "sip-1");
  const uint64_t n = send("c1");
  bus_.run();
  EXPECT_EQ(worker().began.size(), 1u);
  bus_.lose("m-1", "sip-1");
  bus_.release("m-1", "sip-1");
  bus_.advance(seconds(6));
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(BusTest, ALostEnvelopeIsSentAgainAfterTheAttemptTimeout) {
  one_mapper();
  bus_.hold("m-1", "w-1");
  const uint64_t n = send("c1");
  bus_.run();
  EXPECT_EQ(bus_.lose("m-1", "w-1"), 1u);
  bus_.release("m-1", "w-1");
  bus_.advance(seconds(4));
  EXPECT_TRUE(worker().began.empty());
  bus_.advance(seconds(2));
  EXPECT_EQ(worker().began, std::vector<std::string>{"c1"});
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, ACopyThatWasSaidToBeUnknownNeverBegins) {
  one_mapper();
  bus_.hold("sip-1", "m-1");
  send("c1");
  bus_.run();
  start_mapper("m-2");  // the question goes another way than the copy
  bus_.advance(seconds(10));
  EXPECT_EQ(worker().began, std::vector<std::string>{"c1"});
  bus_.release("sip-1", "m-1");
  bus_.advance(seconds(2));
  EXPECT_EQ(worker().began, std::vector<std::string>{"c1"});
}

TEST_F(BusTest, ATargetThatDiesBeforeHandlingIsADoubtNotASecondDelivery) {
  worker().answers = false;
  const uint64_t n = send("c1");
  bus_.run();
  bus_.kill("w-1");
  bus_.advance(seconds(1));
  start("w-1", pb::WORKER);
  bus_.advance(seconds(1));
  EXPECT_EQ(outcome(n).verdict(), pb::FAILED);
  EXPECT_EQ(outcome(n).reason(), pb::IN_DOUBT);
  EXPECT_NE(outcome(n).text().find("w-1"), std::string::npos);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(BusTest, ATargetThatDiesAfterItsOutcomeLeftIsNoDoubt) {
  const uint64_t n = send("c1");
  bus_.run();
  bus_.kill("w-1");
  bus_.advance(seconds(5));
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, DoubtIsResentWhenTheSiteWantsThat) {
  Actor& w = worker();
  w.answers = false;
  start("sip-1", pb::FRONT);
  bus_.kill("sip-1");
  Actor& sip = actors_["sip-1"];
  sip.edge = &bus_.start_edge(
      {.name = "sip-1", .role = pb::FRONT, .pace = Duration{0}, .resend_on_doubt = true, .bodies = bodies()},
      sip);
  bus_.advance(seconds(1));
  const uint64_t n = send("c1");
  bus_.run();
  bus_.kill("w-1");
  bus_.advance(seconds(1));
  w.answers = true;
  start("w-1", pb::WORKER);
  bus_.advance(seconds(2));
  EXPECT_EQ(w.began, (std::vector<std::string>{"c1", "c1"}));
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, AConnectionThatBlinksCostsNothing) {
  one_mapper();
  worker().answers = false;
  const uint64_t n = send("c1");
  bus_.run();
  bus_.cut("w-1", "m-1");
  bus_.advance(milliseconds(500));
  bus_.join("w-1", "m-1");
  bus_.advance(milliseconds(500));
  worker().finish_all();
  bus_.advance(seconds(2));
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(BusTest, AMessageForATargetThatIsBeingRestartedWaitsForIt) {
  bus_.kill("w-1");
  bus_.run();
  const uint64_t n = send("c1");
  bus_.advance(seconds(3));
  EXPECT_FALSE(front().outcomes.contains(n));
  start("w-1", pb::WORKER);
  bus_.advance(milliseconds(100));
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
}

// A worker has only just come, and takes a message before the origin has heard of it. Then it ends, and the
// mappers with the news of it.
TEST_F(BusTest, AMessageGoesToNobodyOfWhomItsOriginHasNotHeard) {
  for (const char* m : {"m-1", "m-2"}) choosers_[m].to = "w-2";
  worker("w-2").answers = false;
  for (const char* m : {"m-1", "m-2"}) bus_.hold(m, "sip-1");
  start("w-2", pb::WORKER);
  bus_.run();
  const uint64_t n = send("c1");
  bus_.advance(milliseconds(500));
  for (const char* gone : {"m-1", "m-2", "w-2"}) bus_.kill(gone, false, true);
  for (const char* m : {"m-1", "m-2"}) {
    bus_.release(m, "sip-1");
    choosers_[m].to.clear();
    start_mapper(m);
  }
  bus_.advance(seconds(10));
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
  EXPECT_EQ(worker("w-1").began.size() + worker("w-2").began.size(), 1u);
}

TEST_F(BusTest, WithNobodyThereForTenSecondsTheAnswerComesAtOnce) {
  bus_.kill("w-1");
  bus_.run();
  const uint64_t first = send("c1");
  bus_.advance(seconds(11));
  EXPECT_EQ(outcome(first).reason(), pb::NO_TARGET);
  const uint64_t second = send("c2");
  bus_.run();
  EXPECT_EQ(outcome(second).reason(), pb::NO_TARGET);
  bus_.kill("m-1");
  bus_.kill("m-2");
  bus_.advance(seconds(11));
  EXPECT_EQ(send("c3"), 0u);
  EXPECT_EQ(front().edge->origin().refusal(), pb::NO_TARGET);
}

TEST_F(BusTest, ASleeperDropsWhatItHadNotBegun) {
  bus_.sleep("w-1");
  const uint64_t n = send("c1");
  bus_.advance(seconds(7));  // gone for the others
  EXPECT_EQ(front().edge->members().size(), 1u);
  start("w-2", pb::WORKER);
  bus_.advance(seconds(5));
  bus_.wake("w-1");
  bus_.advance(seconds(3));
  EXPECT_TRUE(worker("w-1").began.empty()) << "begun after it was given up";
  EXPECT_EQ(outcome(n).verdict(), pb::FAILED);
  EXPECT_EQ(outcome(n).reason(), pb::IN_DOUBT);
  const uint64_t later = send("c2");
  bus_.run();
  EXPECT_EQ(outcome(later).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, ASleepingMapperDropsWhatItHadNotPassedOn) {
  std::vector<uint64_t> numbers;
  bus_.sleep("m-1");
  for (int i = 0; i < 20; ++i)
    numbers.push_back(send("c" + std::to_string(i), "conversation " + std::to_string(i)));
  bus_.advance(seconds(8));
  bus_.wake("m-1");
  bus_.advance(seconds(5));
  for (const uint64_t n : numbers) EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began.size(), 20u);
}

TEST_F(BusTest, AnOriginThatSleptStillGetsItsOutcomes) {
  worker().answers = false;
  const uint64_t early = send("c1", "a b");
  bus_.run();
  bus_.sleep("sip-1");
  worker().finish_all();
  bus_.advance(seconds(7));  // gone for the others
  bus_.wake("sip-1");
  worker().answers = true;
  bus_.advance(seconds(1));
  EXPECT_EQ(outcome(early).verdict(), pb::DELIVERED);

  worker().answers = false;
  const uint64_t late = send("c2", "a b");
  bus_.run();
  bus_.sleep("sip-1");
  bus_.advance(seconds(7));
  worker().finish_all();  // nobody is there to be told
  bus_.wake("sip-1");
  bus_.advance(seconds(3));
  EXPECT_EQ(outcome(late).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, AShortSleepIsNoDeath) {
  bus_.sleep("w-1");
  const uint64_t n = send("c1");
  bus_.advance(seconds(2));
  bus_.wake("w-1");
  bus_.advance(seconds(1));
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, AConversationStaysInOrderWhenMembershipChanges) {
  choosers_["m-1"].to = choosers_["m-2"].to = "w-1";
  worker("w-1").answers = false;
  send("c1");
  bus_.run();
  start("w-2", pb::WORKER);
  bus_.run();
  choosers_["m-1"].to = choosers_["m-2"].to = "w-2";
  send("c2");
  send("c3");
  bus_.advance(seconds(1));
  EXPECT_TRUE(worker("w-2").began.empty()) << "overtook its predecessor on another worker";
  worker("w-1").finish_all();
  bus_.run();
  EXPECT_EQ(worker("w-2").began, (std::vector<std::string>{"c2", "c3"}));
}

TEST_F(BusTest, WhatIsHeldWaitsAndWhatFollowsInItsConversationToo) {
  pb::Envelope e;
  e.set_conversation("a b");
  e.mutable_sip_message()->set_call_id("held");
  const Time now = bus_.clock().now();
  const auto held = front().edge->origin().submit(e, now + seconds(25), now + seconds(25), true);
  ASSERT_TRUE(held);
  send("follows");
  send("other", "a c");
  start("w-2", pb::WORKER);  // membership changes, and with it what may be sent
  bus_.advance(seconds(8));
  EXPECT_EQ(worker().began, (std::vector<std::string>{"other"}));
  EXPECT_STREQ(front().edge->origin().list_in_flight(9).front().stage, "waits for another worker");
  EXPECT_TRUE(front().edge->origin().has_in_flight("a b", now));
  EXPECT_FALSE(front().edge->origin().has_in_flight("a b", now - seconds(1)));
  EXPECT_FALSE(front().edge->origin().has_in_flight("a c", now + seconds(8)));
  front().edge->origin().let_go(*held);
  front().edge->origin().let_go(*held + 100);
  bus_.run();
  EXPECT_EQ(worker().began, (std::vector<std::string>{"other", "held", "follows"}));
}

TEST_F(BusTest, WhatIsHeldForTooLongFails) {
  pb::Envelope e;
  e.set_conversation("a b");
  e.mutable_sip_message()->set_call_id("held");
  const Time now = bus_.clock().now();
  const auto held = front().edge->origin().submit(e, now + seconds(25), now + seconds(60), true);
  bus_.advance(seconds(26));
  EXPECT_EQ(outcome(*held).reason(), pb::DEADLINE);
  EXPECT_TRUE(worker().began.empty());
}

TEST_F(BusTest, OtherConversationsDoNotWait) {
  worker().answers = false;
  send("c1", "a b");
  bus_.run();
  start("w-2", pb::WORKER);
  bus_.run();
  worker().answers = true;
  const uint64_t n = send("x1", "x y");
  bus_.run();
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, ALostPredecessorIsSentAgainBeforeItsSuccessors) {
  one_mapper();
  bus_.hold("m-1", "w-1");
  send("c1");
  bus_.run();
  bus_.lose("m-1", "w-1");
  bus_.release("m-1", "w-1");
  send("c2");
  send("c3");
  bus_.advance(seconds(8));
  EXPECT_EQ(worker().began, (std::vector<std::string>{"c1", "c2", "c3"}));
  EXPECT_EQ(front().outcomes.size(), 3u);
}

TEST_F(BusTest, TheSameMessageUnderTwoIdsBeginsOnce) {
  worker().answers = false;
  const uint64_t first = send("c1", "a b", 4711);
  const uint64_t second = send("c1", "a b", 4711);
  bus_.run();
  worker().finish_all();
  bus_.run();
  EXPECT_EQ(worker().began.size(), 1u);
  EXPECT_EQ(outcome(first).verdict(), pb::DELIVERED);
  EXPECT_EQ(outcome(second).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, TheBoundRefusesAndNothingIsLost) {
  bus_.hold("sip-1", "m-1");
  bus_.hold("sip-1", "m-2");
  std::size_t taken = 0;
  while (send("c" + std::to_string(taken), std::to_string(taken)) != 0) ++taken;
  EXPECT_EQ(taken, max_in_flight_);
  EXPECT_EQ(front().edge->origin().refusal(), pb::OVERLOADED);
  bus_.release("sip-1", "m-1");
  bus_.release("sip-1", "m-2");
  bus_.advance(seconds(1));
  EXPECT_EQ(front().outcomes.size(), taken);
  EXPECT_EQ(worker().began.size(), taken);
}

TEST_F(BusTest, TheDeadlineEndsItHoweverStuckItIs) {
  worker().answers = false;
  const uint64_t n = send("c1");
  bus_.advance(seconds(24));
  EXPECT_FALSE(front().outcomes.contains(n));
  bus_.advance(seconds(2));
  EXPECT_EQ(outcome(n).reason(), pb::DEADLINE);
  worker().finish_all();
  bus_.run();  // a late outcome must not come as a second one
}

TEST_F(BusTest, ADrainingTargetIsNotGivenAnythingNew) {
  drain("w-1");
  const uint64_t n = send("c1");
  bus_.advance(seconds(1));
  EXPECT_TRUE(worker().began.empty());
  start("w-1", pb::WORKER);
  bus_.advance(seconds(1));
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, WhoDrainsAndStaysIsNamedWhenTheTimeIsOver) {
  one_mapper();
  drain("w-1");
  const uint64_t n = send("c1");
  bus_.advance(seconds(30));
  EXPECT_EQ(outcome(n).reason(), pb::DEADLINE);
  EXPECT_EQ(outcome(n).text(), "could not be handed on in time; m-1: w-1 is draining");
}

TEST_F(BusTest, WhoDrainsKnowsWhenItHasTheLastEnvelope) {
  one_mapper();
  bus_.hold("m-1", "w-1");
  const uint64_t before = send("before");
  bus_.run();
  bus_.hold("w-1", "m-1");
  drain("w-1");
  bus_.run();
  const uint64_t meanwhile = send("meanwhile", "c d");
  bus_.run();
  EXPECT_FALSE(worker().edge->has_last_envelope()) << "the mapper has not heard of it";
  bus_.release("w-1", "m-1");
  const uint64_t after = send("after", "e f");
  bus_.run();
  EXPECT_FALSE(worker().edge->has_last_envelope()) << "some are on their way";
  bus_.release("m-1", "w-1");
  bus_.run();
  EXPECT_TRUE(worker().edge->has_last_envelope());

  bus_.hold("m-1", "w-1");  // nothing comes any more that could be lost when it goes
  bus_.advance(seconds(1));
  bus_.kill("w-1");
  start("w-1", pb::WORKER);
  bus_.advance(seconds(1));
  for (const uint64_t n : {before, meanwhile, after}) EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began, (std::vector<std::string>{"before", "meanwhile", "after"}));
}

TEST_F(BusTest, AMapperThatIsOutOfReachIsNotWaitedForByWhoDrains) {
  bus_.hold("m-2", "w-1");
  drain("w-1");
  bus_.run();
  EXPECT_FALSE(worker().edge->has_last_envelope());
  bus_.advance(seconds(4));
  EXPECT_TRUE(worker().edge->has_last_envelope());
}

TEST_F(BusTest, WhoStoodStillSoLongThatOthersGaveItUpIsTold) {
  bus_.sleep("w-1");
  bus_.advance(seconds(4));
  bus_.wake("w-1");
  bus_.advance(seconds(4));
  EXPECT_EQ(worker().times_out_of_reach, 0);
  bus_.sleep("w-1");
  bus_.advance(seconds(7));
  bus_.wake("w-1");
  bus_.advance(seconds(4));
  EXPECT_EQ(worker().times_out_of_reach, 1);
}

TEST_F(BusTest, WhoHearsOfNoMapperForSoLongIsToldOnce) {
  for (const char* mapper : {"m-1", "m-2"}) bus_.hold(mapper, "w-1");
  bus_.advance(seconds(4));
  EXPECT_EQ(worker().times_out_of_reach, 0);
  bus_.advance(seconds(10));
  EXPECT_EQ(worker().times_out_of_reach, 1);
  bus_.release("m-1", "w-1");
  bus_.advance(seconds(10));
  EXPECT_EQ(worker().times_out_of_reach, 1);
}

TEST_F(BusTest, ADrainingMapperIsPassedBy) {
  bus_.mapper("m-1").drain();
  bus_.run();
  std::vector<uint64_t> numbers;
  for (int i = 0; i < 20; ++i)
    numbers.push_back(send("c" + std::to_string(i), "conversation " + std::to_string(i)));
  bus_.run();
  for (const uint64_t n : numbers) EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, ALinkCountsWhatIsInThePipe) {
  one_mapper();
  bus_.hold("sip-1", "m-1");
  send("c1", "a");
  send("c2", "b");
  bus_.run();
  const LinkFigures out = front().edge->links()[0];
  const LinkFigures in = bus_.mapper("m-1").links()[0];
  ASSERT_EQ(in.peer, "sip-1");
  EXPECT_EQ(out.sent - in.received, 2u);
  bus_.release("sip-1", "m-1");
  bus_.run();
  EXPECT_EQ(front().edge->links()[0].sent, bus_.mapper("m-1").links()[0].received);
}

}  // namespace
}  // namespace stox::bus
