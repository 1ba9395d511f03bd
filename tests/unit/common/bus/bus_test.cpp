// The rules of the bus (design: "The life of a message") on its twin in memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "common/bus/hand_over.h"
#include "common/bus/memory_wire.h"

namespace stox::bus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Front or worker of a test: remembers what began and what ended.
class Actor : public EdgeUser {
 public:
  void begin(const pb::Envelope& e, Time) override {
    began.push_back(e.sip_message().call_id());
    begun_ids.push_back(e.id());
    if (answers) finish_all();
  }
  void ended(uint64_t number, const pb::Outcome& o) override {
    EXPECT_FALSE(outcomes.contains(number)) << "two outcomes for " << number;
    outcomes[number] = o;
    order.push_back(number);
  }
  void hand_overs_lost() override { ++hand_overs_lost_count; }
  void out_of_reach() override { ++times_out_of_reach; }
  void handed_over(const std::string& from, uint64_t, std::string_view payload) override {
    handed.push_back(from + ":" + std::string(payload));
  }
  void asked(std::string_view text, std::function<void(std::string)> reply) override {
    reply(edge->name() + " " + std::string(text));
  }
  void finish_all() {
    for (const auto& id : std::exchange(begun_ids, {})) {
      pb::Outcome o;
      o.set_verdict(pb::DELIVERED);
      edge->finish(id, o);
    }
  }

  Edge* edge = nullptr;
  bool answers = true;
  std::vector<std::string> began;
  std::vector<pb::EnvelopeId> begun_ids;
  std::map<uint64_t, pb::Outcome> outcomes;
  std::vector<uint64_t> order;
  std::vector<std::string> handed;
  int hand_overs_lost_count = 0, times_out_of_reach = 0;
};

// Sends everything to the first worker there is, or to the one it is told.
class Chooser : public MapperUser {
 public:
  Placement place(pb::Envelope& e) override {
    if (e.sip_message().request_uri() == "unmappable") {
      EndWith end;
      end.outcome.mutable_sip_status()->set_code(404);
      return end;
    }
    for (const auto& m : node->members()) {
      if (m.role() == pb::WORKER && (to.empty() || m.name() == to)) return Forward{m.name()};
    }
    return Refuse{pb::Refused::NO_TARGET, "no worker"};
  }
  void translate(pb::Outcome& o) override { o.set_text("translated"); }
  void asked(std::string_view text, std::function<void(std::string)> reply) override {
    reply(name + " " + std::string(text));
  }
  MapperNode* node = nullptr;
  std::string to, name;
};

class BusTest : public ::testing::Test {
 protected:
  BusTest() {
    for (const char* m : {"m-1", "m-2"}) start_mapper(m);
    start("sip-1", pb::FRONT);
    start("w-1", pb::WORKER);
    bus_.advance(seconds(4));
  }

  void start(const std::string& name, pb::Role role) {
    Actor& actor = actors_[name];
    actor.begun_ids.clear();
    actor.edge = &bus_.start_edge(
        {.name = name, .role = role, .max_in_flight = max_in_flight_, .pace = Duration{0}}, actor);
  }
  void start_mapper(const std::string& name) {
    choosers_[name].name = name;
    choosers_[name].node = &bus_.start_mapper(name, choosers_[name]);
  }

  uint64_t send(const std::string& call_id, const std::string& conversation = "a b", uint64_t dedup = 0) {
    pb::Envelope e;
    e.set_conversation(conversation);
    e.set_dedup_key(dedup);
    e.mutable_sip_message()->set_call_id(call_id);
    if (call_id == "unmappable") e.mutable_sip_message()->set_request_uri(call_id);
    const Time now = bus_.clock().now();
    const auto number = front().edge->submit(e, now + seconds(25), now + seconds(25));
    return number ? *number : 0;
  }
  void send_lossy(const std::string& call_id, Duration within = seconds(5)) {
    pb::Envelope e;
    e.set_conversation("a b");
    e.mutable_sip_message()->set_call_id(call_id);
    front().edge->submit_lossy(e, bus_.clock().now() + within);
  }
  // To w-2, or the process of that name with this epoch.
  void hand_over(const std::string& text, uint64_t epoch = 0) {
    EXPECT_TRUE(
        worker("w-1").edge->hand_over("w-2", epoch != 0 ? epoch : worker("w-2").edge->epoch(), 9, text));
  }
  Actor& front() { return actors_["sip-1"]; }
  Actor& worker(const std::string& name = "w-1") { return actors_[name]; }
  const pb::Outcome& outcome(uint64_t number) {
    EXPECT_TRUE(front().outcomes.contains(number)) << "no outcome for " << number;
    return front().outcomes[number];
  }
  void one_mapper() {
    bus_.kill("m-2");
    bus_.run();
  }

