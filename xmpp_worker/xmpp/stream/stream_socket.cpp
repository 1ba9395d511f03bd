#include "xmpp_worker/xmpp/stream/stream_socket.h"

#include <netinet/tcp.h>

#include <array>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>

#include "common/base/sip_uri.h"

namespace stox::xmpp {
namespace {

using asio::ip::tcp;

constexpr Duration kConnectTimeout = std::chrono::seconds(5);  // of one address
constexpr int kUserTimeoutMs = 30'000;                         // sent and not acknowledged by the other host
constexpr std::size_t kReadAtOnce = 65'536, kReadPerWakeup = 524'288;
constexpr std::size_t kKeepBuffer = 1'048'576;
constexpr Duration kLinger = std::chrono::seconds(2);
constexpr int kRestingBytes = 65'536;  // more than these wake us all the same
constexpr int kKeepaliveIdleS = 60, kKeepaliveEachS = 10;

void set_options(tcp::socket& socket) {
  asio::error_code ignored;  // they only make it better
  socket.non_blocking(true, ignored);
  // What is still in the kernel when this process is killed is in doubt, or will be sent again: it must not
  // come to the peer behind what the next process sends on another connection.
  socket.set_option(tcp::socket::linger(true, 0), ignored);
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(tcp::socket::keep_alive(true), ignored);
  socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>(kUserTimeoutMs),
                    ignored);
  socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>(kKeepaliveIdleS),
                    ignored);
  socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>(kKeepaliveEachS),
                    ignored);
}

bool would_block(const asio::error_code& failure) {
  return failure == asio::error::would_block || failure == asio::error::try_again;
}

}  // namespace

struct StreamSocket::Connection {
  explicit Connection(net::Loop& loop) : socket(loop.io()), end(loop.io()) {}
  tcp::socket socket;
  asio::steady_timer end;  // of lingering
  bool given_up = false;

  void give_up() {
    given_up = true;
    asio::error_code ignored;
    socket.close(ignored);
  }

  // So many bytes must have come before they wake us.
  void wake_from(int bytes) {
    asio::error_code ignored;
    socket.set_option(asio::socket_base::receive_low_watermark(bytes), ignored);
  }

  // A connection that is closed while something of the peer is unread is reset, and what we said last lost:
  // so it is read and dropped until the peer closes, too.
  static void linger(const Shared& c) {
    c->given_up = true;
    asio::error_code ignored;
    c->wake_from(1);
    c->socket.set_option(tcp::socket::linger(false, 0), ignored);
    c->socket.shutdown(tcp::socket::shutdown_send, ignored);
    c->end.expires_after(kLinger);
    c->end.async_wait([c](const asio::error_code&) { c->give_up(); });
    drop(c, 0);
  }
  static void drop(const Shared& c, std::size_t dropped) {
    c->socket.async_wait(tcp::socket::wait_read, [c, dropped](const asio::error_code& failure) {
      std::array<char, 16'384> unread;
      asio::error_code over = failure;
      const std::size_t size = failure ? 0 : c->socket.read_some(asio::buffer(unread), over);
      if ((over && !would_block(over)) || dropped + size > kReadPerWakeup) return void(c->end.cancel());
      drop(c, dropped + size);
    });
  }
};

StreamSocket::StreamSocket(net::Loop& loop, net::Resolver& resolver, StreamSocketUser& user, Duration pace,
                           uint16_t own_port)
    : loop_(loop),
      resolver_(resolver),
      user_(user),
      pace_(pace),
      own_port_(own_port),
      connect_alarm_(loop, [this] { fail(trying_ + ": no answer"); }),
      write_alarm_(loop, [this] { write(); }),
      end_of_turn_(loop, [this] { end_of_turn(); }) {}

StreamSocket::~StreamSocket() {
  if (resting_) loop_.pace().forget(*this);
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
  const tcp::endpoint peer(address, port_);
  tcp::socket& socket = connection_->socket;
  socket.open(peer.protocol(), failure);
  if (own_port_ != 0) {
    socket.set_option(tcp::socket::reuse_address(true), failure);
    socket.bind({peer.protocol(), own_port_}, failure);  // else from any
  }
  socket.async_connect(peer, [this, ip, c = connection_](const asio::error_code& result) {
    if (c->given_up) return;
    const bool is_taken = result.value() == EADDRINUSE || result.value() == EADDRNOTAVAIL;
    if (is_taken && std::exchange(own_port_, 0) != 0) return connect_to(ip);
    if (result) return fail(trying_ + ": " + result.message());
    established();
  });
}

