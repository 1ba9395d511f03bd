#include "xmpp_worker/xmpp/stream_socket.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <asio/ip/tcp.hpp>

#include "common/base/sip_uri.h"

namespace stox::xmpp {
namespace {

using asio::ip::tcp;

constexpr Duration kConnectTimeout = std::chrono::seconds(5);  // of one address
constexpr int kUserTimeoutMs = 30'000;                         // sent and not acknowledged by the other host
constexpr std::size_t kReadAtOnce = 65'536, kReadPerWakeup = 524'288;
constexpr std::size_t kKeepBuffer = 1'048'576;

void set_options(tcp::socket& socket) {
  asio::error_code ignored;  // they only make it better
  socket.non_blocking(true, ignored);
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(tcp::socket::keep_alive(true), ignored);
  socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>(kUserTimeoutMs),
                    ignored);
}

bool would_block(const asio::error_code& failure) {
  return failure == asio::error::would_block || failure == asio::error::try_again;
}

}  // namespace

struct StreamSocket::Connection {
  explicit Connection(net::Loop& loop) : socket(loop.io()) {}
  tcp::socket socket;
  bool given_up = false;

  void give_up() {
    given_up = true;
    asio::error_code ignored;
    socket.close(ignored);
  }
};

StreamSocket::StreamSocket(net::Loop& loop, net::Resolver& resolver, StreamSocketUser& user, Duration pace)
    : loop_(loop),
      resolver_(resolver),
      user_(user),
      pace_(pace),
      buffer_(kReadAtOnce),
      connect_alarm_(loop, [this] { fail(trying_ + ": no answer"); }),
      read_alarm_(loop, [this] { read(); }),
      write_alarm_(loop, [this] { write(); }),
      end_of_turn_(loop, [this] { end_of_turn(); }) {}

StreamSocket::~StreamSocket() {
  if (connection_) connection_->give_up();
}

void StreamSocket::connect(const std::string& host, uint16_t port) {
  close();
  port_ = port;
  last_failure_ = host + ": no address";
  connection_ = std::make_shared<Connection>(loop_);
  trying_ = "the name " + host;
  connect_alarm_.set(loop_.now() + 2 * kConnectTimeout);
  resolver_.addresses(host, [this, c = connection_](net::Resolved<std::vector<std::string>> found) {
    if (c->given_up) return;
    if (!found) return fail(found.error().text);
    addresses_.assign(found->rbegin(), found->rend());
    try_next();
  });
}

void StreamSocket::try_next() {
  if (addresses_.empty()) {
    const std::string why = last_failure_;
    close();
    return user_.socket_closed(why);
  }
  const std::string ip = std::move(addresses_.back());
  addresses_.pop_back();
  connect_to(ip);
}

void StreamSocket::connect_to(const std::string& ip) {
  connection_->give_up();
  connection_ = std::make_shared<Connection>(loop_);
  asio::error_code failure;
  const auto address = asio::ip::make_address(ip, failure);
  if (failure) return fail(ip + " is no address");
  trying_ = host_port(ip, port_);
  connect_alarm_.set(loop_.now() + kConnectTimeout);
  connection_->socket.async_connect({address, port_},
                                    [this, c = connection_](const asio::error_code& result) {
                                      if (c->given_up) return;
                                      if (result) return fail(trying_ + ": " + result.message());
                                      established();
                                    });
}

void StreamSocket::established() {
  connect_alarm_.set(kNever);
  set_options(connection_->socket);
  is_up_ = true;
  wait_readable();
  user_.socket_connected();
}

// While connecting: on to the next address.
void StreamSocket::fail(std::string why) {
  if (!is_up_) {
    last_failure_ = std::move(why);
    return try_next();
  }
  is_up_ = false;  // nothing can be sent any more
  close();
  user_.socket_closed(why);
}

void StreamSocket::close() {
  if (is_up_) write();
  is_up_ = false;
  if (connection_) connection_->give_up();
  connection_.reset();
  for (net::Alarm* alarm : {&connect_alarm_, &read_alarm_, &write_alarm_}) alarm->set(kNever);
  addresses_.clear();
  out_.clear();
  sent_ = 0;
  waits_for_room_ = false;
}

void StreamSocket::wait_readable() {
  connection_->socket.async_wait(tcp::socket::wait_read,
                                 [this, c = connection_](const asio::error_code& failure) {
                                   if (c->given_up) return;
                                   if (failure) return fail(failure.message());
                                   if (loop_.now() >= last_read_ + pace_) return read();
                                   read_alarm_.set(last_read_ + pace_);
                                 });
}

void StreamSocket::read() {
  last_read_ = loop_.now();
  const Shared c = connection_;
  for (std::size_t total = 0; total < kReadPerWakeup;) {
    asio::error_code failure;
    const std::size_t size = c->socket.read_some(asio::buffer(buffer_), failure);
    if (would_block(failure)) break;
    if (failure == asio::error::eof) return fail("the server closed the connection");
    if (failure) return fail(failure.message());
    total += size;
    user_.socket_received({buffer_.data(), size});
    if (c->given_up) return;
    if (size < buffer_.size()) break;
  }
  wait_readable();
}

void StreamSocket::write_soon() { end_of_turn_.ask(); }

void StreamSocket::end_of_turn() {
  if (!is_up_) return;
  if (loop_.now() >= last_write_ + pace_) return write();
  write_alarm_.set(last_write_ + pace_);
}

void StreamSocket::write() {
  if (!is_up_) return;
  last_write_ = loop_.now();
  if (unsent() == 0) {
    if (out_.capacity() > kKeepBuffer) out_ = {};
    out_.clear();
    sent_ = 0;
  }
  user_.fill_output(out_);
  if (!waits_for_room_) flush();
}

void StreamSocket::flush() {
  while (unsent() > 0) {
    asio::error_code failure;
    sent_ += connection_->socket.write_some(asio::buffer(out_.data() + sent_, unsent()), failure);
    if (!failure) continue;
    // Any other failure is reported by the wait for reading, behind what the peer has still said.
    if (!would_block(failure)) return;
    if (sent_ > kKeepBuffer) {
      out_.erase(0, sent_);
      sent_ = 0;
    }
    waits_for_room_ = true;
    return connection_->socket.async_wait(tcp::socket::wait_write,
                                          [this, c = connection_](const asio::error_code&) {
                                            if (c->given_up) return;
                                            waits_for_room_ = false;
                                            flush();
                                          });
  }
}

}  // namespace stox::xmpp
