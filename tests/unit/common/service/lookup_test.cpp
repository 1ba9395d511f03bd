#include "common/service/lookup.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

namespace stox::service {
namespace {

TEST(Lookup, OfServicesThoseAreUsedThatAreOfferedLowestPriorityFirst) {
  const auto found = by_priority({{20, 0, 5060, "second.test"}, {0, 0, 0, "."}, {10, 0, 5060, "first.test"}});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].target, "first.test");
  EXPECT_EQ(found[1].target, "second.test");
}

TEST(Lookup, AnAddressIsConnectedToWithoutAskingDns) {
  const int server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof own;
  auto* const address = reinterpret_cast<sockaddr*>(&own);
  ASSERT_EQ(bind(server, address, size), 0);
  ASSERT_EQ(getsockname(server, address, &size), 0);
  DnsConfig dns;
  dns.servers = {"127.0.0.1:" + std::to_string(ntohs(own.sin_port))};
  const auto probe = connect_to(dns, {"127.0.0.1", 0, "_sip._udp", 5060}, true);
  ASSERT_TRUE(probe);
  EXPECT_EQ(probe->peer(), "127.0.0.1:5060");
  std::array<char, 512> question{};
  EXPECT_LT(recv(server, question.data(), question.size(), MSG_DONTWAIT), 0) << "it has asked";
  close(server);
}

}  // namespace
}  // namespace stox::service