void StreamSocket::adopt(int descriptor, std::string peer) {
  close();
  trying_ = std::move(peer);
  connection_ = std::make_shared<Connection>(loop_);
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  asio::error_code failure;
  connection_->socket.assign(address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), descriptor, failure);
  if (failure) ::close(descriptor);  // the first read tells
  set_options(connection_->socket);
  is_up_ = true;
  wait_readable();
}

void StreamSocket::start_tls(const net::TlsContext& context, net::TlsOptions options,
                             std::string_view begun) {
  if (!is_up_) return;
  user_.fill_output(out_);
  tls_.emplace(context, std::move(options));
  in_handshake_ = true;
  if (auto started = tls_->start(out_); !started) return;  // a first flight cannot fail but for memory
  if (!waits_for_room_) flush();
  if (!begun.empty()) take(begun);
}

void StreamSocket::established() {
  connect_alarm_.set(kNever);
  set_options(connection_->socket);
  asio::error_code ignored;
  own_port_ = connection_->socket.local_endpoint(ignored).port();
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
  if (is_up_) {
    write();
    if (tls_) tls_->close(out_);
    if (!waits_for_room_) flush();
    Connection::linger(connection_);
  } else if (connection_) {
    connection_->give_up();
  }
  forget();
}

void StreamSocket::abort() {
  if (!connection_) return;
  connection_->give_up();  // a reset
  forget();
}

void StreamSocket::forget() {
  is_up_ = false;
  connection_.reset();
  tls_.reset();
  in_handshake_ = false;
  for (net::Alarm* alarm : {&connect_alarm_, &write_alarm_}) alarm->set(kNever);
  if (std::exchange(resting_, false)) loop_.pace().forget(*this);
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
                                   readable();
                                 });
}

void StreamSocket::readable() {
  const Time now = loop_.now();
  if (now < last_read_ + pace_) return rest(last_read_ + pace_ - now);
  const Shared c = connection_;
  read();
  if (!c->given_up) wait_readable();
}

void StreamSocket::rest(Duration first) {
  connection_->wake_from(kRestingBytes);
  resting_ = true;
  loop_.pace().rest(*this, first, pace_);
}

void StreamSocket::wait() {
  resting_ = false;
  connection_->wake_from(1);
  wait_readable();
}

// May give the connection up.
StreamSocket::Came StreamSocket::read() {
  last_read_ = loop_.now();
  const Shared c = connection_;
  std::array<char, kReadAtOnce> buffer;
  std::size_t total = 0;
  while (total < kReadPerWakeup) {
    asio::error_code failure;
    const std::size_t size = c->socket.read_some(asio::buffer(buffer), failure);
    if (would_block(failure)) break;
    if (failure) {
      fail(failure == asio::error::eof ? "the server closed the connection" : failure.message());
      break;
    }
    total += size;
    if (!take({buffer.data(), size}) || c->given_up || size < buffer.size()) break;
  }
  return total > 0 ? Came::kAll : Came::kNothing;
}

// False: the connection has failed.
bool StreamSocket::take(std::string_view bytes) {
  if (!tls_) {
    user_.socket_received(bytes);
    return true;
  }
  const Shared c = connection_;
  std::string plain;
  const auto read = tls_->received(bytes, plain, out_);
  if (!waits_for_room_) flush();
  if (in_handshake_ && tls_->is_established()) {
    in_handshake_ = false;
    user_.tls_established(*tls_);
    if (c->given_up) return true;
    write_soon();
  }
  if (tls_->is_established()) user_.socket_received(plain);
  if (c->given_up) return true;
  if (read && !tls_->is_closed_by_peer()) return true;
  fail(read ? "the server closed the connection" : read.error().text);
  return false;
}

void StreamSocket::write_soon() { end_of_turn_.ask(); }

void StreamSocket::end_of_turn() {
  if (!is_up_) return;
  // A wakeup that comes a little early, with others of the process, need not be followed by one of our own.
  if (loop_.now() >= last_write_ + pace_ * 3 / 4) return write();
  write_alarm_.set(last_write_ + pace_);
}

void StreamSocket::write() {
  if (!is_up_ || in_handshake_) return;
  last_write_ = loop_.now();
  if (unsent() == 0) {
    if (out_.capacity() > kKeepBuffer) out_ = {};
    out_.clear();
    sent_ = 0;
  }
  if (tls_) {
    std::string plain;
    user_.fill_output(plain);
    tls_->send(plain, out_);
  } else {
    user_.fill_output(out_);
  }
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
