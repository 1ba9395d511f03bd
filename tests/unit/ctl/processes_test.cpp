#include "ctl/processes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace stox::ctl {
namespace {

using ::testing::ElementsAre;

class Processes : public ::testing::Test {
 protected:
  Processes() {
    std::string folder = ::testing::TempDir() + "stox-ctl-XXXXXX";
    config_.runtime.directory = mkdtemp(folder.data());
    config_.mappers.push_back({.name = "mapper-1", .bind = "", .connect = "", .metrics = ""});
    config_.sip_fronts.emplace_back().name = "sip-1";
    config_.sip_fronts.emplace_back().name = "sip-2";
    config_.xmpp_workers.emplace_back().name = "component-1";
  }
  ~Processes() override { std::filesystem::remove_all(config_.runtime.directory); }

  void put_socket(const std::string& name) { std::ofstream(config_.runtime.directory + "/" + name); }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const Known& one : known_processes(config_)) out.push_back(one.name);
    return out;
  }

  service::Config config_;
};

TEST_F(Processes, AllThatAreConfiguredAreKnownInTheOrderOfTheFlow) {
  EXPECT_THAT(names(), ElementsAre("sip-1", "sip-2", "mapper-1", "component-1"));
  EXPECT_EQ(known_processes(config_)[0].path, config_.runtime.directory + "/sip-1.ctl");
}

TEST_F(Processes, EachSectionHasASystemdUnit) {
  EXPECT_EQ(units(config_),
            "stox-mapper@mapper-1.service\nstox-sip-front@sip-1.service\nstox-sip-front@sip-2.service\n"
            "stox-xmpp-worker@component-1.service\n");
}

TEST_F(Processes, InstancesAreFoundByTheirSockets) {
  for (const char* file : {"sip-1@b.ctl", "sip-1@a.ctl", "sip-10.ctl", "component-1.ctl", "component-1@x.ctl",
                           "mapper-1.sock", "stray@1.ctl"}) {
    put_socket(file);
  }
  EXPECT_THAT(names(),
              ElementsAre("sip-1@a", "sip-1@b", "sip-2", "mapper-1", "component-1", "component-1@x"));
}

TEST_F(Processes, ANameMeansAProcessOrAllInstancesOfASection) {
  put_socket("sip-1@a.ctl");
  put_socket("sip-1@b.ctl");
  const auto known = known_processes(config_);
  EXPECT_EQ(named(known, "sip-1")->size(), 2U);
  EXPECT_EQ(named(known, "sip-1@b")->size(), 1U);
  EXPECT_EQ(named(known, "sip-3").error().text,
            "there is no process \"sip-3\"; there are: sip-1@a, sip-1@b, sip-2, mapper-1, component-1");
}

TEST_F(Processes, ThoseOnOtherHostsAreAskedThroughOneHere) {
  put_socket("sip-1.ctl");
  const nlohmann::json others = {
      {"others",
       {{{"name", "mapper-1@two"}}, {{"name", "mapper-1@one"}}, {{"name", "sip-1@b"}}, {{"name", "stray"}}}}};
  const auto known = with_others(known_processes(config_), {{0, others}});
  std::vector<std::string> said;
  for (const Known& one : known) said.push_back(one.name + " " + one.through);
  EXPECT_THAT(said, ElementsAre("sip-1 ", "sip-1@b sip-1", "sip-2 sip-1", "mapper-1@one sip-1",
                                "mapper-1@two sip-1", "component-1 sip-1"));
  EXPECT_EQ(known[0].place().process, "");
  EXPECT_EQ(known[3].place().path, known[0].path);
  EXPECT_EQ(known[3].place().process, "mapper-1@one");
}

TEST_F(Processes, WithoutTheRuntimeDirectoryTheConfiguredOnesAreKnown) {
  std::filesystem::remove_all(config_.runtime.directory);
  EXPECT_EQ(names().size(), 4U);
}

}  // namespace
}  // namespace stox::ctl
