#include "common/service/http_responder.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/write.hpp>
#include <list>

#include "common/base/text.h"
#include "common/net/acceptor.h"

namespace stox::service {
namespace {

using Tcp = asio::ip::tcp;

const char* reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Service Unavailable";
  }
}

std::string response(const HttpAnswer& answer) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}Connection: close\r\n\r\n{}",
      answer.status, reason_of(answer.status), answer.content_type, answer.body.size(),
      answer.status == 405 ? "Allow: GET, HEAD\r\n" : "", answer.body);
}

// Held by the list of connections and by the operations under way on its socket, as a client of the control
// socket.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Gone = std::function<void(const Connection*)>;

  // The references must live until close() is called.
  Connection(net::Loop& loop, Tcp::socket socket, const HttpResponder::Answer& answer, const Gone& gone)
      : socket_(std::move(socket)), answer_(answer), gone_(gone), end_(loop, [this] { cancel(); }) {
    end_.set(loop.now() + HttpResponder::kTime);
  }

  void close() {
    asio::error_code ignored;
    socket_.close(ignored);
    end_.set(kNever);
  }

  void read() {
    asio::async_read_until(socket_, asio::dynamic_buffer(in_, HttpResponder::kMaxRequest), "\r\n\r\n",
                           [self = shared_from_this()](const asio::error_code& failure, std::size_t) {
                             if (!self->socket_.is_open()) return;
                             if (failure && failure != asio::error::not_found) return self->gone_(self.get());
                             self->write(failure ? HttpAnswer{400, "text/plain", "request too long\n"}
                                                 : self->answer_to(self->in_));
                           });
  }

 private:
  void cancel() {  // what is under way ends with an error, and so does the connection
    asio::error_code ignored;
    socket_.cancel(ignored);
  }

  HttpAnswer answer_to(std::string_view request) const {
    const std::string_view line = request.substr(0, request.find("\r\n"));
    const auto method_end = line.find(' ');
    const auto path_end = method_end == std::string_view::npos ? method_end : line.find(' ', method_end + 1);
    if (path_end == std::string_view::npos || !line.substr(path_end + 1).starts_with("HTTP/1."))
      return {400, "text/plain", "not an HTTP/1 request\n"};
    const std::string_view method = line.substr(0, method_end);
    if (method != "GET" && method != "HEAD") return {405, "text/plain", "only GET and HEAD\n"};
    const std::string_view target = line.substr(method_end + 1, path_end - method_end - 1);
    return answer_(target.substr(0, target.find('?')));
  }

  void write(const HttpAnswer& answer) {
    out_ = response(answer);
    if (in_.starts_with("HEAD ")) out_.resize(out_.find("\r\n\r\n") + 4);
    asio::async_write(socket_, asio::buffer(out_),
                      [self = shared_from_this()](const asio::error_code&, std::size_t) {
                        if (self->socket_.is_open()) self->gone_(self.get());
                      });
  }

  Tcp::socket socket_;
  const HttpResponder::Answer& answer_;
  const Gone& gone_;
  std::string in_, out_;
  net::Alarm end_;
};

class Listening : public HttpResponder {
 public:
  Listening(net::Loop& loop, Tcp::acceptor acceptor, Answer answer)
      : loop_(loop),
        port_(acceptor.local_endpoint().port()),
        answer_(std::move(answer)),
        acceptor_(loop, std::move(acceptor), [this](Tcp::socket socket) { take(std::move(socket)); }) {}
  ~Listening() override {
    for (const auto& connection : connections_) connection->close();
  }

  uint16_t port() const override { return port_; }

 private:
  void take(Tcp::socket socket) {
    if (connections_.size() >= kMaxConnections) {
      connections_.front()->close();
      connections_.pop_front();
    }
    connections_.push_back(std::make_shared<Connection>(loop_, std::move(socket), answer_, gone_));
    connections_.back()->read();
  }

  net::Loop& loop_;
  uint16_t port_;
  Answer answer_;
  std::list<std::shared_ptr<Connection>> connections_;
  Connection::Gone gone_ = [this](const Connection* connection) {
    const auto found = std::find_if(connections_.begin(), connections_.end(),
                                    [&](const auto& one) { return one.get() == connection; });
    if (found == connections_.end()) return;
    const auto keep = *found;  // it may be the caller
    keep->close();
    connections_.erase(found);
  };
  net::Acceptor<Tcp> acceptor_;
};

}  // namespace

Result<std::unique_ptr<HttpResponder>> HttpResponder::create(net::Loop& loop, const std::string& address_port,
                                                             Answer answer) {
  const auto colon = address_port.rfind(':');
  std::string address = address_port.substr(0, colon);
  if (address.starts_with('[')) address = address.substr(1, address.size() - 2);
  const auto port = parse_number(address_port.substr(colon + 1), 0, 65535);
  asio::error_code failure;
  const auto ip = asio::ip::make_address(address, failure);
  if (failure || !port) return error(fmt::format("metrics {}: not ADDRESS:PORT", address_port));

  const Tcp::endpoint endpoint(ip, static_cast<uint16_t>(*port));
  Tcp::acceptor acceptor(loop.io());
  acceptor.open(endpoint.protocol(), failure);
  if (!failure) acceptor.set_option(Tcp::acceptor::reuse_address(true), failure);
  if (!failure) acceptor.bind(endpoint, failure);
  if (!failure) acceptor.listen(64, failure);
  if (failure) {
    return error(fmt::format("metrics {}: {}; end what uses it, or choose another address", address_port,
                             failure.message()));
  }
  return std::make_unique<Listening>(loop, std::move(acceptor), std::move(answer));
}

}  // namespace stox::service
