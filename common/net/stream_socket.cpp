#include "common/net/stream_socket.h"

#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace stox::net {
namespace {

using asio::ip::tcp;
using Executor = asio::io_context::executor_type;  // known when it is compiled, so nothing is looked up
using Socket = asio::basic_stream_socket<tcp, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;
using End = StreamSocketUser::End;

constexpr std::size_t kKeepQueue = 4096, kKeepMost = 65'536;  // memory of a queue that is empty
constexpr std::size_t kMoveQueue = 1'048'576;  // so much that was sent is not kept before what was not
constexpr Duration kProbes = std::chrono::seconds(10);  // each, of an idle connection
constexpr Duration kLinger = std::chrono::seconds(2);
constexpr std::size_t kLingerBytes = 524'288;

void set(int descriptor, int level, int name, int value) {
  setsockopt(descriptor, level, name, &value, sizeof value);  // they only make it better
}

void set_options(int descriptor, const StreamSocket::Options& options) {
  set(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  set(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(to_ms(options.unacknowledged)));
  if (options.keepalive > Duration::zero()) {
    set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(to_ms(options.keepalive) / 1000));
    set(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(to_ms(kProbes) / 1000));
  }
  const linger at_once{1, 0};
  if (options.resets) setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void close(Socket& socket) {
  asio::error_code ignored;
  socket.close(ignored);
}

// A connection that is closed while something of the peer is unread is reset, and what we said last lost: so
// it is read and dropped until the peer closes, too.
template <class Shared>
void read_and_drop(const Shared& s, const std::shared_ptr<Timer>& end, std::size_t dropped) {
  s->socket.async_wait(Socket::wait_read, [s, end, dropped](const asio::error_code& failure) {
    std::array<char, 16'384> unread;
    const auto count =
        failure ? 0 : ::recv(s->socket.native_handle(), unread.data(), unread.size(), MSG_DONTWAIT);
    const bool has_ended = count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
    const std::size_t all = dropped + static_cast<std::size_t>(std::max<ssize_t>(count, 0));
    if (has_ended || all > kLingerBytes) return void(end->cancel());
    read_and_drop(s, end, all);
  });
}

}  // namespace

struct StreamSocket::State {
  State(Loop& loop, StreamSocketUser& of) : socket(loop.io()), user(&of) {}

  int fd() { return socket.native_handle(); }

