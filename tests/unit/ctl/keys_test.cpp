#include "ctl/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/bus/zmq/curve.h"
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

  // What it prints.
  std::string make(const std::string& to, std::vector<std::string> names = {}) {
    ::testing::internal::CaptureStdout();
    EXPECT_EQ(keys({.file = site(), .directory = to, .group = "no such group", .names = std::move(names)}),
              kFine);
    return ::testing::internal::GetCapturedStdout();
  }
  std::string refused(const std::string& to, std::vector<std::string> names = {}, std::string file = {}) {
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(keys({.file = file.empty() ? site() : file, .directory = to, .names = std::move(names)}),
              kTrouble);
    return ::testing::internal::GetCapturedStderr();
  }
  std::string site() const { return folder_ + "/stox.toml"; }
  void write_site(const std::string& more) const {
    std::ofstream(site()) << "[gateway]\ngateway_domain = \"a.test\"\nxmpp_domain = \"b.test\"\n"
                             "sip_domains = [\"c.test\"]\n"
                             "[[mapper]]\nname = \"m\"\nbind = \"tcp://127.0.0.1:7300\"\n"
                             "[[sip_front]]\nname = \"s\"\n"
                             "[[xmpp_worker]]\nname = \"w.1\"\nxmpp_password = \"x\"\n"
                          << more;
    chmod(site().c_str(), 0600);
  }
  static std::string curve_of(const std::string& said) {
    return said.substr(said.find("[bus.curve]\nmapper"));
  }
  mode_t mode_of(const std::string& path) const {
    struct stat info {};
    EXPECT_EQ(stat((folder_ + "/" + path).c_str(), &info), 0) << path;
    return info.st_mode & 0777U;
  }
};

TEST_F(KeysTest, WhatIsPrintedIsAConfigurationThatWorks) {
  write_site("");  // which is none without the keys
  ASSERT_FALSE(service::load_config(site()));
  write_site(curve_of(make(folder_ + "/keys")));

  const auto mapper = service::load_config(site(), service::Role::kMapper, "", {});
  ASSERT_TRUE(mapper) << mapper.error().text;
  const auto& curve = mapper->config.curve;
  EXPECT_EQ(bus::public_key_of(curve.secret_key).value(), curve.mapper_public_key);
  EXPECT_TRUE(mapper->warnings.empty()) << mapper->warnings[0];
  for (const auto& [role, section] :
       {std::pair(service::Role::kSipFront, "s"), {service::Role::kXmppWorker, "w.1"}}) {
    for (const std::string& name : {std::string(section), section + std::string("@2")}) {
      const auto edge = service::load_config(site(), role, name, {});
      ASSERT_TRUE(edge) << edge.error().text;
      EXPECT_EQ(bus::public_key_of(edge->config.curve.secret_key).value(), curve.section_keys.at(section));
    }
  }
  EXPECT_NE(curve.section_keys.at("s"), curve.section_keys.at("w.1"));
}

TEST_F(KeysTest, WithoutAGroupForThemSecretsAreForTheOwnerOnly) {
  write_site("");
  make(folder_ + "/keys");
  EXPECT_EQ(mode_of("keys/s.key"), 0600U);
  EXPECT_EQ(mode_of("keys"), 0700U);
}

TEST_F(KeysTest, KeysThatAreThereStayAndNewSectionsGetTheirs) {
  write_site("");
  const std::string first = curve_of(make(folder_));
  const std::string kept = content("mapper.key") + content("s.key");
  write_site("[[sip_front]]\nname = \"new\"\n");
  const std::string said = make(folder_);
  EXPECT_EQ(content("mapper.key") + content("s.key"), kept);
  EXPECT_THAT(said, HasSubstr("/s.key: was there"));
  EXPECT_THAT(said, HasSubstr("/new.key: new"));
  const std::string second = curve_of(said);
  EXPECT_EQ(first.substr(0, first.find("w.1")), second.substr(0, second.find("new = ")) + "\"");
  std::ofstream(folder_ + "/s.key") << "rubbish\n";
  EXPECT_THAT(refused(folder_), HasSubstr("/s.key is no secret key of 40 characters; remove it"));
}

TEST_F(KeysTest, SomeSectionsGetTheirsByName) {
  const std::string said = make(folder_, {"sip-2"});
  std::string secret = content("sip-2.key");
  secret.pop_back();
  EXPECT_THAT(said, HasSubstr("\nsip-2 = \"" + bus::public_key_of(secret).value() + "\"\n"));
  EXPECT_THAT(said, ::testing::Not(HasSubstr("[bus.curve]\n")));
  EXPECT_THAT(refused(folder_, {"../elsewhere"}), HasSubstr("cannot be a name"));
}

TEST_F(KeysTest, WithoutAConfigurationItSaysWhatItNeeds) {
  EXPECT_THAT(refused(folder_, {}, "/nowhere.toml"),
              HasSubstr("/nowhere.toml: cannot read it: No such file or directory; -f names another file\n"
                        "The names of its [[sip_front]] and [[xmpp_worker]] are needed"));
}

}  // namespace
}  // namespace stox::ctl
