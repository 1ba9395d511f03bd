#include "ctl/status.h"

#include <gtest/gtest.h>

namespace stox::ctl {
namespace {

using nlohmann::json;

const std::vector<Known> kSite = {{"sip-1", "sip-1", service::Role::kSipFront, "/r/sip-1.ctl"},
                                  {"mapper-1", "mapper-1", service::Role::kMapper, "/r/mapper-1.ctl"}};

Answer in_state(const char* state, const char* reason) {
  return {.value = {{"ok", true},
                    {"name", "said"},
                    {"role", "said"},
                    {"state", state},
                    {"reason", reason},
                    {"pid", 17},
                    {"version", "0.1.0"},
                    {"uptime_ms", 192'000},
                    {"state_ms", 21'000},
                    {"peers", {{{"name", "mapper-1"}, {"state", "ready"}}}}},
          .unreachable = ""};
}

TEST(Status, ShowsEachProcessAndWhatItSays) {
  const json status = status_json(kSite, {in_state("ready", ""), in_state("standby", "")});
  EXPECT_EQ(status["processes"][0]["name"], "sip-1");
  EXPECT_EQ(status["processes"][0]["role"], "sip_front");
  EXPECT_EQ(status["processes"][0]["pid"], 17);
  EXPECT_FALSE(status["processes"][0].contains("ok"));
  EXPECT_EQ(status_code(status), kFine) << "standby counts as ready";
  EXPECT_EQ(status_text(status),
            "NAME      ROLE       STATE    PID  UPTIME  VERSION  PEERS\n"
            "sip-1     sip_front  ready    17   3m 12s  0.1.0    mapper-1 ready\n"
            "mapper-1  mapper     standby  17   3m 12s  0.1.0    mapper-1 ready\n");
}

TEST(Status, SaysWhyAProcessIsNotReady) {
  const json status =
      status_json(kSite, {in_state("starting", "no mapper\nis there"), in_state("ready", "")});
  EXPECT_EQ(status_code(status), kTrouble);
  EXPECT_TRUE(status_text(status).ends_with("\n\nsip-1 is starting, for 21.0 s now: no mapper\\nis there\n"))
      << status_text(status);
}

TEST(Status, TellsWhatCouldNotBeConnected) {
  Answer front = in_state("ready", "");
  front.value["peers"].push_back({{"name", "to 192.0.2.1:5061"},
                                  {"state", "no TLS"},
                                  {"why", "the certificate is for a.test, not for b.test"},
                                  {"times", 3},
                                  {"age_ms", 4000}});
  const json status = status_json(kSite, {front, in_state("ready", "")});
  EXPECT_EQ(status_code(status), kFine);
  EXPECT_TRUE(
      status_text(status).ends_with("mapper-1 ready\n\nsip-1: no TLS to 192.0.2.1:5061: the certificate is "
                                    "for a.test, not for b.test (3 times, "
                                    "last 4.0 s ago)\n"))
      << status_text(status);
}

TEST(Status, ListsWhatCannotBeReached) {
  const json status =
      status_json(kSite, {in_state("ready", ""), {.value = {}, .unreachable = "not running: start it"}});
  EXPECT_EQ(status["processes"][1], json({{"name", "mapper-1"},
                                          {"role", "mapper"},
                                          {"state", "unreachable"},
                                          {"reason", "not running: start it"},
                                          {"pid", nullptr},
                                          {"version", ""},
                                          {"uptime_ms", nullptr},
                                          {"peers", json::array()}}));
  EXPECT_EQ(status_code(status), kUnreachable);
  EXPECT_TRUE(status_text(status).ends_with("\n\nmapper-1 is unreachable: not running: start it\n"));
}

}  // namespace
}  // namespace stox::ctl
