#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "sip_front/sip/message/socket_address.h"
#include "sip_front/sip/policy/tls_identity.h"
#include "sip_front/sip/transport/tcp_connection.h"

namespace stox::sip {
namespace {

constexpr std::size_t kMaxUnwritten = 256 * 1024;  // over it we read no more from this peer

// RFC 8446 5.1: a handshake record, which no SIP message begins like.
bool is_tls_hello(std::span<const char> bytes) {
  return bytes.size() >= 3 && bytes[0] == 0x16 && bytes[1] == 0x03 && bytes[2] <= 0x04;
}

std::string local_name(asio::ip::tcp::socket& socket) {
  SocketAddress local;
  socklen_t size = sizeof local;
  if (getsockname(socket.native_handle(), &local.any, &size) != 0) return "tcp:";
  return "tcp:" + local.endpoint().str();
}

}  // namespace

void TcpTransport::wait_to_read(Connection& c) {
  c.socket.async_wait(asio::ip::tcp::socket::wait_read, [this, id = c.id](const asio::error_code& failure) {
    if (failure) return;
    if (Connection* const it = find(id)) read(*it);
  });
}

TcpTransport::Came TcpTransport::read() {
  std::vector<uint32_t> ids;
  ids.swap(resting_);
  for (const uint32_t id : ids) {
    if (Connection* const c = find(id)) read(*c);
  }
  return resting_.empty() ? Came::kNothing : Came::kAll;
}

void TcpTransport::wait() {
  rests_ = !resting_.empty();
  if (rests_) loop_.pace().rest(*this, options_.pace, options_.pace);
}

void TcpTransport::read(Connection& c) {
  const auto count = recv(c.socket.native_handle(), buffer_.get(), kReadAtOnce, MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return wait_to_read(c);
  if (count <= 0) {
    const std::string why = count < 0 ? std::strerror(errno) : "closed by the peer";
    const bool probe = !c.outbound() && c.heard == Time();  // only looked whether somebody listens
    return c.securing && !probe ? tls_failed(c, why + " during the TLS handshake")
                                : close(c.id, count < 0 ? why : "");
  }
  const bool is_first = c.heard == Time();
  c.active = c.heard = loop_.now();
  const std::span<char> came(buffer_.get(), static_cast<std::size_t>(count));
  if (is_first && !c.tls && !c.outbound() && is_tls_hello(came)) {
    return tls_failed(c, "it speaks TLS to " + local_name(c.socket) +
                             ", where TCP alone is spoken; let it use TCP, or a tls: address of `listen`");
  }
  if (c.tls ? !decrypt(c, {came.data(), came.size()}) : !take_bytes(c, came)) return;
  if (c.out.size() - c.written > (kept_ > options_.max_kept / 2 ? 0 : kMaxUnwritten)) {
    c.unread = true;
    return;
  }
  if (!std::exchange(rests_, true)) loop_.pace().rest(*this, options_.pace, options_.pace);
  resting_.push_back(c.id);
}

// False: that was the end of the connection.
bool TcpTransport::decrypt(Connection& c, std::string_view wire) {
  plain_.clear();
  const std::size_t unwritten = c.out.size();
  auto result = c.tls->received(wire, plain_, c.out);
  if (result && c.securing && c.tls->is_established()) {
    if (auto why = established(c)) result = error(std::move(*why));
  }
  if (c.out.size() > unwritten) queue(c, {});
  const uint32_t id = c.id;
  const bool open = c.securing || plain_.empty() || take_bytes(c, plain_);
  if (plain_.capacity() > kReadAtOnce) std::string().swap(plain_);
  if (!open || find(id) == nullptr) return false;
  if (!result) {
    tls_failed(c, result.error().text);
    return false;
  }
  if (c.tls->is_closed_by_peer()) {
    close(id);
    return false;
  }
  return true;
}

// The handshake is done. Returns why there will be no connection all the same.
std::optional<std::string> TcpTransport::established(Connection& c) {
  if (c.outbound()) {
    if (auto why = why_not(c.tls->peer(), c.domain, options_.allow_wildcard)) return why;
  }
  c.securing = false;
  if (!c.outbound()) look_at_trust(c);
  if (!c.held.empty()) c.tls->send(c.held, c.out);
  std::string().swap(c.held);
  made(c);
  return std::nullopt;
}

void TcpTransport::tls_failed(Connection& c, std::string why) {
  const Endpoint peer = c.peer;
  const bool ours = c.outbound();
  write_last(c);
  ++figures_.tls_failures;
  close(c.id, why);
  user_.tls_failed(peer, ours, why);
}

// False: that was the end of the connection.
bool TcpTransport::take_bytes(Connection& c, std::span<char> bytes) {
  if (!c.finishing) {
    if (!c.in.empty()) {
      c.in.append(bytes.data(), bytes.size());
      bytes = c.in;
    }
    const bool was_inside = c.framing.inside();
    std::size_t consumed = 0;
    const bool more = take(c, bytes, consumed);
    if (c.framing.inside() && (!was_inside || consumed > 0)) c.began = loop_.now();
    if (!more) {
      finish(c);
      c.in.clear();
    } else if (bytes.data() == c.in.data()) {
      c.in.erase(0, consumed);
    } else {
      c.in.assign(bytes.data() + consumed, bytes.size() - consumed);
    }
    if (c.in.empty() && c.in.capacity() > kMaxHead) std::string().swap(c.in);
    count_kept(c);
  }
  if (c.in.empty() || kept_ <= options_.max_kept) return true;
  ++figures_.connections_crowded_out;
  close(c.id, "too much is kept of messages that have not come whole");
  return false;
}

void TcpTransport::count_kept(Connection& c) {
  const std::size_t now = c.in.capacity() + c.out.capacity() + c.held.capacity() + c.late_size;
  kept_ += now - std::exchange(c.kept, now);
}

// An answer to a ping of ours is one CRLF; what more of these comes is for the framing.
bool TcpTransport::take_pong(Connection& c, std::span<char> bytes) {
  if (c.pinged == kNever || c.framing.inside() ||
      !std::string_view(bytes.data(), bytes.size()).starts_with("\r\n"))
    return false;
  c.pinged = kNever;
  c.answers_pings = true;
  return true;
}

// Takes all whole messages off `bytes`. False: what follows cannot be read.
bool TcpTransport::take(Connection& c, std::span<char> bytes, std::size_t& consumed) {
  const Flow flow{c.tls ? Transport::kTls : Transport::kTcp, c.listener, c.id, c.peer, {}, c.certified};
  while (true) {
    if (take_pong(c, bytes.subspan(consumed))) consumed += 2;
    const Framing::Cut cut = c.framing.next(bytes.subspan(consumed), message_);
    consumed += cut.consumed;
    switch (cut.kind) {
      case Framing::Kind::kMore:
        return true;
      case Framing::Kind::kPing:
        queue(c, "\r\n");
        break;
      case Framing::Kind::kMessage:
      case Framing::Kind::kBroken:
        if (cut.parsed) {
          user_.received(message_, flow);
        } else {
          user_.faulty(message_, cut.parsed.error(), flow);
        }
        if (cut.kind == Framing::Kind::kBroken || c.finishing) return false;
        break;
    }
  }
}

void TcpTransport::send(const Flow& flow, std::string_view bytes) {
  Connection* const c = find(flow.connection);
  if (c != nullptr && !c->finishing) return queue(*c, bytes);
  const Result<Hop> hop = way_back(flow, bytes);
  if (hop) {
    send_late({std::string(bytes), {*hop}, flow});
  } else {
    ++figures_.send_failures;
  }
}

void TcpTransport::send_late(Late late) {
  while (!late.hops.empty()) {
    const auto id = connection_to(late.hops.front());
    late.hops.erase(late.hops.begin());
    if (!id) continue;
    Connection& c = *find(*id);
    queue(c, late.bytes);
    if (c.connecting || c.securing) {
      c.late_size += late.bytes.size();
      c.late.push_back(std::move(late));
      count_kept(c);
    }
    return;
  }
  if (late.asked) return user_.no_way_back(*late.asked, late.bytes);
  ++figures_.send_failures;
}

void TcpTransport::made(Connection& c) {
  std::vector<Late>().swap(c.late);
  c.late_size = 0;
  count_kept(c);
}

Result<Hop> TcpTransport::way_back(const Flow& flow, std::string_view response) const {
  if (flow.transport == Transport::kTcp) return Hop{Transport::kTcp, flow.peer};
  const SentBy client = sent_by_of(response);
  if (client.host.empty()) return error("no connection");
  return Hop{Transport::kTls, flow.peer, client.host};
}

void TcpTransport::queue(Connection& c, std::string_view bytes) {
  if (!c.tls) {
    c.out += bytes;
  } else if (c.securing) {
    c.held += bytes;
  } else {
    c.tls->send(bytes, c.out);
  }
  count_kept(c);
  if (c.queued || c.blocked || c.connecting) return;
  c.queued = true;
  if (to_write_.empty()) dirty_();
  to_write_.push_back(c.id);
}

void TcpTransport::flush() {
  std::vector<uint32_t> ids;
  ids.swap(to_write_);
  for (const uint32_t id : ids) {
    Connection* const c = find(id);
    if (c == nullptr) continue;
    c->queued = false;
    write(*c);
  }
}

void TcpTransport::write(Connection& c) {
  while (c.written < c.out.size()) {
    const auto count = ::send(c.socket.native_handle(), c.out.data() + c.written, c.out.size() - c.written,
                              MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {
      c.blocked = true;
      c.socket.async_wait(asio::ip::tcp::socket::wait_write,
                          [this, id = c.id](const asio::error_code& failure) {
                            Connection* const it = failure ? nullptr : find(id);
                            if (it == nullptr) return;
                            it->blocked = false;
                            write(*it);
                          });
      return;
    }
    if (count < 0) return close(c.id, std::strerror(errno));
    c.written += static_cast<std::size_t>(count);
    c.active = loop_.now();
  }
  c.written = 0;
  c.out.clear();
  if (c.out.capacity() > kReadAtOnce) std::string().swap(c.out);
  count_kept(c);
  if (c.finishing) {
    asio::error_code ignored;
    c.socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  }
  if (std::exchange(c.unread, false)) read(c);
}

// What the system takes at once, before a close.
void TcpTransport::write_last(Connection& c) {
  if (c.connecting || c.written >= c.out.size()) return;
  const auto done = ::send(c.socket.native_handle(), c.out.data() + c.written, c.out.size() - c.written,
                           MSG_DONTWAIT | MSG_NOSIGNAL);
  static_cast<void>(done);  // best effort
}

}  // namespace stox::sip
