#include "xmpp_worker/xmpp/stream/listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/ip/tcp.hpp>

namespace stox::xmpp {
namespace {

using testing::HasSubstr;

TEST(ListenerTest, WhereItCannotListenIsSaidWithWhatToDo) {
  net::Loop loop;
  const auto complaint = [&](const std::string& address, uint16_t port) {
    const auto made = Listener::create(loop, address, port, {});
    return made ? "none" : made.error().text;
  };
  asio::ip::tcp::acceptor other(loop.io(), {asio::ip::make_address("127.0.0.1"), 0});
  EXPECT_THAT(complaint("127.0.0.1", other.local_endpoint().port()), HasSubstr("change xmpp_port"));
  EXPECT_THAT(complaint("192.0.2.1", 0), HasSubstr("correct xmpp_host"));
  EXPECT_THAT(complaint("localhost", 0), HasSubstr("IPv4 or IPv6 address"));
}

}  // namespace
}  // namespace stox::xmpp
