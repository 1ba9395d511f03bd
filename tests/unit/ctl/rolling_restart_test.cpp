#include "ctl/rolling_restart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace stox::ctl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RollingRestart : public ::testing::Test {
 protected:
  json run(milliseconds timeout = seconds(30), const std::string& form = "restart {name}") {
    const RestartWorld world{[this] { return status(); },
                             [this](const std::string& command) -> Result<void> {
                               commands.push_back(command);
                               const std::string name = command.substr(command.find(' ') + 1);
                               if (name == fails) return error("it ended with status 1");
                               if (name != stays) ++pids[name];
                               slow = 3;
                               return {};
                             },
                             [this](const Known& one) -> Result<void> {
                               asked.push_back(one.name);
                               if (one.name == fails) return error("it cannot be reached");
                               if (one.name != stays) uptimes_ms[one.name] = 0;
                               slow = 3;
                               return {};
                             },
                             [this] {
                               now += seconds(1);
                               --slow;
                             },
                             [this] { return now; },
                             [this](const std::string& line) { shown.push_back(line); }};
    return restart_all(known, form, timeout, world);
  }
  json status() const {
    json all = json::array();
    for (const Known& one : known) {
      const bool ready = slow <= 0 && one.name != down;
      all.push_back({{"name", one.name},
                     {"state", ready ? "ready" : "starting"},
                     {"reason", ready ? "" : "its reason"},
                     {"pid", pids.at(one.name)},
                     {"uptime_ms", uptimes_ms.at(one.name)}});
    }
    return {{"processes", all}};
  }

  std::vector<Known> known = {{"m-1", "m-1", service::Role::kMapper, ""},
                              {"sip@a", "sip", service::Role::kSipFront, ""},
                              {"w-1", "w-1", service::Role::kXmppWorker, ""}};
  std::map<std::string, int> pids = {{"m-1", 1}, {"sip@a", 1}, {"w-1", 1}};
  std::map<std::string, int> uptimes_ms = {{"m-1", 90'000}, {"sip@a", 90'000}, {"w-1", 90'000}};
  std::vector<std::string> commands, asked, shown;
  std::string fails, stays, down;
  int slow = 0;
  milliseconds now{0};
};

TEST_F(RollingRestart, OneAfterAnotherEachReadyBeforeTheNext) {
  const json done = run();
  EXPECT_EQ(done["error"], "");
  EXPECT_THAT(commands, ElementsAre("restart m-1", "restart sip@a", "restart w-1"));
  EXPECT_EQ(done["restarted"].size(), 3u);
  EXPECT_EQ(done["restarted"][0]["ms"], 3000);
  EXPECT_EQ(shown.size(), 6u);
}

TEST_F(RollingRestart, NothingIsTouchedWhileOneIsNotReady) {
  down = "w-1";
  EXPECT_THAT(run()["error"].get<std::string>(), HasSubstr("w-1 is starting: its reason"));
  EXPECT_TRUE(commands.empty());
}

TEST_F(RollingRestart, OneThatIsBusyForAMomentIsWaitedFor) {
  slow = 3;
  EXPECT_EQ(run()["error"], "");
  EXPECT_EQ(commands.size(), 3u);
}

TEST_F(RollingRestart, StopsWhereTheCommandFails) {
  fails = "sip@a";
  const std::string why = run()["error"];
  EXPECT_THAT(why, HasSubstr("stopped at sip@a"));
  EXPECT_THAT(why, HasSubstr("status 1"));
  EXPECT_EQ(commands.size(), 2u);
}

TEST_F(RollingRestart, StopsWhereNoNewProcessComes) {
  stays = "m-1";
  EXPECT_THAT(run()["error"].get<std::string>(), HasSubstr("stopped at m-1: no new process"));
  EXPECT_EQ(commands.size(), 1u);
}

TEST_F(RollingRestart, ThoseOfOtherHostsEndByThemselves) {
  known[1].through = "m-1";
  EXPECT_EQ(run()["error"], "");
  EXPECT_THAT(commands, ElementsAre("restart m-1", "restart w-1"));
  EXPECT_THAT(asked, ElementsAre("sip@a"));
}

TEST_F(RollingRestart, WithoutACommandAllEndByThemselvesThoughThePidsStay) {
  EXPECT_EQ(run(seconds(30), "")["error"], "");
  EXPECT_THAT(asked, ElementsAre("m-1", "sip@a", "w-1"));
}

TEST_F(RollingRestart, StopsAtOneThatCannotBeAsked) {
  fails = "sip@a";
  EXPECT_EQ(run(seconds(30), "")["error"], "stopped at sip@a: it cannot be reached");
  EXPECT_THAT(asked, ElementsAre("m-1", "sip@a"));
}

TEST_F(RollingRestart, StopsAtOneThatNobodyStartsAgain) {
  stays = "sip@a";
  const std::string why = run(seconds(30), "")["error"];
  EXPECT_THAT(why, HasSubstr("stopped at sip@a: no new process has taken its place after 30 s"));
  EXPECT_THAT(why, HasSubstr("exit status 75"));
  EXPECT_THAT(asked, ElementsAre("m-1", "sip@a"));
}

TEST(RestartCommand, FillsInWhatSupervisorsNeed) {
  const Known one{"sip@a", "sip", service::Role::kSipFront, ""};
  EXPECT_EQ(restart_command("systemctl restart {program}@{name}", one),
            "systemctl restart stox-sip-front@sip@a");
  EXPECT_EQ(restart_command("{section} {instance} {section}", one), "sip a sip");
}

}  // namespace
}  // namespace stox::ctl
