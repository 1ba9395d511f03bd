#include <sys/socket.h>

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

std::string local_name(const net::StreamSocket& socket) {
  SocketAddress local;
  socklen_t size = sizeof local;
  if (getsockname(socket.descriptor(), &local.any, &size) != 0) return "tcp:";
  return "tcp:" + local.endpoint().str();
}

}  // namespace

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
  if (rests_) loop_.pace().rest(*this, loop_.pace().time());
}

void TcpTransport::read(Connection& c) {
  using Read = net::StreamSocket::Read;
  const Read came = c.socket.read({buffer_.get(), kReadAtOnce}, plain_);
  if (came == Read::kGone) return;
  if (came == Read::kNothing) return c.socket.wait_readable();
  c.active = c.heard = loop_.now();
  count_kept(c);
  const bool will_be_written = c.socket.is_blocked() || c.queued;  // else the next read says why not
  if (will_be_written && c.socket.unsent() > (kept_ > options_.max_kept / 2 ? 0 : kMaxUnwritten)) {
    c.unread = true;
    return;
  }
  if (!std::exchange(rests_, true)) loop_.pace().rest(*this, loop_.pace().time());
  resting_.push_back(c.id);
}

void TcpTransport::ended(Connection& c, Connection::End how, const std::string& why) {
  using End = Connection::End;
  const bool probe = !c.outbound() && c.heard == Time();  // only looked whether somebody listens
  if (how == End::kTls) return tls_failed(c, why);
  if (c.socket.is_connecting() || !c.socket.is_securing() || how == End::kFinished || probe)
    return close(c.id, how == End::kFailed ? why : "");
  tls_failed(c, why + " during the TLS handshake");
}

Result<void> TcpTransport::secured(Connection& c, const net::PeerCertificate& peer) {
  if (c.outbound()) {
    if (auto why = why_not(peer, c.domain, options_.allow_wildcard)) return error(std::move(*why));
  } else {
    look_at_trust(c);
  }
  made(c);
  return {};
}

void TcpTransport::tls_failed(Connection& c, const std::string& why) {
  const Endpoint peer = c.peer;
  const bool ours = c.outbound();
  ++figures_.tls_failures;
  close(c.id, why);
  user_.tls_failed(peer, ours, why);
}

// May close the connection.
void TcpTransport::take_bytes(Connection& c, std::span<char> bytes) {
  if (bytes.empty()) return;
  if (c.heard == Time() && !c.is_tls() && !c.outbound() && is_tls_hello(bytes)) {
    return tls_failed(c, "it speaks TLS to " + local_name(c.socket) +
                             ", where TCP alone is spoken; let it use TCP, or a tls: address of `listen`");
  }
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
  if (c.in.empty() || kept_ <= options_.max_kept) return;
  ++figures_.connections_crowded_out;
  close(c.id, "too much is kept of messages that have not come whole");
}

void TcpTransport::count_kept(Connection& c) {
  const std::size_t now = c.in.capacity() + c.late_size + c.socket.kept();
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
  const Flow flow{c.is_tls() ? Transport::kTls : Transport::kTcp, c.listener, c.id, c.peer, {}, c.certified};
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
    if (!c.is_made()) {
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
  c.socket.send(bytes);
  count_kept(c);
  if (c.queued || c.socket.is_blocked() || c.socket.is_connecting()) return;
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
  const std::size_t before = c.socket.unsent();
  const int failure = c.socket.flush();
  if (failure != 0) return close(c.id, std::strerror(failure));
  if (c.socket.unsent() < before) c.active = loop_.now();
  count_kept(c);
  if (c.socket.unsent() == 0 && std::exchange(c.unread, false)) read(c);
}

}  // namespace stox::sip
