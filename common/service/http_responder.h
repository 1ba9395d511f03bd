// A small HTTP/1.1 responder for what monitoring asks: GET of a few fixed paths, one request a connection.
// Requests, connections and their time are bounded; at the bound the oldest connection is closed.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/net/loop.h"

namespace stox::service {

struct HttpAnswer {
  int status = 200;  // 200, 404, 503
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

class HttpResponder {
 public:
  static constexpr std::size_t kMaxRequest = 8192;
  static constexpr std::size_t kMaxConnections = 32;
  static constexpr Duration kTime = std::chrono::seconds(10);  // for a whole exchange

  using Answer = std::function<HttpAnswer(std::string_view path)>;

  // Listens at ADDRESS:PORT; the error says which and why. The loop must outlive it.
  static Result<std::unique_ptr<HttpResponder>> create(net::Loop&, const std::string& address_port, Answer);
  virtual ~HttpResponder() = default;
  virtual uint16_t port() const = 0;
};

}  // namespace stox::service
