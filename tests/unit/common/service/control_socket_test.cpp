#include "common/service/control_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <list>
#include <nlohmann/json.hpp>

#include "peer.h"

namespace stox::service {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

int connect_to(const std::string& path) {
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  EXPECT_EQ(connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return descriptor;
}

class Control : public ::testing::Test {
 protected:
  Control() {
    std::string folder = ::testing::TempDir() + "stox-control-XXXXXX";
    folder_ = mkdtemp(folder.data());
    path_ = folder_ + "/sip-1.ctl";
  }
  ~Control() override { std::filesystem::remove_all(folder_); }

  // "echo" answers at once, "later" never by itself, "throw" does.
  Result<std::unique_ptr<ControlSocket>> listen() {
    return ControlSocket::create(loop_, path_, [this](const json& request, const Reply& reply) {
      const std::string command = request.value("command", "");
      if (command == "throw") throw std::runtime_error("out of luck");
      if (command == "later") {
        later_ = reply;
        return;
      }
      reply({{"ok", true}, {"echo", request}});
    });
  }

  net::Loop loop_;
  std::string folder_, path_;
  Reply later_;
};

TEST_F(Control, AnswersLineByLine) {
  const auto control = listen();
  ASSERT_TRUE(control) << control.error().text;
  Peer peer(loop_, connect_to(path_));
  peer.write("{\"command\":\"echo\",\"n\":1}\n{\"n\":2}\n");
  EXPECT_EQ(json::parse(peer.read_line())["echo"]["n"], 1);
  EXPECT_EQ(json::parse(peer.read_line())["echo"]["n"], 2);
}

TEST_F(Control, IsForOwnerAndGroupOnly) {
  const auto control = listen();
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660U);
}

TEST_F(Control, WhatIsNoRequestIsToldSo) {
  const auto control = listen();
  Peer peer(loop_, connect_to(path_));
  for (const char* bad : {"hello\n", "\n", "[1]\n", "{\"a\":}\n", "\xff\n"}) {
    peer.write(bad);
    EXPECT_EQ(peer.read_line(), "{\"error\":\"a request is one JSON object on one line\",\"ok\":false}\n")
        << bad;
  }
  peer.write("{\"command\":\"throw\"}\n");
  EXPECT_THAT(peer.read_line(), HasSubstr("internal error: out of luck"));
}

// Recursion over it would be the end of the stack.
TEST_F(Control, BracketsWithoutEndAreNoRequest) {
  const auto control = listen();
  Peer peer(loop_, connect_to(path_));
  const std::string deep = std::string(60'000, '[') + std::string(60'000, ']');
  peer.write("{\"command\":\"echo\",\"request\":" + deep + "}\n");
  EXPECT_THAT(peer.read_line(), HasSubstr("a request is one JSON object on one line"));
  peer.write("{\"command\":\"echo\",\"text\":\"\\\"" + std::string(100, '[') + "\"}\n");
  EXPECT_THAT(peer.read_line(), HasSubstr("[[[[")) << "brackets in a text are text";
}

TEST_F(Control, AnEndlessLineIsEnded) {
  const auto control = listen();
  Peer peer(loop_, connect_to(path_));
  peer.write(std::string(ControlSocket::kMaxLine + 10, 'x'));
  EXPECT_THAT(peer.read_line(), HasSubstr("at most 262144 bytes"));
  peer.read("");
  EXPECT_TRUE(peer.closed());
}

TEST_F(Control, AReplyMayComeLaterAndAfterItsClientHasGone) {
  const auto control = listen();
  {
    Peer peer(loop_, connect_to(path_));
    peer.write("{\"command\":\"later\"}\n");
    while (!later_) peer.turn();
    later_({{"ok", true}, {"outcome", "delivered"}});
    later_({{"ok", true}, {"outcome", "twice"}});
    EXPECT_EQ(json::parse(peer.read_line())["outcome"], "delivered");
    peer.write("{\"command\":\"echo\"}\n");
    EXPECT_TRUE(json::parse(peer.read_line()).contains("echo")) << "a second reply is not sent";
    later_ = {};
    peer.write("{\"command\":\"later\"}\n");
    while (!later_) peer.turn();
  }
  Peer other(loop_, connect_to(path_));
  later_({{"ok", true}});
  other.write("{\"command\":\"echo\"}\n");
  EXPECT_TRUE(json::parse(other.read_line()).contains("echo"));
}

TEST_F(Control, ClientsThatHoldAllPlacesDoNotLockTheOperatorOut) {
  const auto control = listen();
  std::list<Peer> silent;
  for (std::size_t i = 0; i < ControlSocket::kMaxClients + 3; ++i) {
    silent.emplace_back(loop_, connect_to(path_));
    silent.back().turn();
  }
  Peer peer(loop_, connect_to(path_));
  peer.write("{\"command\":\"echo\"}\n");
  EXPECT_TRUE(json::parse(peer.read_line()).contains("echo"));
  silent.front().read("");
  EXPECT_TRUE(silent.front().closed()) << "the one that was silent longest had to go";
}

TEST_F(Control, AClientThatDoesNotReadDoesNotStopTheOthers) {
  const auto control = listen();
  Peer stuck(loop_, connect_to(path_));
  const std::string big = "{\"x\":\"" + std::string(200'000, 'x') + "\"}\n";
  stuck.write(big);
  for (int i = 0; i < 5; ++i) stuck.turn();
  Peer peer(loop_, connect_to(path_));
  peer.write("{\"command\":\"echo\"}\n");
  EXPECT_TRUE(json::parse(peer.read_line()).contains("echo"));
}

TEST_F(Control, ASocketLeftByAKilledProcessIsReplaced) {
  const pid_t killed = fork();
  if (killed == 0) {
    const auto control = listen();
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(killed, &status, 0);
  ASSERT_TRUE(std::filesystem::exists(path_));

  const auto control = listen();
  ASSERT_TRUE(control) << control.error().text;
  Peer peer(loop_, connect_to(path_));
  peer.write("{\"command\":\"echo\"}\n");
  EXPECT_TRUE(json::parse(peer.read_line()).contains("echo"));
}

TEST_F(Control, ALiveProcessOfTheNameIsNamed) {
  const auto first = listen();
  const auto second = listen();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().text,
            "control socket " + path_ + ": process " + std::to_string(getpid()) +
                " of this name runs already; stop it, or give this one another name with -n");
  Peer peer(loop_, connect_to(path_));
  peer.write("{\"command\":\"echo\"}\n");
  EXPECT_TRUE(json::parse(peer.read_line()).contains("echo")) << "the first one goes on";
}

TEST_F(Control, SomethingElseOfTheNameIsNotRemoved) {
  std::ofstream(path_) << "a file";
  EXPECT_EQ(listen().error().text,
            "control socket " + path_ + ": there is something else of this name; remove it");
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(Control, ADirectoryThatCannotBeWrittenIsTold) {
  std::filesystem::remove_all(folder_);
  EXPECT_EQ(listen().error().text,
            "control socket " + path_ + ": cannot lock its directory: No such file or directory");
}

TEST_F(Control, ADirectoryOfAnotherUserIsTold) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to be somebody else for a while";
  ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
  ASSERT_EQ(seteuid(65534), 0);
  const auto refused = listen();
  ASSERT_EQ(seteuid(0), 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text, "control socket " + path_ +
                                      ": cannot make it: Permission denied; runtime.directory, and what is "
                                      "in it, must be this user's");
}

TEST_F(Control, ItsEndRemovesTheSocketUnlessAnotherHasTakenThePlace) {
  auto first = listen();
  first->reset();
  EXPECT_FALSE(std::filesystem::exists(path_));

  first = listen();
  std::filesystem::remove(path_);
  const auto second = listen();
  first->reset();
  EXPECT_TRUE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace stox::service