  Socket socket;
  StreamSocketUser* user;  // null: given up
  std::string out;         // as it goes onto the wire
  std::size_t sent = 0;    // of out
  std::string held;        // to be encrypted once the handshake is done
  std::optional<TlsSession> tls;
  bool connecting = false, securing = false, blocked = false, ending = false;
};

StreamSocket::StreamSocket(std::shared_ptr<State> state) : s_(std::move(state)) {}

StreamSocket::StreamSocket(Loop& loop, int descriptor, StreamSocketUser& user, const Options& options)
    : s_(std::make_shared<State>(loop, user)) {
  asio::error_code failure;
  s_->socket.assign(tcp::v6(), descriptor, failure);  // of either family: it makes no difference any more
  if (failure) ::close(descriptor);                   // the first read tells
  set_options(descriptor, options);
}

Result<StreamSocket> StreamSocket::connect(Loop& loop, const sockaddr& to, socklen_t size,
                                           StreamSocketUser& user, const Options& options) {
  StreamSocket made(std::make_shared<State>(loop, user));
  State& s = *made.s_;
  asio::error_code failure;
  tcp::endpoint peer;
  peer.resize(size);
  std::memcpy(peer.data(), &to, size);
  s.socket.open(peer.protocol(), failure);
  if (failure) return error(failure.message());
  set_options(s.fd(), options);
  s.connecting = true;
  s.socket.async_connect(peer, [s = made.s_](const asio::error_code& result) {
    if (s->user == nullptr) return;
    if (result) return s->user->ended(End::kFailed, result.message());
    s->connecting = false;
    if (s->tls) (void)s->tls->start(s->out);  // cannot fail but for memory
    s->user->connected();
  });
  return made;
}

StreamSocket& StreamSocket::operator=(StreamSocket&& other) noexcept {
  if (this == &other) return *this;
  drop();
  s_ = std::move(other.s_);
  return *this;
}

void StreamSocket::drop() {
  const auto s = std::exchange(s_, nullptr);
  if (!s) return;
  s->user = nullptr;
  close(s->socket);
}

void StreamSocket::leave() {
  const auto s = std::exchange(s_, nullptr);
  s->user = nullptr;
  s->tls.reset();
  std::string().swap(s->out);
  set(s->fd(), SOL_SOCKET, SO_RCVLOWAT, 1);
  const linger off{};
  setsockopt(s->fd(), SOL_SOCKET, SO_LINGER, &off, sizeof off);
  ::shutdown(s->fd(), SHUT_WR);
  const auto end = std::make_shared<Timer>(s->socket.get_executor(), kLinger);
  end->async_wait([s](const asio::error_code&) { close(s->socket); });
  read_and_drop(s, end, 0);
}

int StreamSocket::descriptor() const { return s_->fd(); }
bool StreamSocket::is_connecting() const { return s_->connecting; }
bool StreamSocket::is_securing() const { return s_->securing; }
bool StreamSocket::is_blocked() const { return s_->blocked; }
const TlsSession* StreamSocket::tls() const { return s_->tls ? &*s_->tls : nullptr; }
std::size_t StreamSocket::unsent() const { return s_ ? s_->out.size() - s_->sent : 0; }
std::size_t StreamSocket::kept() const { return s_->out.capacity() + s_->held.capacity(); }

void StreamSocket::start_tls(const TlsContext& context, TlsOptions options, std::string_view begun) {
  const auto s = s_;
  s->tls.emplace(context, std::move(options));
  s->securing = true;
  if (s->connecting) return;
  (void)s->tls->start(s->out);  // cannot fail but for memory
  flush();
  std::string plain;
  if (!begun.empty()) decrypt(begun, plain);
}

void StreamSocket::wait_readable() {
  s_->socket.async_wait(Socket::wait_read, [s = s_](const asio::error_code&) {
    if (s->user != nullptr) s->user->readable();  // after a failure, too: read() says what it is
  });
}

void StreamSocket::wake_from(int bytes) { set(s_->fd(), SOL_SOCKET, SO_RCVLOWAT, bytes); }

StreamSocket::Read StreamSocket::read(std::span<char> buffer, std::string& plain) {
  const auto s = s_;
  const auto count = ::recv(s->fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return Read::kNothing;
  if (count <= 0) {
    s->user->ended(count == 0 ? End::kCut : End::kFailed,
                   count == 0 ? "closed by the peer" : std::strerror(errno));
    return Read::kGone;
  }
  const auto size = static_cast<std::size_t>(count);
  if (s->tls) {
    if (!decrypt({buffer.data(), size}, plain)) return Read::kGone;
  } else {
    s->user->received(buffer.first(size));
  }
  if (s->user == nullptr) return Read::kGone;
  return size == buffer.size() ? Read::kFull : Read::kSome;
}

// False: the connection has ended or was given up, and this may have gone.
bool StreamSocket::decrypt(std::string_view wire, std::string& plain) {
  const auto s = s_;
  plain.clear();
  auto result = s->tls->received(wire, plain, s->out);
  if (result && s->securing && s->tls->is_established()) {
    s->securing = false;
    const auto secured = s->user->secured(*s->tls);
    if (s->user == nullptr) return false;
    if (!secured) {
      s->securing = true;
      result = secured;
    } else if (!s->held.empty()) {
      s->tls->send(s->held, s->out);
    }
    std::string().swap(s->held);
  }
  flush();
  if (!s->securing) s->user->received(plain);
  if (s->user == nullptr) return false;
  if (result && !s->tls->is_closed_by_peer()) return true;
  s->user->ended(result ? End::kFinished : End::kTls, result ? "closed by the peer" : result.error().text);
  return false;
}

void StreamSocket::send(std::string_view bytes) {
  if (!s_->tls) {
    s_->out.append(bytes);
  } else if (s_->securing) {
    s_->held.append(bytes);
  } else {
    s_->tls->send(bytes, s_->out);
  }
}

int StreamSocket::flush() {
  State& s = *s_;
  if (s.connecting || s.blocked) return 0;
  while (s.sent < s.out.size()) {
    const auto count = ::send(s.fd(), s.out.data() + s.sent, unsent(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno != EAGAIN) return errno;
    if (count < 0) break;
    s.sent += static_cast<std::size_t>(count);
  }
  if (unsent() > 0) {
    if (s.sent > kMoveQueue) s.out.erase(0, std::exchange(s.sent, 0));
    s.blocked = true;
    s.socket.async_wait(Socket::wait_write, [keep = s_](const asio::error_code&) {
      keep->blocked = false;
      if (keep->user != nullptr) keep->user->writable();
    });
    return 0;
  }
  // Who writes much again and again keeps his memory, as far as many may.
  if (s.out.capacity() > std::clamp(4 * s.sent, kKeepQueue, kKeepMost)) std::string().swap(s.out);
  s.out.clear();
  s.sent = 0;
  if (s.ending) ::shutdown(s.fd(), SHUT_WR);
  return 0;
}

void StreamSocket::end() {
  s_->ending = true;
  if (s_->tls) s_->tls->close(s_->out);
}

}  // namespace stox::net
