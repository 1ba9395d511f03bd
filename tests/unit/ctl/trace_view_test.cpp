#include "ctl/trace_view.h"

#include <gtest/gtest.h>

namespace stox::ctl {
namespace {

using nlohmann::json;

const std::string kTrace(32, 'a');
constexpr int64_t kStart = 1'700'000'000'000'000;

json hop(const std::string& trace, int64_t came, int64_t went, int64_t ended, const char* decision,
         const char* outcome) {
  return {{"trace", trace},
          {"envelope", "sip-1.5.1"},
          {"message_id", "call@h"},
          {"other_id", ""},
          {"from", "sip:r@a"},
          {"to", "sip:j*x@g"},
          {"decision", decision},
          {"outcome", outcome},
          {"came_us", kStart + came},
          {"went_us", went == 0 ? 0 : kStart + went},
          {"ended_us", ended == 0 ? 0 : kStart + ended}};
}

json hops(std::vector<json> list) { return {{"ok", true}, {"hops", list}}; }

TEST(TraceView, HopsComeInTheOrderOfTheMessageWithTheirWaits) {
  const json merged =
      merge_hops("call@h", {{"component-1", hops({hop(kTrace, 900, 950, 4000, "stanza", "pong")})},
                            {"mapper-1", hops({hop(kTrace, 500, 600, 0, "to component-1", "")})},
                            {"sip-1", hops({hop(kTrace, 0, 100, 5200, "to mapper-1", "200")})}});
  EXPECT_EQ(merged["id"], "call@h");
  ASSERT_EQ(merged["hops"].size(), 3U);
  EXPECT_EQ(merged["hops"][0], json({{"process", "sip-1"},
                                     {"trace", kTrace},
                                     {"envelope", "sip-1.5.1"},
                                     {"message_id", "call@h"},
                                     {"other_id", ""},
                                     {"from", "sip:r@a"},
                                     {"to", "sip:j*x@g"},
                                     {"decision", "to mapper-1"},
                                     {"outcome", "200"},
                                     {"came_us", kStart},
                                     {"time", "2023-11-14T22:13:20.000000Z"},
                                     {"wait_ms", 0.0},
                                     {"took_ms", 5.2}}));
  EXPECT_EQ(merged["hops"][1]["process"], "mapper-1");
  EXPECT_EQ(merged["hops"][1]["wait_ms"], 0.4);
  EXPECT_TRUE(merged["hops"][1]["took_ms"].is_null());
  EXPECT_EQ(merged["hops"][2]["process"], "component-1");
  EXPECT_EQ(merged["hops"][2]["wait_ms"], 0.3);
}

TEST(TraceView, MessagesOfOneIdStayApart) {
  const std::string other(32, 'b');
  const std::vector<std::pair<std::string, json>> answers = {
      {"sip-1", hops({hop(other, 50, 60, 0, "to mapper-1", ""), hop(kTrace, 0, 10, 0, "to mapper-1", "")})},
      {"mapper-1", hops({hop(kTrace, 70, 80, 0, "to component-1", "")})}};
  const json merged = merge_hops("call@h", answers);
  ASSERT_EQ(merged["hops"].size(), 3U);
  EXPECT_EQ(merged["hops"][0]["trace"], kTrace);
  EXPECT_EQ(merged["hops"][1]["trace"], kTrace);
  EXPECT_EQ(merged["hops"][2]["trace"], other);
  EXPECT_EQ(merged["hops"][2]["wait_ms"], 0.0);
  EXPECT_EQ(trace_ids(answers), (std::set<std::string>{kTrace, other}));
}

TEST(TraceView, ALineInARoomIsFoundByItsIdAndRoom) {
  const auto said = [](char trace, const char* room, const char* id) {
    json out = hop(std::string(32, trace), 0, 10, 0, "", "");
    out["room"] = room;
    out["message_id"] = id;
    return out;
  };
  const std::vector<std::pair<std::string, json>> answers = {
      {"component-1",
       hops({said('a', "garden@c", "1"), said('b', "garden@c", "1"), said('c', "hall@c", "1")})},
      {"sip-1", hops({said('a', "", "1"), said('d', "", "call@h"), said('e', "garden@c", "")})}};
  EXPECT_EQ(lines(answers), (std::set<Line>{{"garden@c", "1"}, {"hall@c", "1"}}));
  EXPECT_EQ(traces_of({"garden@c", "1"}, answers),
            (std::set<std::string>{std::string(32, 'a'), std::string(32, 'b')}));
}

TEST(TraceView, TheTableShowsItToPeople) {
  json first = hop(kTrace, 0, 100, 5200, "to mapper-1", "200 Accepted");
  first["from"] = "sip:\x1b[2J@a";
  const json merged = merge_hops(
      "x", {{"sip-1", hops({first})}, {"mapper-1", hops({hop(kTrace, 500, 600, 0, "to component-1", "")})}});
  EXPECT_EQ(hops_text(merged),
            "trace " + kTrace +
                "\n"
                "from  sip:\\x1b[2J@a\n"
                "to    sip:j*x@g\n"
                "\n"
                "PROCESS   TIME                         WAIT    DECISION        OUTCOME\n"
                "sip-1     2023-11-14T22:13:20.000000Z  0.0 ms  to mapper-1     200 Accepted after 5.2 ms\n"
                "mapper-1  2023-11-14T22:13:20.000500Z  0.4 ms  to component-1  -\n");
}

TEST(TraceView, NothingIsNothing) {
  EXPECT_EQ(merge_hops("x", {{"sip-1", json::object()}})["hops"].size(), 0U);
  EXPECT_EQ(hops_text(merge_hops("x", {})), "");
}

}  // namespace
}  // namespace stox::ctl
