#include "ctl/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stox::ctl {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const json kRows = {{{"id", "sip-1.5.1"}, {"trace", "4bf92f3577b34da6a3ce929d0e0e4736"}},
                    {{"id", "sip-1.5.2"}, {"trace", "4bf92f3588b34da6a3ce929d0e0e4736"}}};

TEST(Messages, AnIdIsAWholeOneOrTheBeginningOfATrace) {
  EXPECT_EQ(with_id(kRows, "sip-1.5.2").size(), 1U);
  EXPECT_EQ(with_id(kRows, "4BF92F3577").size(), 1U);
  EXPECT_EQ(with_id(kRows, "4bf92f35").size(), 2U);
  EXPECT_EQ(with_id(kRows, "4bf92").size(), 0U);
  EXPECT_EQ(with_id(kRows, "sip-1.5").size(), 0U);
}

TEST(Messages, DigitsThatStandForSeveralTracesAreAskedAgain) {
  const json found = {{"hops", {kRows[0], kRows[1], kRows[1]}}};
  EXPECT_THAT(traces_meant(found, "4bf92f"), ElementsAre(kRows[0]["trace"], kRows[1]["trace"]));
  EXPECT_THAT(traces_meant(found, "a-call-id"), IsEmpty()) << "a Call-ID may have come several times";
}

TEST(Messages, TheLastOfAllProcessesInTheOrderOfTime) {
  const json last = latest({{{"came_us", 3}}, {{"came_us", 1}}, {{"came_us", 2}}}, 2);
  ASSERT_EQ(last.size(), 2U);
  EXPECT_EQ(last[0]["came_us"], 2);
  EXPECT_EQ(last[1]["time"], "1970-01-01T00:00:00.000003Z");
}

TEST(Messages, PeopleSeeHowEachEnded) {
  const std::string text = messages_text({{{"time", "T"},
                                           {"trace", kRows[0]["trace"]},
                                           {"from", "sip:a\x1b@b"},
                                           {"to", "c"},
                                           {"ending", "refused"},
                                           {"came_us", 1000},
                                           {"ended_us", 3000},
                                           {"outcome", "404 Not found"}},
                                          {{"ending", ""}, {"ended_us", 0}}});
  EXPECT_THAT(text, AllOf(HasSubstr("4bf92f35  "), HasSubstr("a\\x1b@b"), HasSubstr("refused"),
                          HasSubstr("2.0 ms"), HasSubstr("404 Not found"), HasSubstr("under way")));
}

TEST(Messages, WhatWasGivenUpAndWhatWasRefusedAreToldApart) {
  EXPECT_EQ(failed_text(json::array(), json::array()), "nothing was given up, and nothing was refused\n");
  const json refused = {{{"process", "sip-1"}, {"ending", "refused"}, {"outcome", "404 Not found"}},
                        {{"process", "sip-1"}, {"ending", "refused_here"}, {"outcome", "503"}}};
  EXPECT_THAT(failed_text(json::array(), refused),
              AllOf(HasSubstr("the gateway gave up nothing\n"), HasSubstr("the other side  404 Not found"),
                    HasSubstr("the gateway     503")));
  json failed = {{{"id", "sip-1.5.1"}, {"reason", "LINK_DOWN"}, {"retry", true}, {"retried_us", 0}}};
  EXPECT_THAT(failed_text(failed, json::array()),
              AllOf(HasSubstr("LINK_DOWN  yes"), Not(HasSubstr("refused"))));
  failed[0]["retried_us"] = 17;
  EXPECT_THAT(failed_text(failed, json::array()), HasSubstr("LINK_DOWN  was sent again"));
}

TEST(Messages, AUserIsFoundAsEitherSideWritesHim) {
  service::Config config;
  config.gateway.domain_separator = "*";
  EXPECT_THAT(ways_to_write("juliet@xmpp.test", config), ElementsAre("juliet@xmpp.test", "juliet*xmpp.test"));
  EXPECT_THAT(ways_to_write("juliet", config), ElementsAre("juliet"));
}

}  // namespace
}  // namespace stox::ctl