  // For runs with faults at random, whose Call-IDs are SENDER:NUMBER.
  static int dice(int n) { return std::rand() % n; }
  void hold_and_release() {
    const std::string pipe[] = {"m-1", "m-2", "w-1", "w-2", "sip-1"};
    bus_.hold(pipe[dice(5)], pipe[dice(5)]);
    for (const auto& from : pipe) {
      for (const auto& to : pipe) {
        if (dice(3) == 0) bus_.release(from, to);
      }
    }
  }
  // Of what both workers began, which is returned.
  std::set<std::string> check_order_and_doubles() {
    std::set<std::string> all;
    for (const char* w : {"w-1", "w-2"}) {
      int last[5] = {-1, -1, -1, -1, -1};
      for (const std::string& call_id : worker(w).began) {
        EXPECT_TRUE(all.insert(call_id).second) << call_id << " was delivered twice";
        const int who = call_id[0] - '0';
        const int number = std::stoi(call_id.substr(2));
        EXPECT_GT(number, last[who]) << "reordered";
        last[who] = number;
      }
    }
    return all;
  }

  std::size_t max_in_flight_ = 1000;
  MemoryBus bus_{{"m-1", "m-2"}, {"sip-1", "w-1"}};
  std::map<std::string, Actor> actors_;
  std::map<std::string, Chooser> choosers_;
};

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
    worker("w-2").edge = &bus_.start_edge({.name = "w-2", .role = pb::WORKER, .epoch = after}, worker("w-2"));
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

TEST_F(BusTest, QueriesReachEveryProcessFromEach) {
  std::vector<std::string> answers;
  const auto keep = [&](const std::string& text) { answers.push_back(text); };
  front().edge->query("w-1", "how", keep);
  front().edge->query("m-2", "how", keep);
  choosers_["m-1"].node->query("sip-1", "how", keep);
  choosers_["m-1"].node->query("m-2", "how", keep);
  front().edge->query("nobody", "how", keep);
  choosers_["m-1"].node->query("nobody", "how", keep);
  bus_.run();
  std::sort(answers.begin(), answers.end());
  EXPECT_EQ(answers, (std::vector<std::string>{"", "", "m-2 how", "m-2 how", "sip-1 how", "w-1 how"}));
  EXPECT_EQ(front().edge->links()[0].sent, 0u) << "what stoxctl asks is not counted";
}

TEST_F(BusTest, ALossyEnvelopeCrossesAndIsKeptByNobody) {
  send_lossy("typing");
  EXPECT_EQ(front().edge->in_flight(), 0u);
  const uint64_t n = send("c1");  // waits for nothing
  bus_.run();
  EXPECT_EQ(worker().began, (std::vector<std::string>{"typing", "c1"}));
  EXPECT_EQ(worker().edge->begun(), 0u);
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
  EXPECT_EQ(front().edge->in_flight(), 0u);
}

TEST_F(BusTest, AMessageCrossesAndItsOutcomeComesBackTranslated) {
  const uint64_t n = send("c1");
  bus_.run();
  EXPECT_EQ(worker().began, std::vector<std::string>{"c1"});
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
  EXPECT_EQ(outcome(n).text(), "translated");
  EXPECT_EQ(outcome(n).target(), "w-1");
  EXPECT_EQ(front().edge->in_flight(), 0u);
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
  sip.edge = &bus.start_edge({.name = "sip-1", .role = pb::FRONT, .pace = Duration{0}}, sip);
  pb::Envelope e;
  e.set_conversation("a b");
  e.mutable_sip_message()->set_call_id("early");
  const Time now = bus.clock().now();
  ASSERT_TRUE(sip.edge->submit(e, now + seconds(25), now + seconds(25)));
  bus.advance(seconds(1));
  chooser.node = &bus.start_mapper("m-1", chooser);
  bus.advance(seconds(1));
  EXPECT_FALSE(chooser.node->ready());
  EXPECT_EQ(chooser.node->missing(), "w-1");
  w.edge = &bus.start_edge({.name = "w-1", .role = pb::WORKER, .pace = Duration{0}}, w);
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
      {.name = "sip-1", .role = pb::FRONT, .pace = Duration{0}, .resend_on_doubt = true}, sip);
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
  EXPECT_EQ(front().edge->refusal(), pb::NO_TARGET);
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
  const auto held = front().edge->submit(e, now + seconds(25), now + seconds(25), true);
  ASSERT_TRUE(held);
  send("follows");
  send("other", "a c");
  start("w-2", pb::WORKER);  // membership changes, and with it what may be sent
  bus_.advance(seconds(8));
  EXPECT_EQ(worker().began, (std::vector<std::string>{"other"}));
  EXPECT_STREQ(front().edge->list_in_flight(9).front().stage, "waits for another worker");
  EXPECT_TRUE(front().edge->has_in_flight("a b", now));
  EXPECT_FALSE(front().edge->has_in_flight("a b", now - seconds(1)));
  EXPECT_FALSE(front().edge->has_in_flight("a c", now + seconds(8)));
  front().edge->let_go(*held);
  front().edge->let_go(*held + 100);
  bus_.run();
  EXPECT_EQ(worker().began, (std::vector<std::string>{"other", "held", "follows"}));
}

