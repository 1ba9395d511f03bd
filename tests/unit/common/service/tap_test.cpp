#include "common/service/tap.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace stox::service {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

class TapTest : public ::testing::Test {
 protected:
  void ask(json request) {
    answer_ = nullptr;
    tap_.answer(request, [this](const json& answer) { answer_ = answer; });
  }
  TraceHop hop(const char* id) {
    TraceHop hop;
    hop.message_id = id;
    hop.from = "sip:a@b";
    hop.decision = "to a mapper";
    hop.came_us = 7;
    return hop;
  }
  // Turns the loop until there is an answer.
  const json& answer() {
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (answer_.is_null() && std::chrono::steady_clock::now() < end) loop_.io().run_one_for(100ms);
    return answer_;
  }

  net::Loop loop_;
  Trace trace_;
  Tap tap_{loop_, trace_};
  json answer_;
};

TEST_F(TapTest, NobodyWatchesUntilSomebodyAsks) {
  EXPECT_FALSE(trace_.is_watched());
  ask({});
  EXPECT_TRUE(trace_.is_watched());
  EXPECT_EQ(answer_["events"].size(), 0u);
}

TEST_F(TapTest, WhatComesIsToldToWhoWaits) {
  ask({});
  ask({{"after", answer_["next"]}});
  EXPECT_TRUE(answer_.is_null());
  trace_.show(hop("1"), "text");
  trace_.show(hop("2"));
  ASSERT_EQ(answer()["events"].size(), 2u);
  EXPECT_EQ(answer_["events"][0]["id"], "1");
  EXPECT_EQ(answer_["events"][0]["from"], "sip:a@b");
  EXPECT_EQ(answer_["events"][0]["time_us"], 7);
  EXPECT_EQ(answer_["events"][0].count("body"), 0u);
  ask({{"after", answer_["next"]}});
  trace_.show(hop("3"));
  ASSERT_EQ(answer()["events"].size(), 1u);
  EXPECT_EQ(answer_["events"][0]["id"], "3");
}

TEST_F(TapTest, BodiesOnlyForWhoAsksForThem) {
  ask({{"bodies", true}});
  const json after = answer_["next"];
  trace_.show(hop("1"), "text");
  ask({{"after", after}});
  EXPECT_EQ(answer()["events"][0].count("body"), 0u);
  ask({{"after", after}, {"bodies", true}});
  EXPECT_EQ(answer()["events"][0]["body"], "text");
}

TEST_F(TapTest, RefusalsAndMessagesAreApart) {
  ask({{"refused", true}});
  const json after = answer_["next"];
  trace_.show(hop("1"));
  trace_.show_refused(hop("2"), "MESSAGE x");
  ask({{"after", after}, {"refused", true}});
  ASSERT_EQ(answer()["events"].size(), 1u);
  EXPECT_EQ(answer_["events"][0]["id"], "2");
  EXPECT_EQ(answer_["events"][0]["body"], "MESSAGE x");
}

TEST_F(TapTest, WithNothingNewTheAnswerIsEmptyAfterAWhile) {
  ask({});
  ask({{"after", answer_["next"]}});
  EXPECT_EQ(answer()["events"].size(), 0u);
}

TEST_F(TapTest, WhatNobodyFetchesIsBoundedAndTheLossIsTold) {
  ask({{"bodies", true}});
  const json after = answer_["next"];
  for (int i = 0; i < 10'000; ++i) trace_.show(hop("x"), std::string(100'000, 'b'));
  ask({{"after", after}, {"bodies", true}});
  const std::size_t kept = answer()["events"].size();
  EXPECT_LE(kept * Tap::kMaxBody, Tap::kBytes);
  EXPECT_GT(kept, 0u);
  EXPECT_EQ(answer_["missed"], 10'000 - kept);
}

TEST_F(TapTest, WhoHasGoneCostsNothing) {
  ask({});
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (trace_.is_watched() && std::chrono::steady_clock::now() < end) loop_.io().run_one_for(100ms);
  EXPECT_FALSE(trace_.is_watched());
}

}  // namespace
}  // namespace stox::service
