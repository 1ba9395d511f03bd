#include "common/service/running_config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace stox::service {
namespace {

class RunningConfig : public ::testing::Test {
 protected:
  ~RunningConfig() override { std::filesystem::remove_all(folder_); }
  std::string file(const std::string& text) {
    std::ofstream(folder_ + "/stox.toml") << text;
    return folder_ + "/stox.toml";
  }
  std::string runtime() const { return "[runtime]\ndirectory = \"" + folder_ + "\"\n"; }
  Config loaded(const std::string& text) {
    auto made = load_config(file(text));
    EXPECT_TRUE(made) << made.error().text;
    return *made;
  }

  std::string name_ = ::testing::TempDir() + "stox-running-XXXXXX";
  const std::string folder_ = mkdtemp(name_.data());
};

constexpr const char* kSections = R"(
[gateway]
gateway_domain = "xmpp-sip.test"
xmpp_domain = "sip-xmpp.test"
[[mapper]]
name = "mapper-1"
[[sip_front]]
name = "sip-1"
listen = ["udp:127.0.0.1:5060"]
[[xmpp_worker]]
name = "component-1"
backend = "component"
xmpp_host = "127.0.0.1"
xmpp_port = 5347
xmpp_password = "as secret as can be"
)";

TEST_F(RunningConfig, IsWhatAProcessHasReadLast) {
  keep_running_config(loaded(runtime() + kSections), "component-1");
  const auto running = read_running_config(file(runtime() + "nonsense = \n"), {});
  ASSERT_TRUE(running) << running.error().text;
  EXPECT_EQ(running->runtime.directory, folder_);
  ASSERT_EQ(running->xmpp_workers.size(), 1u);
  EXPECT_EQ(running->xmpp_workers[0].name, "component-1");
}

TEST_F(RunningConfig, HasNoSecret) {
  keep_running_config(loaded(runtime() + kSections), "component-1");
  std::ifstream kept(folder_ + "/component-1.config");
  const std::string text((std::istreambuf_iterator<char>(kept)), {});
  EXPECT_NE(text.find("xmpp_password"), std::string::npos);
  EXPECT_EQ(text.find("as secret"), std::string::npos);
}

TEST_F(RunningConfig, IsFoundByTheEnvironmentFirst) {
  keep_running_config(loaded(runtime() + kSections), "component-1");
  EXPECT_TRUE(read_running_config(file("[runtime]\ndirectory = \"/nowhere\"\n["),
                                  {{"STOX_RUNTIME_DIRECTORY", folder_}}));
  EXPECT_FALSE(read_running_config(file("[runtime]\ndirectory = \"/nowhere\"\n["), {}));
}

TEST_F(RunningConfig, NobodyHasKeptAny) {
  const auto none = read_running_config(file(runtime() + "["), {});
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().text.find(folder_), std::string::npos);
}

}  // namespace
}  // namespace stox::service