TEST_F(BusTest, WhatIsHeldForTooLongFails) {
  pb::Envelope e;
  e.set_conversation("a b");
  e.mutable_sip_message()->set_call_id("held");
  const Time now = bus_.clock().now();
  const auto held = front().edge->submit(e, now + seconds(25), now + seconds(60), true);
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
  EXPECT_EQ(front().edge->refusal(), pb::OVERLOADED);
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
  pb::Serving draining;
  draining.set_state(pb::DRAINING);
  worker().edge->set_serving(draining);
  const uint64_t n = send("c1");
  bus_.advance(seconds(1));
  EXPECT_TRUE(worker().began.empty());
  start("w-1", pb::WORKER);
  bus_.advance(seconds(1));
  EXPECT_EQ(outcome(n).verdict(), pb::DELIVERED);
}

TEST_F(BusTest, WhoDrainsKnowsWhenItHasTheLastEnvelope) {
  one_mapper();
  bus_.hold("m-1", "w-1");
  const uint64_t before = send("before");
  bus_.run();
  pb::Serving draining;
  draining.set_state(pb::DRAINING);
  bus_.hold("w-1", "m-1");
  worker().edge->set_serving(draining);
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
  pb::Serving draining;
  draining.set_state(pb::DRAINING);
  worker().edge->set_serving(draining);
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

// Faults at random under load, with a seed: everything ends, once, nothing twice, everything in order.
class BusUnderFaults : public BusTest, public ::testing::WithParamInterface<int> {};

TEST_P(BusUnderFaults, EverythingEndsOnceInOrderAndNothingTwice) {
  std::srand(static_cast<unsigned>(GetParam()));
  start("w-2", pb::WORKER);
  bus_.run();
  std::set<std::string> down, asleep;
  std::map<uint64_t, std::string> sent;
  int next[5] = {};
  for (int step = 0; step < 400; ++step) {
    const int who = dice(5);
    const std::string conversation = "conversation " + std::to_string(who);
    const std::string call_id = std::to_string(who) + ":" + std::to_string(next[who]++);
    if (const uint64_t n = send(call_id, conversation)) sent[n] = call_id;
    for (const char* w : {"w-1", "w-2"}) worker(w).answers = dice(3) != 0;
    if (dice(12) == 0) {
      const std::string name =
          std::vector<std::string>{"m-1", "m-2", "w-1", "w-2"}[static_cast<std::size_t>(dice(4))];
      if (down.erase(name) > 0) {
        name[0] == 'm' ? start_mapper(name) : start(name, pb::WORKER);
      } else if (asleep.erase(name) > 0) {
        bus_.wake(name);
      } else if (dice(3) == 0) {
        bus_.sleep(name);
        asleep.insert(name);
      } else {
        bus_.kill(name, dice(2) == 0, dice(2) == 0);
        down.insert(name);
      }
    }
    if (dice(20) == 0) hold_and_release();
    bus_.advance(milliseconds(dice(400)));
    for (const char* w : {"w-1", "w-2"}) {
      if (!down.contains(w) && dice(2) == 0) worker(w).finish_all();
    }
  }
  for (const std::string& name : asleep) bus_.wake(name);
  bus_.advance(seconds(60));
  std::size_t delivered = 0;
  for (const auto& [number, o] : front().outcomes) delivered += o.verdict() == pb::DELIVERED;
  EXPECT_GT(delivered, sent.size() / 10) << "hardly anything got through: a test of nothing";
  for (const auto& [number, call_id] : sent) EXPECT_TRUE(front().outcomes.contains(number)) << call_id;
  EXPECT_EQ(front().edge->in_flight(), 0u);
  check_order_and_doubles();
}

INSTANTIATE_TEST_SUITE_P(Seeds, BusUnderFaults, ::testing::Range(1, 41));

// An origin that writes down what it submits, dies, and goes on as another process of its name.
class RestoreTest : public BusTest {
 protected:
  struct Written {
    pb::Envelope envelope;
    RestoredTimes times;
    std::string call_id;
    uint32_t openings = 0;
  };

  // As BusTest::send, journalled.
  void send_written(const std::string& call_id, const std::string& conversation = "a b") {
    pb::Envelope e;
    e.set_conversation(conversation);
    e.mutable_sip_message()->set_call_id(call_id);
    *e.mutable_id() = front().edge->new_id();
    const Time now = bus_.clock().now();
    const RestoredTimes times{now, now + seconds(25), now + seconds(40)};
    Written w{e, times, call_id, 0};
    if (const auto number = front().edge->submit(e, times.begin_before, times.end_by)) journal_[*number] = w;
  }
  void note_ended() {
    for (const auto& [number, o] : front().outcomes) {
      const auto w = journal_.find(number);
      if (w == journal_.end()) continue;
      EXPECT_TRUE(ended_.emplace(w->second.call_id, o).second) << "two outcomes for " << w->second.call_id;
      journal_.erase(w);
    }
    front().outcomes.clear();
  }
  void die(bool silently = false, bool unsent = false) {
    note_ended();
    targets_ = front().edge->possible_targets();
    bus_.kill("sip-1", silently, unsent);
  }
  void revive() {
    start("sip-1", pb::FRONT);
    front().edge->restore_targets(targets_);
    for (auto& [number, w] : std::exchange(journal_, {})) {
      pb::Envelope e = w.envelope;
      const uint64_t handle = front().edge->restore(e, w.times, ++w.openings << 16);
      journal_[handle] = std::move(w);
    }
  }
  const pb::Outcome& ended(const std::string& call_id) {
    note_ended();
    EXPECT_TRUE(ended_.contains(call_id)) << "no outcome for " << call_id;
    return ended_[call_id];
  }

  std::map<uint64_t, Written> journal_;
  std::map<std::string, pb::Outcome> ended_;
  std::vector<PossibleTarget> targets_;
};

TEST_F(RestoreTest, WhatNeverLeftIsSentOnceByTheNextProcess) {
  send_written("c1");
  send_written("c2");
  die();
  revive();
  bus_.advance(seconds(1));
  EXPECT_EQ(ended("c1").verdict(), pb::DELIVERED);
  EXPECT_EQ(ended("c2").verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began, (std::vector<std::string>{"c1", "c2"}));
}

TEST_F(RestoreTest, WhatIsBegunIsWaitedForAndItsOutcomeFindsTheNextProcess) {
  worker().answers = false;
  send_written("c1");
  bus_.run();
  die();
  revive();
  bus_.advance(seconds(2));
  EXPECT_EQ(front().edge->in_flight(), 1u);
  worker().finish_all();
  bus_.run();
  EXPECT_EQ(ended("c1").verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(RestoreTest, WhatEndedMeanwhileIsToldAtTheFirstQuestion) {
  worker().answers = false;
  send_written("c1");
  bus_.run();
  die();
  bus_.run();
  worker().finish_all();
  bus_.advance(seconds(2));
  revive();
  bus_.advance(seconds(1));
  EXPECT_EQ(ended("c1").verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(RestoreTest, ATargetThatHasGoneMeanwhileIsADoubt) {
  worker().answers = false;
  send_written("c1");
  bus_.run();
  die();
  bus_.kill("w-1");
  bus_.advance(seconds(1));
  start("w-1", pb::WORKER);
  revive();
  bus_.advance(seconds(2));
  EXPECT_EQ(ended("c1").reason(), pb::IN_DOUBT);
  EXPECT_NE(ended("c1").text().find("may have been delivered"), std::string::npos);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(RestoreTest, AfterAHundredAndTwentySecondsItIsADoubt) {
  send_written("c1");
  bus_.run();
  bus_.kill("sip-1");
  front().outcomes.clear();  // it died before it could do anything about it
  targets_ = {{"w-1", bus_.edge("w-1").epoch(), true, {}}};
  bus_.advance(seconds(125));
  revive();
  bus_.advance(seconds(3));
  EXPECT_EQ(ended("c1").reason(), pb::IN_DOUBT);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(RestoreTest, WhatNeverLeftAndIsTooLateFailsForCertain) {
  bus_.hold("sip-1", "m-1");
  bus_.hold("sip-1", "m-2");
  send_written("c1");
  bus_.run();
  die(false, /*unsent=*/true);
  bus_.release("sip-1", "m-1");
  bus_.release("sip-1", "m-2");
  bus_.advance(seconds(30));
  revive();
  bus_.advance(seconds(3));
  EXPECT_EQ(ended("c1").reason(), pb::DEADLINE);
  EXPECT_TRUE(worker().began.empty());
}

TEST_F(RestoreTest, NewMessagesOfTheConversationWaitForTheOldOnes) {
  worker().answers = false;
  send_written("c1");
  bus_.run();
  send_written("c2");  // dies with us
  die(false, /*unsent=*/true);
  revive();
  send_written("c3");
  send_written("x1", "x y");
  bus_.advance(seconds(1));
  EXPECT_EQ(worker().began, (std::vector<std::string>{"c1", "x1"}));
  worker().answers = true;
  worker().finish_all();
  bus_.advance(seconds(1));
  EXPECT_EQ(worker().began, (std::vector<std::string>{"c1", "x1", "c2", "c3"}));
}

TEST_F(RestoreTest, NothingIsAskedBeforeAllMappersHaveSeenTheNewProcess) {
  for (const char* m : {"m-1", "m-2"}) bus_.hold("sip-1", m);
  send_written("c1");
  bus_.run();
  die();
  for (const char* m : {"m-1", "m-2"}) bus_.sleep(m);
  revive();
  bus_.wake("m-1");
  bus_.advance(seconds(1));
  EXPECT_TRUE(worker().began.empty()) << "the other mapper may still have it";
  bus_.wake("m-2");
  bus_.advance(seconds(1));
  EXPECT_EQ(worker().began, std::vector<std::string>{"c1"});
}

TEST_F(RestoreTest, AMapperThatDoesNotComeBackHoldsItUpForThreeHeartbeatsOnly) {
  for (const char* m : {"m-1", "m-2"}) bus_.hold("sip-1", m);
  send_written("c1");
  bus_.run();
  die(false, /*unsent=*/true);
  for (const char* m : {"m-1", "m-2"}) bus_.release("sip-1", m);
  bus_.kill("m-2");
  revive();
  bus_.advance(seconds(2));
  EXPECT_TRUE(worker().began.empty());
  bus_.advance(seconds(3));
  EXPECT_EQ(ended("c1").verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(RestoreTest, WithoutAnyMapperItWaitsAndThenGoes) {
  for (const char* m : {"m-1", "m-2"}) bus_.hold("sip-1", m);
  send_written("c1");
  bus_.run();
  die(false, /*unsent=*/true);
  for (const char* m : {"m-1", "m-2"}) {
    bus_.release("sip-1", m);
    bus_.kill(m);
  }
  revive();
  bus_.advance(seconds(8));
  EXPECT_EQ(front().edge->in_flight(), 1u);
  start_mapper("m-1");
  start_mapper("m-2");
  bus_.advance(seconds(8));
  EXPECT_EQ(ended("c1").verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(RestoreTest, ACopyFromBeforeTheDeathDoesNotBeginBesideTheNewOne) {
  bus_.hold("m-1", "w-1");
  bus_.hold("m-2", "w-1");
  send_written("c1");
  bus_.run();  // it lies before the worker
  die();
  revive();
  bus_.advance(seconds(1));
  bus_.release("m-1", "w-1");
  bus_.release("m-2", "w-1");
  bus_.advance(seconds(8));
  EXPECT_EQ(ended("c1").verdict(), pb::DELIVERED);
  EXPECT_EQ(worker().began.size(), 1u);
}

TEST_F(RestoreTest, OldAndNewIdsWithTheSameNumberAreToldApart) {
  worker().answers = false;
  send_written("old", "a b");
  bus_.run();
  die();
  revive();
  bus_.advance(seconds(1));
  send_written("new 1", "c d");  // the numbers begin again at 1
  send_written("new 2", "e f");
  bus_.advance(seconds(1));
  EXPECT_EQ(worker().began.size(), 3u);
  pb::Outcome refused;
  refused.set_verdict(pb::FAILED);
  worker().edge->finish(worker().begun_ids[0], refused);
  bus_.run();
  EXPECT_EQ(ended("old").verdict(), pb::FAILED);
  EXPECT_EQ(front().edge->in_flight(), 2u);
}

TEST_F(RestoreTest, ATargetWhoseMemoryOverflowedMakesADoubt) {
  Actor& w = worker();
  w.edge = &bus_.start_edge({.name = "w-1", .role = pb::WORKER, .max_memory = 5, .pace = Duration{0}}, w);
  bus_.advance(seconds(1));
  bus_.hold("m-1", "sip-1");
  bus_.hold("m-2", "sip-1");
  send_written("c1");
  bus_.advance(milliseconds(500));
  die();
  bus_.run();
  bus_.release("m-1", "sip-1");
  bus_.release("m-2", "sip-1");
  const auto c1 = std::exchange(journal_, {});
  start("sip-1", pb::FRONT);
  bus_.advance(seconds(1));
  for (int i = 0; i < 20; ++i) send("other " + std::to_string(i), std::to_string(i));
  bus_.advance(seconds(1));
  bus_.kill("sip-1");
  front().outcomes.clear();
  journal_ = c1;
  revive();
  bus_.advance(seconds(2));
  EXPECT_EQ(ended("c1").reason(), pb::IN_DOUBT);
  EXPECT_EQ(std::count(w.began.begin(), w.began.end(), "c1"), 1);
}

// As BusUnderFaults, and the origin dies, too.
class RestoreUnderFaults : public RestoreTest, public ::testing::WithParamInterface<int> {};

TEST_P(RestoreUnderFaults, EverythingEndsOnceInOrderAndNothingTwice) {
  std::srand(static_cast<unsigned>(GetParam()));
  start("w-2", pb::WORKER);
  bus_.run();
  std::set<std::string> down, sent;
  int next[5] = {};
  for (int step = 0; step < 400; ++step) {
    const int who = dice(5);
    if (!down.contains("sip-1")) {
      const std::string call_id = std::to_string(who) + ":" + std::to_string(next[who]++);
      const std::size_t before = journal_.size();
      send_written(call_id, "conversation " + std::to_string(who));
      if (journal_.size() > before) sent.insert(call_id);
    }
    for (const char* w : {"w-1", "w-2"}) worker(w).answers = dice(3) != 0;
    if (dice(8) == 0) {
      const std::string name = std::vector<std::string>{
          "m-1", "m-2", "w-1", "w-2", "sip-1", "sip-1"}[static_cast<std::size_t>(dice(6))];
      if (name == "sip-1") {
        down.contains(name) ? revive() : die(dice(2) == 0, dice(2) == 0);
      } else if (down.contains(name)) {
        name[0] == 'm' ? start_mapper(name) : start(name, pb::WORKER);
      } else {
        bus_.kill(name, dice(2) == 0, dice(2) == 0);
      }
      if (down.erase(name) == 0) down.insert(name);
    }
    if (dice(20) == 0) hold_and_release();
    bus_.advance(milliseconds(dice(400)));
    for (const char* w : {"w-1", "w-2"}) {
      if (!down.contains(w) && dice(2) == 0) worker(w).finish_all();
    }
    if (!down.contains("sip-1")) note_ended();
  }
  if (down.contains("sip-1")) revive();
  bus_.advance(seconds(60));
  note_ended();
  std::size_t delivered = 0;
  for (const auto& [call_id, o] : ended_) delivered += o.verdict() == pb::DELIVERED;
  EXPECT_GT(delivered, sent.size() / 10) << "hardly anything got through: a test of nothing";
  for (const std::string& call_id : sent) EXPECT_TRUE(ended_.contains(call_id)) << call_id;
  const std::set<std::string> all = check_order_and_doubles();
  for (const auto& [call_id, o] : ended_) {
    const bool began = all.contains(call_id);
    EXPECT_TRUE(began || o.verdict() == pb::FAILED) << call_id << " is said to be delivered, and is lost";
    EXPECT_TRUE(!began || o.verdict() == pb::DELIVERED || o.reason() == pb::IN_DOUBT ||
                o.text().find("may have been") != std::string::npos)
        << call_id << " is said to be lost, and was delivered: " << o.ShortDebugString();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RestoreUnderFaults, ::testing::Range(1, 41));

}  // namespace
}  // namespace stox::bus
