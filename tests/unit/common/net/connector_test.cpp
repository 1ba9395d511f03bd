#include "common/net/connector.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <string>
#include <vector>

namespace stox::net {
namespace {

using asio::ip::tcp;

class StaticResolver : public Resolver {
 public:
  explicit StaticResolver(Loop& loop) : loop_(loop) {}
  void addresses(const std::string& host,
                 std::function<void(Resolved<std::vector<std::string>>)> done) override {
    asio::post(loop_.io(), [this, host, done] {
      if (known.empty())
        return done(tl::make_unexpected(ResolveError{ResolveError::Kind::kNoName, host + ": no such name"}));
      done(known);
    });
  }
  void srv(const std::string&, std::function<void(Resolved<std::vector<SrvRecord>>)>) override {}
  std::vector<std::string> known;

 private:
  Loop& loop_;
};

class ConnectorTest : public testing::Test {
 protected:
  ~ConnectorTest() override { hang_up(); }
  void hang_up() {
    if (descriptor >= 0) close(std::exchange(descriptor, -1));
  }
  // What is said of it, in the end.
  template <class... To>
  std::string connect(Connector& by, To&&... to) {
    hang_up();
    std::string text;
    by.connect(std::forward<To>(to)..., [&](int connected, const std::string& said) {
      descriptor = connected;
      text = said;
    });
    const Time end = loop.now() + std::chrono::seconds(30);
    while (text.empty() && loop.now() < end) {
      loop.io().restart();
      loop.io().run_one_for(std::chrono::milliseconds(10));
    }
    return text;
  }
  std::string connect_to_host(Connector& by) {
    return connect(by, resolver, "server.test", acceptor.local_endpoint().port());
  }

  Loop loop;
  StaticResolver resolver{loop};
  tcp::acceptor acceptor{loop.io(), tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)};
  Connector connector{loop};
  int descriptor = -1;
};

TEST_F(ConnectorTest, TriesBothFamiliesInTurn) {
  EXPECT_EQ(interleaved({"192.0.2.1", "192.0.2.2", "2001:db8::1"}),
            (std::vector<std::string>{"2001:db8::1", "192.0.2.1", "192.0.2.2"}));
  EXPECT_EQ(interleaved({}), std::vector<std::string>{});
}

TEST_F(ConnectorTest, GoesOnToTheNextAddress) {
  const uint16_t port = acceptor.local_endpoint().port();
  const std::vector<Address> addresses{{"127.0.0.2", port}, {"127.0.0.1", port}};
  EXPECT_EQ(connect(connector, addresses, std::chrono::seconds(20)), "127.0.0.1:" + std::to_string(port));
  EXPECT_GE(descriptor, 0);
}

TEST_F(ConnectorTest, TriesEveryAddressOfAHost) {
  resolver.known = {"127.0.0.2", "127.0.0.1"};  // nobody listens at the first
  connect_to_host(connector);
  EXPECT_GE(descriptor, 0);
}

TEST_F(ConnectorTest, SaysWhyItCannotConnect) {
  EXPECT_EQ(connect_to_host(connector), "server.test: no such name");
  resolver.known = {"127.0.0.1", "127.0.0.2"};
  const std::string port = std::to_string(acceptor.local_endpoint().port());
  const uint16_t number = acceptor.local_endpoint().port();
  acceptor.close();
  EXPECT_EQ(connect(connector, resolver, "server.test", number),
            "127.0.0.1:" + port + ": Connection refused, 127.0.0.2:" + port + ": Connection refused");
  EXPECT_EQ(descriptor, -1);
}

TEST_F(ConnectorTest, SaysWhoGivesNoAnswer) {
  tcp::acceptor full(loop.io());  // takes no connections: those that wait are as many as may wait
  full.open(tcp::v4());
  full.bind({asio::ip::make_address("127.0.0.1"), 0});
  full.listen(0);
  std::vector<tcp::socket> waiting;
  for (int i = 0; i < 2; ++i) {
    waiting.emplace_back(loop.io(), tcp::v4());
    waiting.back().async_connect(full.local_endpoint(), [](const asio::error_code&) {});
  }
  const uint16_t port = full.local_endpoint().port();
  const std::vector<Address> addresses{{"127.0.0.1", port}};
  EXPECT_EQ(connect(connector, addresses, std::chrono::milliseconds(100)),
            "127.0.0.1:" + std::to_string(port) + ": no answer");
}

TEST_F(ConnectorTest, NothingIsToldOnceItWasCancelled) {
  bool told = false;
  const std::vector<Address> addresses{{"127.0.0.1", acceptor.local_endpoint().port()}};
  connector.connect(addresses, std::chrono::seconds(20), [&](int, const std::string&) { told = true; });
  connector.cancel();
  loop.io().run();
  EXPECT_FALSE(told);
}

// Where it still thinks the connection to stand, the peer hears by that of its end.
TEST_F(ConnectorTest, ConnectionsComeFromThePortOfTheOneBefore) {
  resolver.known = {"127.0.0.1"};
  const auto port = [&](Connector& by) {
    connect_to_host(by);
    const uint16_t out = acceptor.accept().remote_endpoint().port();
    const linger reset{1, 0};
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return out;
  };
  Connector first(loop, 0);
  const uint16_t own = port(first);
  EXPECT_EQ(port(first), own);
  Connector of_next_process(loop, own);
  EXPECT_EQ(port(of_next_process), own);
}

TEST_F(ConnectorTest, IfThatPortIsTakenTheNextConnectionComesFromAnother) {
  resolver.known = {"127.0.0.1"};
  tcp::socket other(loop.io(), tcp::v4());
  other.set_option(tcp::socket::reuse_address(true));
  other.bind({asio::ip::make_address("127.0.0.1"), 0});
  other.connect(acceptor.local_endpoint());
  Connector with_port(loop, other.local_endpoint().port());
  connect_to_host(with_port);
  EXPECT_GE(descriptor, 0);
}

}  // namespace
}  // namespace stox::net
