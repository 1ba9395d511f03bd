#include "ctl/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/bus/curve.h"
#include "common/service/config.h"

namespace stox::ctl {
namespace {

using ::testing::HasSubstr;

class KeysTest : public ::testing::Test {
 protected:
  KeysTest() {
    std::string folder = ::testing::TempDir() + "stox-keys-XXXXXX";
    folder_ = mkdtemp(folder.data());
  }
  ~KeysTest() override { std::filesystem::remove_all(folder_); }

  std::string content(const std::string& name) const {
    std::ostringstream out;
    out << std::ifstream(folder_ + "/" + name).rdbuf();
    return out.str();
  }

  std::string folder_;
};

TEST_F(KeysTest, WhatIsPrintedIsAConfigurationThatWorks) {
  ::testing::internal::CaptureStdout();
  ASSERT_EQ(keys(folder_ + "/keys", {}), kFine);
  const std::string said = ::testing::internal::GetCapturedStdout();
  const std::string site = folder_ + "/stox.toml";
  std::ofstream(site)
      << "[gateway]\ngateway_domain = \"a.test\"\nxmpp_domain = \"b.test\"\nsip_domains = [\"a.test\"]\n"
         "[[mapper]]\nname = \"m\"\nbind = \"tcp://10.0.0.1:7300\"\n[[sip_front]]\nname = \"s\"\n"
      << said.substr(said.find("[bus.curve]"));

  const auto mapper = service::load_config(site, service::Role::kMapper, "", {});
  const auto front = service::load_config(site, service::Role::kSipFront, "", {});
  ASSERT_TRUE(mapper) << mapper.error().text;
  ASSERT_TRUE(front) << front.error().text;
  const auto& curve = mapper->config.curve;
  EXPECT_EQ(bus::public_key_of(curve.secret_key).value(), curve.mapper_public_key);
  EXPECT_EQ(bus::public_key_of(front->config.curve.secret_key).value(), curve.edge_public_keys.at(0));
  EXPECT_TRUE(mapper->warnings.empty());
}

TEST_F(KeysTest, SecretsAreForTheOwnerOnly) {
  ASSERT_TRUE(write_new_key(folder_ + "/edge.key"));
  struct stat info {};
  ASSERT_EQ(stat((folder_ + "/edge.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(KeysTest, KeysThatAreThereStay) {
  ::testing::internal::CaptureStdout();
  ASSERT_EQ(keys(folder_, {}), kFine);
  std::filesystem::remove(folder_ + "/mapper.key");
  const std::string edge = content("edge.key");
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(keys(folder_, {}), kTrouble);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("edge.key is there already"));
  EXPECT_EQ(content("edge.key"), edge);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/mapper.key"));
  ::testing::internal::GetCapturedStdout();
}

TEST_F(KeysTest, FurtherEdgesGetKeysOfTheirOwn) {
  ::testing::internal::CaptureStdout();
  ASSERT_EQ(keys(folder_, {"sip-2"}), kFine);
  const std::string said = ::testing::internal::GetCapturedStdout();
  std::string secret = content("sip-2.key");
  secret.pop_back();
  EXPECT_THAT(said, HasSubstr("\"" + bus::public_key_of(secret).value() + "\",  # sip-2"));
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(keys(folder_, {"../elsewhere"}), kTrouble);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("cannot be a name"));
}

}  // namespace
}  // namespace stox::ctl
