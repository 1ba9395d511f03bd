#include "ctl/status.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "common/service/last_words.h"

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
  Answer front = in_state("ready", "");
  front.value["messages"] = {{"per_second", 12.345}};
  front.value["in_flight"] = {{"count", 7}, {"limit", 4096}};
  const json status = status_json(kSite, {front, in_state("standby", "")});
  EXPECT_EQ(status["processes"][0]["name"], "sip-1");
  EXPECT_EQ(status["processes"][0]["role"], "sip_front");
  EXPECT_EQ(status["processes"][0]["pid"], 17);
  EXPECT_FALSE(status["processes"][0].contains("ok"));
  EXPECT_EQ(status_code(status), kFine) << "standby counts as ready";
  EXPECT_EQ(status_text(status),
            "NAME      ROLE       STATE    PID  UPTIME  VERSION  RATE    IN FLIGHT  PEERS\n"
            "sip-1     sip_front  ready    17   3m 12s  0.1.0    12.3/s  7/4096     mapper-1 ready\n"
            "mapper-1  mapper     standby  17   3m 12s  0.1.0    -       -          mapper-1 ready\n");
}

TEST(Status, SaysWhyAProcessIsNotReady) {
  const json status =
      status_json(kSite, {in_state("starting", "no mapper\nis there"), in_state("ready", "")});
  EXPECT_EQ(status_code(status), kTrouble);
  EXPECT_TRUE(status_text(status).ends_with("\n\nsip-1 is starting, for 21.0 s now: no mapper\\nis there\n"))
      << status_text(status);
}

TEST(Status, TellsWhyTheLastStartFailed) {
  std::string folder = ::testing::TempDir() + "stox-status-XXXXXX";
  service::RuntimeConfig runtime;
  runtime.directory = mkdtemp(folder.data());
  service::keep_last_words(runtime, "sip-1", {"udp:127.0.0.1:5060: in use", 1'000'000});
  service::keep_last_words(runtime, "mapper-1", {"of an earlier day", 1'000'000});
  json status = status_json(kSite, {{.value = {}, .unreachable = "not running: no socket; start it"},
                                    {.value = {}, .unreachable = "does not answer within 2 s"}});
  add_failed_starts(&status, runtime, 4'000'000);
  EXPECT_EQ(status["processes"][0]["reason"],
            "not running: it could not start, 3.0 s ago: udp:127.0.0.1:5060: in use");
  EXPECT_EQ(status["processes"][0]["failed_start"]["age_ms"], 3000);
  EXPECT_EQ(status["processes"][1]["reason"], "does not answer within 2 s");
  std::filesystem::remove_all(runtime.directory);
}

TEST(Status, TellsWhichDomainsCannotBeReached) {
  Answer worker = in_state("ready", "");
  worker.value["peers"] = {
      {{"name", "b.test"}, {"kind", "xmpp_domain"}, {"state", "no stream to"}, {"why", "refused"}}};
  EXPECT_TRUE(status_text(status_json(kSite, {worker, in_state("ready", "")}))
                  .ends_with("\n\nsip-1: no stream to b.test: refused\n"));
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
