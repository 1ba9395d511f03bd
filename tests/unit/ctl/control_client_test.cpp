#include "ctl/control_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

namespace stox::ctl {
namespace {

using ::testing::HasSubstr;

// A Unix socket that listens, and what it is scripted to answer to one client.
class Listener {
 public:
  explicit Listener(const std::string& path) : socket_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(socket_, 8), 0);
  }
  ~Listener() {
    shutdown(socket_, SHUT_RDWR);  // ends an accept that waits
    close(socket_);
    if (thread_.joinable()) thread_.join();
  }

  void answer(const std::vector<std::string>& parts) {
    thread_ = std::thread([this, parts] {
      const int client = accept(socket_, nullptr, nullptr);
      std::string line;
      for (char c = 0; c != '\n' && recv(client, &c, 1, 0) == 1;) line += c;
      question_ = line;
      for (const std::string& part : parts) send(client, part.data(), part.size(), MSG_NOSIGNAL);
      close(client);
    });
  }
  std::string question() {
    thread_.join();
    return question_;
  }

 private:
  int socket_;
  std::thread thread_;
  std::string question_;
};

class Client : public ::testing::Test {
 protected:
  Client() {
    std::string folder = ::testing::TempDir() + "stox-ctl-XXXXXX";
    folder_ = mkdtemp(folder.data());
  }
  ~Client() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
};

TEST_F(Client, AsksAllAndKeepsTheOrder) {
  Listener one(path("one"));
  Listener two(path("two"));
  one.answer({"{\"ok\":true,", "\"n\":1}", "\n"});
  two.answer({"{\"ok\":false,\"error\":\"no such thing\"}\n"});
  const auto answers =
      ask_all({path("one"), path("none"), path("two")}, {{"command", "x\xff"}}, std::chrono::seconds(20));
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(answers[0].value["n"], 1);
  EXPECT_EQ(answers[0].error(), "");
  EXPECT_EQ(answers[1].unreachable, "not running: there is no control socket " + path("none") + "; start it");
  EXPECT_EQ(answers[2].error(), "no such thing");
  EXPECT_TRUE(answers[2].reached());
  EXPECT_EQ(one.question(), "{\"command\":\"x\xef\xbf\xbd\"}\n");
}

TEST_F(Client, ALargeAnswerIsReadWhole) {
  Listener one(path("one"));
  const std::string text(3'000'000, 'x');
  one.answer({"{\"ok\":true,\"text\":\"", text, "\"}\n"});
  EXPECT_EQ(ask_all({path("one")}, {}, std::chrono::seconds(20))[0].value["text"], text);
}

TEST_F(Client, SaysWhyThereIsNoAnswer) {
  { const Listener killed(path("killed")); }
  EXPECT_EQ(ask_all({path("killed")}, {})[0].unreachable,
            "not running: it was killed and left its control socket " + path("killed") + "; start it");

  const Listener hung(path("hung"));
  EXPECT_THAT(ask_all({path("hung")}, {}, std::chrono::seconds(1))[0].unreachable,
              HasSubstr("does not answer within 1 s: it hangs; its watchdog ends it after 10 s"));

  Listener gone(path("gone"));
  gone.answer({});
  EXPECT_THAT(ask_all({path("gone")}, {}, std::chrono::seconds(20))[0].unreachable,
              HasSubstr("closed the connection without an answer"));

  Listener other(path("other"));
  other.answer({"hello\n"});
  EXPECT_THAT(ask_all({path("other")}, {}, std::chrono::seconds(20))[0].unreachable,
              HasSubstr("no JSON object"));
}

}  // namespace
}  // namespace stox::ctl
