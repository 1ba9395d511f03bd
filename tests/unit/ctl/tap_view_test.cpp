#include "ctl/tap_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stox::ctl {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

json event(int64_t time_us, const char* trace, const char* from, const char* to, const char* outcome = "") {
  return {{"kind", "passed"}, {"time_us", time_us},        {"trace", trace},    {"id", "x"}, {"from", from},
          {"to", to},         {"decision", "to a mapper"}, {"outcome", outcome}};
}

std::vector<int64_t> times(const std::vector<json>& events) {
  std::vector<int64_t> out;
  for (const json& one : events) out.push_back(one["time_us"]);
  return out;
}

TEST(TapView, PutsWhatProcessesTellInOrder) {
  TapView view("", "", 0);
  view.add("b", event(3, "t", "a", "b"), 10);
  view.add("a", event(1, "t", "a", "b"), 20);
  view.add("a", event(9, "t", "a", "b"), 20);
  EXPECT_THAT(times(view.take(9)), ElementsAre());
  EXPECT_THAT(times(view.take(10)), ElementsAre(1, 3));
  view.add("c", event(6, "t", "a", "b"), 30);
  EXPECT_THAT(times(view.take(INT64_MAX)), ElementsAre(6, 9));
  EXPECT_FALSE(view.done());
}

TEST(TapView, HoldsNothingBackWhenTheClockIsSetBack) {
  TapView view("", "", 0);
  view.add("a", event(1000, "t", "a", "b"), 10);
  view.add("a", event(5, "u", "a", "b"), 20);
  EXPECT_THAT(times(view.take(10)), ElementsAre(5, 1000));
}

TEST(TapView, AMessageIsChosenByAnAddressAndThenSeenEverywhere) {
  TapView view("Romeo@", "juliet", 0);
  view.add("a", event(1, "t", "sip:romeo@sip.test", "sip:juliet*x@g"), 0);
  view.add("a", event(2, "u", "sip:tybalt@sip.test", "sip:juliet*x@g"), 0);
  view.add("a", event(3, "v", "sip:romeo@sip.test", "sip:nurse*x@g"), 0);
  view.add("b", event(4, "t", "romeo*sip.test@x", "juliet@x"), 0);
  EXPECT_THAT(times(view.take(INT64_MAX)), ElementsAre(1, 4));
}

TEST(TapView, EndsWhenSoManyMessagesHaveEndedWhereTheyBegan) {
  TapView view("", "", 2);
  view.add("a", event(1, "t", "a", "b"), 0);
  view.add("b", event(2, "t", "a", "b", "delivered"), 0);
  view.add("a", event(3, "t", "a", "b", "200 Accepted"), 0);
  view.take(INT64_MAX);
  EXPECT_FALSE(view.done());
  view.add("a", event(4, "u", "a", "b", "404"), 0);
  view.add("a", event(5, "v", "a", "b", "404"), 0);
  EXPECT_THAT(times(view.take(INT64_MAX)), ElementsAre(4));
  EXPECT_TRUE(view.done());
}

TEST(TapView, EachRefusalCounts) {
  TapView view("", "", 2);
  json refused = event(1, "", "a", "b", "rate, 480");
  refused["kind"] = "refused";
  view.add("a", refused, 0);
  view.add("a", refused, 0);
  view.take(INT64_MAX);
  EXPECT_TRUE(view.done());
}

TEST(TapView, PeopleSeeOneLineAndTheBodyBelowIt) {
  json one = event(1, "0123456789abcdef", "sip:a@b\x1b", "sip:c@d", "200 Accepted");
  one["body"] = "first\r\n\r\nsecond\x1b[2J";
  TapView view("", "", 0);
  view.add("sip-1", one, 0);
  const std::string text = tap_text(view.take(INT64_MAX)[0]);
  EXPECT_THAT(text, HasSubstr("sip-1  01234567  sip:a@b\\x1b -> sip:c@d: to a mapper; 200 Accepted\n"));
  EXPECT_THAT(text, HasSubstr("\n    first\n    second\\x1b[2J\n"));
}

}  // namespace
}  // namespace stox::ctl
