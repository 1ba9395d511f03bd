#include "common/net/listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <asio/ip/tcp.hpp>
#include <cerrno>
#include <string>
#include <vector>

namespace stox::net {
namespace {

using asio::ip::tcp;
using testing::HasSubstr;

class ListenerTest : public testing::Test {
 protected:
  ~ListenerTest() override {
    for (const int each : accepted) {
      if (each >= 0) close(each);
    }
  }
  tl::expected<std::unique_ptr<Listener>, int> listen(const std::string& ip, uint16_t port = 0,
                                                      Listener::Options options = {}) {
    return Listener::create(loop, {ip, port}, options, [this](int descriptor, const Address& peer) {
      accepted.push_back(descriptor);
      peers.push_back(peer.ip);
    });
  }
  bool connects(const std::string& ip, uint16_t port) {
    tcp::socket& one = clients.emplace_back(loop.io());
    asio::error_code failure;
    one.connect({asio::ip::make_address(ip), port}, failure);
    return !failure;
  }
  bool until_accepted(std::size_t count) {
    const Time end = loop.now() + std::chrono::seconds(30);
    while (accepted.size() < count && loop.now() < end) {
      loop.io().restart();
      loop.io().run_one_for(std::chrono::milliseconds(10));
    }
    return accepted.size() == count;
  }

  Loop loop;
  std::vector<tcp::socket> clients;
  std::vector<int> accepted;
  std::vector<std::string> peers;
};

TEST_F(ListenerTest, WhereItCannotListenIsSaidWithWhatToDo) {
  const ListenKeys keys{"xmpp_port", "xmpp_host", " (an older one?)"};
  const auto complaint = [&](const std::string& address, uint16_t port) {
    const auto made = listen(address, port);
    return made ? "none" : describe_listen_failure(address, made.error(), keys);
  };
  const auto other = listen("127.0.0.1");
  EXPECT_EQ(complaint("127.0.0.1", (*other)->port()),
            "cannot listen on 127.0.0.1: Address already in use; another program has this port "
            "(an older one?): stop it, or change xmpp_port");
  EXPECT_THAT(complaint("192.0.2.1", 0), HasSubstr("correct xmpp_host"));
  EXPECT_THAT(complaint("localhost", 0), HasSubstr("IPv4 or IPv6 address"));
  EXPECT_THAT(describe_listen_failure("127.0.0.1:1", EACCES, keys), HasSubstr("CAP_NET_BIND_SERVICE"));
}

TEST_F(ListenerTest, OthersMayListenThereIfTheyAllWantIt) {
  const Listener::Options together{.with_others = true};
  const auto first = listen("127.0.0.1", 0, together);
  EXPECT_TRUE(listen("127.0.0.1", (*first)->port(), together));
  EXPECT_FALSE(listen("127.0.0.1", (*first)->port()));
}

TEST_F(ListenerTest, OneAddressOfIPv6TakesIPv4IfWanted) {
  const auto both = listen("::", 0, {.takes_ipv4 = true});
  ASSERT_TRUE(both);
  EXPECT_TRUE(connects("127.0.0.1", (*both)->port()));
  EXPECT_TRUE(connects("::1", (*both)->port()));
  ASSERT_TRUE(until_accepted(2));
  EXPECT_EQ(peers, (std::vector<std::string>{"127.0.0.1", "::1"}));
  const auto one = listen("::");
  EXPECT_FALSE(connects("127.0.0.1", (*one)->port()));
}

TEST_F(ListenerTest, WithoutDescriptorsConnectionsWait) {
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "it opens a pipe to look at an object, and takes one that it cannot look at for none";
#endif
#endif
  const auto made = listen("127.0.0.1");
  ASSERT_TRUE(connects("127.0.0.1", (*made)->port()));
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{3, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  const bool told = until_accepted(1);
  setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_TRUE(told);
  EXPECT_EQ(accepted[0], -1);
  ASSERT_TRUE(until_accepted(2));
  EXPECT_GE(accepted[1], 0);
}

}  // namespace
}  // namespace stox::net
