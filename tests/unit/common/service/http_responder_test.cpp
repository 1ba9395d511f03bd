#include "common/service/http_responder.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <list>

#include "peer.h"

namespace stox::service {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Http : public ::testing::Test {
 protected:
  Http() {
    auto made = HttpResponder::create(loop_, "127.0.0.1:0", [](std::string_view path) -> HttpAnswer {
      if (path == "/readyz") return {.status = 503, .body = "starting: no mapper\n"};
      if (path == "/metrics") return {.body = "a 1\n"};
      return {.status = 404, .body = "no\n"};
    });
    EXPECT_TRUE(made) << made.error().text;
    http_ = std::move(*made);
  }

  int connect_to() const {
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(http_->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    return descriptor;
  }

  std::string answer(const std::string& request) {
    Peer peer(loop_, connect_to());
    peer.write(request);
    return peer.read("");
  }

  net::Loop loop_;
  std::unique_ptr<HttpResponder> http_;
};

TEST_F(Http, AnswersOneRequestAndCloses) {
  EXPECT_EQ(answer("GET /metrics?x=1 HTTP/1.1\r\nHost: h\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\nConnection: "
            "close\r\n\r\na 1\n");
  EXPECT_THAT(answer("GET /readyz HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_THAT(answer("GET /readyz HTTP/1.0\r\n\r\n"), EndsWith("\r\n\r\nstarting: no mapper\n"));
  EXPECT_THAT(answer("GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404 Not Found\r\n"));
}

TEST_F(Http, RefusesWhatItDoesNotDo) {
  EXPECT_THAT(answer("POST /metrics HTTP/1.1\r\n\r\n"), HasSubstr("405 Method Not Allowed\r\n"));
  const std::string head = answer("HEAD /metrics HTTP/1.1\r\n\r\n");
  EXPECT_THAT(head, HasSubstr("200 OK\r\n"));
  EXPECT_EQ(head.find("\r\n\r\n") + 4, head.size()) << "no body";
  EXPECT_THAT(answer("POST /metrics HTTP/1.1\r\n\r\n"), HasSubstr("Allow: GET, HEAD\r\n"));
  EXPECT_THAT(answer("hello\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer("GET\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer(std::string(HttpResponder::kMaxRequest, 'x')), StartsWith("HTTP/1.1 400 "));
}

TEST_F(Http, ConnectionsThatSayNothingDoNotLockOthersOut) {
  std::list<Peer> silent;
  for (std::size_t i = 0; i < HttpResponder::kMaxConnections + 3; ++i) {
    silent.emplace_back(loop_, connect_to());
    silent.back().turn();
  }
  EXPECT_THAT(answer("GET /metrics HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
  silent.front().read("");
  EXPECT_TRUE(silent.front().closed());
}

TEST_F(Http, AnAddressInUseIsTold) {
  const std::string address = "127.0.0.1:" + std::to_string(http_->port());
  const auto second = HttpResponder::create(loop_, address, [](std::string_view) { return HttpAnswer(); });
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().text,
            "metrics " + address + ": Address already in use; end what uses it, or choose another address");
}

}  // namespace
}  // namespace stox::service
