#include "ctl/queues.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stox::ctl {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json link(const char* peer, uint64_t peer_epoch, int sent, int received) {
  return {{"peer", peer},         {"peer_epoch", peer_epoch},
          {"up", true},           {"sent", sent},
          {"received", received}, {"queued", 0},
          {"resent", 1},          {"dropped", 2},
          {"oldest_age_ms", 30}};
}

json process(uint64_t epoch, std::vector<json> links) {
  return {{"ok", true}, {"epoch", epoch}, {"links", links}};
}

json edge(uint64_t epoch, std::vector<json> links, int count) {
  json out = process(epoch, std::move(links));
  out["in_flight"] = {{"count", count}, {"limit", 4096}, {"oldest_age_ms", 7}};
  return out;
}

json find(const json& merged, const char* from, const char* to) {
  for (const json& one : merged["links"]) {
    if (one["from"] == from && one["to"] == to) return one;
  }
  return "none";
}

TEST(Queues, DepthIsWhatOneEndSentAndTheOtherHasNotReceived) {
  const json merged = merge_queues({{"sip-1", edge(11, {link("mapper-1", 22, 100, 90)}, 5)},
                                    {"mapper-1", process(22, {link("sip-1", 11, 93, 97)})}});
  EXPECT_EQ(merged["links"].size(), 2U);
  EXPECT_EQ(find(merged, "sip-1", "mapper-1"), json({{"from", "sip-1"},
                                                     {"to", "mapper-1"},
                                                     {"sent", 100},
                                                     {"received", 97},
                                                     {"depth", 3},
                                                     {"resent", 1},
                                                     {"dropped", 2},
                                                     {"oldest_age_ms", 30}}));
  EXPECT_EQ(find(merged, "mapper-1", "sip-1")["depth"], 3);
  EXPECT_EQ(merged["in_flight"],
            json({{{"process", "sip-1"}, {"count", 5}, {"limit", 4096}, {"oldest_age_ms", 7}}}));
}

TEST(Queues, WhatArrivedBetweenTheTwoQuestionsIsNoNegativeDepth) {
  const json merged = merge_queues({{"sip-1", edge(11, {link("mapper-1", 22, 100, 0)}, 0)},
                                    {"mapper-1", process(22, {link("sip-1", 11, 0, 105)})}});
  EXPECT_EQ(find(merged, "sip-1", "mapper-1")["depth"], 0);
}

TEST(Queues, AnEmptyPipeHoldsNothingOld) {
  const json merged = merge_queues({{"sip-1", edge(11, {link("mapper-1", 22, 100, 0)}, 0)},
                                    {"mapper-1", process(22, {link("sip-1", 11, 0, 100)})}});
  EXPECT_EQ(find(merged, "sip-1", "mapper-1")["oldest_age_ms"], 0);
}

TEST(Queues, AnotherEpochIsAnotherSession) {
  const json merged = merge_queues(
      {{"sip-1", edge(11, {link("mapper-1", 21, 100, 90)}, 0)},  // still means the mapper before its restart
       {"mapper-1", process(22, {link("sip-1", 11, 93, 97)})}});
  EXPECT_TRUE(find(merged, "sip-1", "mapper-1")["depth"].is_null());
  EXPECT_EQ(find(merged, "sip-1", "mapper-1")["sent"], 100);
  EXPECT_TRUE(find(merged, "mapper-1", "sip-1")["depth"].is_null());
}

TEST(Queues, TheOtherEndMayBeOneOfSeveralSessions) {
  const json merged =
      merge_queues({{"sip-1", edge(12, {link("mapper-1", 22, 10, 4)}, 0)},
                    {"mapper-1", process(22, {link("sip-1", 11, 93, 97), link("sip-1", 12, 4, 9)})}});
  EXPECT_EQ(find(merged, "sip-1", "mapper-1")["depth"], 1);
}

TEST(Queues, AnEpochThatIsNotToldIsTakenAsTheSame) {
  json mapper = process(0, {link("sip-1", 11, 93, 97)});
  mapper.erase("epoch");
  const json merged =
      merge_queues({{"sip-1", edge(11, {link("mapper-1", 22, 100, 90)}, 0)}, {"mapper-1", mapper}});
  EXPECT_EQ(find(merged, "sip-1", "mapper-1")["depth"], 3);
}

TEST(Queues, OfAProcessThatIsNotReachedTheOtherEndIsShown) {
  const json merged = merge_queues({{"sip-1", edge(11, {link("mapper-1", 22, 100, 90)}, 0)}});
  EXPECT_TRUE(find(merged, "sip-1", "mapper-1")["received"].is_null());
  EXPECT_EQ(find(merged, "mapper-1", "sip-1"), json({{"from", "mapper-1"},
                                                     {"to", "sip-1"},
                                                     {"sent", nullptr},
                                                     {"received", 90},
                                                     {"depth", nullptr},
                                                     {"resent", nullptr},
                                                     {"dropped", nullptr},
                                                     {"oldest_age_ms", nullptr}}));
}

TEST(Queues, APeerThatHasNotSaidHelloIsLeftOut) {
  EXPECT_TRUE(merge_queues({{"sip-1", edge(11, {link("", 0, 0, 0)}, 0)}})["links"].empty());
}

TEST(Queues, AnswersOfAnotherVersionDoNoHarm) {
  EXPECT_EQ(merge_queues({{"a", json::object()}, {"b", {{"links", 5}, {"in_flight", {}}}}}),
            json({{"links", json::array()}, {"in_flight", json::array()}, {"hand_overs", json::array()}}));
}

TEST(Queues, TheTableIsAligned) {
  const json merged = merge_queues({{"sip-1", edge(11, {link("mapper-1", 22, 100, 90)}, 5)}});
  EXPECT_EQ(queues_text(merged),
            "FROM      TO        SENT  RECEIVED  DEPTH  RESENT  DROPPED  OLDEST\n"
            "sip-1     mapper-1  100   -         -      1       2        30.0 ms\n"
            "mapper-1  sip-1     -     90        -      -       -        -\n"
            "\n"
            "PROCESS  IN FLIGHT  LIMIT  OLDEST\n"
            "sip-1    5          4096   7.0 ms\n");
}

TEST(Queues, AnswersThatWaitForAnotherWorkerAreShownIfThereAreAny) {
  json worker = edge(11, {}, 5);
  worker["hand_overs"] = {{"waiting", 0}, {"given_up", 0}};
  EXPECT_TRUE(merge_queues({{"w-1", worker}})["hand_overs"].empty());
  worker["hand_overs"] = {{"waiting", 20}, {"given_up", 3}};
  EXPECT_TRUE(queues_text(merge_queues({{"w-1", worker}}))
                  .ends_with("PROCESS  ANSWERS FOR OTHER WORKERS  GIVEN UP\n"
                             "w-1      20                         3\n"));
}

}  // namespace
}  // namespace stox::ctl
