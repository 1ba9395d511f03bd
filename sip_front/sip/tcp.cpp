#include "sip_front/sip/tcp.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <asio/ip/v6_only.hpp>
#include <cerrno>
#include <cstring>

#include "sip_front/sip/socket_address.h"
#include "sip_front/sip/tls_identity.h"

namespace stox::sip {
namespace {

constexpr std::size_t kReadAtOnce = 64 * 1024;
constexpr std::size_t kMaxUnwritten = 256 * 1024;  // over it we read no more from this peer
constexpr Duration kSweep = std::chrono::seconds(1);
constexpr Duration kUnacknowledged = std::chrono::seconds(10);  // longer than the sweep leaves a stuck peer
constexpr Duration kLinger = std::chrono::seconds(2);           // for the peer to read our last words

asio::ip::tcp protocol_of(const Endpoint& endpoint) {
  return endpoint.v6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4();
}

// What a connection that we open is known by.
std::string name(const Endpoint& peer, std::string_view domain) {
  return domain.empty() ? peer.str() : peer.str().append(" ").append(domain);
}

std::string ip_of(const Endpoint& endpoint) {
  std::string out;
  endpoint.append_ip(out);
  return out;
}

}  // namespace

struct TcpTransport::Listener {
  Listener(asio::io_context& io, bool with_tls) : acceptor(io), tls(with_tls) {}
  asio::ip::tcp::acceptor acceptor;
  bool tls;
  bool paused = false;
};

struct TcpTransport::Connection {
  Connection(asio::ip::tcp::socket s, std::size_t max_message) : socket(std::move(s)), framing(max_message) {}

  asio::ip::tcp::socket socket;
  uint32_t id = 0;
  Endpoint peer;
  bool outbound = false;
  bool stranger = false;   // not trusted
  bool certified = false;  // by its certificate
  bool connecting = false;
  bool securing = false;   // TLS handshake
  bool heard = false;      // a byte has come
  bool finishing = false;  // nothing more is taken; closed when all is written and the peer has closed
  bool queued = false;     // in to_write_
  bool blocked = false;    // waits until the socket can be written
  bool unread = false;     // not read from, because the peer does not read from us
  Framing framing;
  std::unique_ptr<net::TlsSession> tls;
  std::string domain;       // TLS that we opened: whom the peer must prove to be
  std::string in;           // what came of a message that is not whole
  std::string held;         // TLS: to be encrypted once the handshake is done
  std::string out;          // as it goes onto the wire
  std::size_t written = 0;  // of out
  Time active{};            // last byte in or out
  Time began{};             // the message in `in`, or the connection attempt, or finishing
};

TcpTransport::TcpTransport(net::Loop& loop, net::TlsContext tls, const TransportOptions& options,
                           TransportUser& user, std::function<void()> dirty)
    : loop_(loop),
      tls_(std::move(tls)),
      options_(options),
      user_(user),
      dirty_(std::move(dirty)),
      sweep_(loop, [this] { sweep(); }),
      buffer_(std::make_unique_for_overwrite<char[]>(kReadAtOnce)) {}

TcpTransport::~TcpTransport() { loop_.pace().forget(*this); }

Result<Endpoint> TcpTransport::listen(const Endpoint& endpoint, bool tls) {
  auto listener = std::make_unique<Listener>(loop_.io(), tls);
  asio::ip::tcp::acceptor& acceptor = listener->acceptor;
  const SocketAddress address(endpoint);
  SocketAddress bound;
  socklen_t size = sizeof bound;
  asio::error_code failure;
  acceptor.open(protocol_of(endpoint), failure);
  if (!failure) acceptor.set_option(asio::ip::tcp::acceptor::reuse_address(true), failure);
  if (!failure && endpoint.v6) acceptor.set_option(asio::ip::v6_only(true), failure);
  if (!failure && ::bind(acceptor.native_handle(), &address.any, address.size()) != 0)
    failure = asio::error_code(errno, asio::error::get_system_category());
  if (!failure) acceptor.listen(asio::socket_base::max_listen_connections, failure);
  if (failure)
    return error(describe_listen_failure(tls ? Transport::kTls : Transport::kTcp, ip_of(endpoint),
                                         endpoint.port, failure.value()));
  getsockname(acceptor.native_handle(), &bound.any, &size);
  listeners_.push_back(std::move(listener));
  accept(*listeners_.back());
  return bound.endpoint();
}

void TcpTransport::accept(Listener& listener) {
  listener.acceptor.async_accept(
      [this, &listener](const asio::error_code& failure, asio::ip::tcp::socket socket) {
        if (failure == asio::error::operation_aborted) return;
        if (failure) {  // no descriptors left, most likely: the sweep tries again
          ++figures_.connections_refused;
          listener.paused = true;
          if (sweep_.at() == kNever) sweep_.set(loop_.now() + kSweep);
          return;
        }
        add_accepted(std::move(socket), listener.tls);
        accept(listener);
      });
}

void TcpTransport::add_accepted(asio::ip::tcp::socket socket, bool tls) {
  SocketAddress remote;
  socklen_t size = sizeof remote;
  if (getpeername(socket.native_handle(), &remote.any, &size) != 0) return;  // gone already
  const Endpoint peer = remote.endpoint();
  const bool stranger = !user_.trusts(peer);
  std::size_t& from_there = inbound_of_[ip_of(peer)];
  if (connections_.size() >= options_.max_connections || from_there >= options_.max_connections_per_ip ||
      (stranger && strangers_ >= options_.max_strangers)) {
    ++figures_.connections_refused;
    if (from_there == 0) inbound_of_.erase(ip_of(peer));
    return;
  }
  ++from_there;
  Connection& c = add(std::move(socket), peer, false, tls);
  c.stranger = stranger;
  if (tls) {
    c.securing = true;
    c.tls = std::make_unique<net::TlsSession>(tls_, net::TlsOptions{net::TlsOptions::Role::kServer, {}, {}});
  }
  if (stranger) ++strangers_;
  wait_to_read(c);
}

TcpTransport::Connection& TcpTransport::add(asio::ip::tcp::socket socket, const Endpoint& peer, bool outbound,
                                            bool tls) {
  auto owned = std::make_unique<Connection>(std::move(socket), options_.max_message);
  Connection& c = *owned;
  do {
    c.id = ++last_id_;
  } while (c.id == 0 || connections_.contains(c.id));
  c.peer = peer;
  c.outbound = outbound;
  ++count_of(tls, outbound);
  c.active = c.began = loop_.now();
  asio::error_code ignored;
  c.socket.non_blocking(true, ignored);
  c.socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  // A peer that has gone without a word is noticed when it does not acknowledge what we sent.
  const auto patience = static_cast<unsigned>(to_ms(options_.message_timeout + kUnacknowledged));
  setsockopt(c.socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
  connections_.emplace(c.id, std::move(owned));
  if (sweep_.at() == kNever) sweep_.set(loop_.now() + kSweep);
  return c;
}

TcpTransport::Connection* TcpTransport::find(uint32_t id) {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second.get();
}

Result<uint32_t> TcpTransport::connection_to(const Hop& hop) {
  const Endpoint& peer = hop.peer;
  const bool tls = hop.transport == Transport::kTls;
  const std::string key = name(peer, hop.domain);
  if (const auto known = outbound_.find(key); known != outbound_.end()) return known->second;
  if (connections_.size() >= options_.max_connections)
    return error("no connection to " + key + ": the limit of " + std::to_string(options_.max_connections) +
                 " connections is reached");
  asio::ip::tcp::socket socket(loop_.io());
  asio::error_code failure;
  socket.open(protocol_of(peer), failure);
  if (failure) return error("no connection to " + key + ": " + failure.message());
  Connection& c = add(std::move(socket), peer, true, tls);
  c.connecting = true;
  if (tls) {
    c.securing = true;
    c.domain = hop.domain;
    const std::string sni = Endpoint::parse(hop.domain, 0) ? std::string() : hop.domain;
    c.tls = std::make_unique<net::TlsSession>(tls_, net::TlsOptions{net::TlsOptions::Role::kClient, sni, {}});
  }
  outbound_.emplace(key, c.id);
  const auto address =
      peer.v6 ? asio::ip::address(asio::ip::address_v6(peer.ip, peer.scope))
              : asio::ip::address(asio::ip::address_v4({peer.ip[0], peer.ip[1], peer.ip[2], peer.ip[3]}));
  c.socket.async_connect({address, peer.port},
                         [this, id = c.id](const asio::error_code& why) { connected(id, why); });
  return c.id;
}

void TcpTransport::connected(uint32_t id, const asio::error_code& failure) {
  if (failure == asio::error::operation_aborted) return;
  Connection* const c = find(id);
  if (c == nullptr) return;
  if (failure) return close(id, failure.message());
  c->connecting = false;
  c->active = c->began = loop_.now();
  if (c->tls) {
    if (const auto started = c->tls->start(c->out); !started) return tls_failed(*c, started.error().text);
  }
  write(*c);
  if (find(id) != nullptr) wait_to_read(*c);
}

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
    const bool probe = !c.outbound && !c.heard;  // only looked whether somebody listens
    return c.securing && !probe ? tls_failed(c, why + " during the TLS handshake")
                                : close(c.id, count < 0 ? why : "");
  }
  c.active = loop_.now();
  c.heard = true;
  if (!c.tls) {
    take_bytes(c, {buffer_.get(), static_cast<std::size_t>(count)});
  } else if (!decrypt(c, {buffer_.get(), static_cast<std::size_t>(count)})) {
    return;
  }
  if (c.out.size() - c.written > kMaxUnwritten) {
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
  if (!c.securing && !plain_.empty()) take_bytes(c, plain_);
  if (plain_.capacity() > kReadAtOnce) std::string().swap(plain_);
  if (find(id) == nullptr) return false;
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
  if (c.outbound) {
    if (auto why = why_not(c.tls->peer(), c.domain)) return why;
  } else if (c.tls->peer().valid && user_.trusts_certificate(c.tls->peer().names)) {
    c.certified = true;
    if (std::exchange(c.stranger, false)) --strangers_;
  }
  c.securing = false;
  if (!c.held.empty()) c.tls->send(c.held, c.out);
  std::string().swap(c.held);
  return std::nullopt;
}

void TcpTransport::tls_failed(Connection& c, std::string why) {
  const Endpoint peer = c.peer;
  const bool ours = c.outbound;
  write_last(c);
  ++figures_.tls_failures;
  close(c.id, why);
  user_.tls_failed(peer, ours, why);
}

void TcpTransport::take_bytes(Connection& c, std::span<char> bytes) {
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
  }
}

// Takes all whole messages off `bytes`. False: what follows cannot be read.
bool TcpTransport::take(Connection& c, std::span<char> bytes, std::size_t& consumed) {
  const Flow flow{c.tls ? Transport::kTls : Transport::kTcp, 0, c.id, c.peer, {}, c.certified};
  while (true) {
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
  Connection* c = find(flow.connection);
  if (c == nullptr || c->finishing) {
    const bool tls = flow.transport == Transport::kTls;
    const Result<uint32_t> id = tls ? error("no connection") : connection_to({Transport::kTcp, flow.peer});
    if (!id) {
      ++figures_.send_failures;
      return;
    }
    c = find(*id);
  }
  queue(*c, bytes);
}

void TcpTransport::queue(Connection& c, std::string_view bytes) {
  if (!c.tls) {
    c.out += bytes;
  } else if (c.securing) {
    c.held += bytes;
  } else {
    c.tls->send(bytes, c.out);
  }
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

void TcpTransport::finish(uint32_t id) {
  if (Connection* const c = find(id)) finish(*c);
}

// Lets the peer read what is queued; closing at once could take it away from it.
void TcpTransport::finish(Connection& c) {
  if (std::exchange(c.finishing, true)) return;
  c.began = loop_.now();
  if (c.outbound) outbound_.erase(name(c.peer, c.domain));
  if (c.tls) c.tls->close(c.out);
  queue(c, {});
}

void TcpTransport::close(uint32_t id, std::string_view why) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  const Connection& c = *found->second;
  if (c.outbound && !c.finishing) outbound_.erase(name(c.peer, c.domain));
  --count_of(c.tls != nullptr, c.outbound);
  if (!c.outbound) {
    const auto count = inbound_of_.find(ip_of(c.peer));
    if (count != inbound_of_.end() && --count->second == 0) inbound_of_.erase(count);
  }
  if (c.stranger) --strangers_;
  const bool never_made = c.connecting || c.securing;
  connections_.erase(found);
  user_.connection_lost(id, never_made, why);
}

void TcpTransport::sweep() {
  const Time now = loop_.now();
  std::vector<uint32_t> stuck, slow, done;
  for (const auto& [id, c] : connections_) {
    if (c->finishing) {
      if (now - c->began > kLinger) done.push_back(id);
    } else if (c->connecting || c->securing) {
      if (now - c->began > options_.connect_timeout) slow.push_back(id);
    } else if ((c->framing.inside() && now - c->began > options_.message_timeout) ||
               (c->blocked && now - c->active > options_.message_timeout)) {
      stuck.push_back(id);
    } else if (now - c->active > (c->stranger ? options_.message_timeout : options_.idle_timeout)) {
      done.push_back(id);
    }
  }
  figures_.connections_timed_out += stuck.size();
  for (const uint32_t id : slow) {
    Connection* const c = find(id);
    if (c == nullptr) continue;
    if (c->connecting) {
      close(id, "no answer to the connection attempt");
    } else {
      tls_failed(*c, "the TLS handshake took too long");
    }
  }
  for (const uint32_t id : stuck) close(id, "it has stalled");
  for (const uint32_t id : done) close(id);
  for (const auto& listener : listeners_) {
    if (std::exchange(listener->paused, false)) accept(*listener);
  }
  if (!connections_.empty()) sweep_.set(now + kSweep);
}

std::vector<ConnectionShown> TcpTransport::list(std::size_t max) const {
  std::vector<ConnectionShown> out;
  for (const auto& [id, c] : connections_) {
    if (out.size() == max) break;
    const char* const state = c->connecting  ? "connecting"
                              : c->securing  ? "handshake"
                              : c->finishing ? "closing"
                              : c->blocked   ? "stuck"
                                             : "open";
    out.push_back({c->tls || !c->domain.empty() ? Transport::kTls : Transport::kTcp, c->peer, c->outbound,
                   state, !c->stranger, loop_.now() - c->active});
  }
  return out;
}

TransportFigures TcpTransport::figures() const { return figures_; }

std::size_t& TcpTransport::count_of(bool tls, bool outbound) {
  if (tls) return outbound ? figures_.tls_out : figures_.tls_in;
  return outbound ? figures_.tcp_out : figures_.tcp_in;
}

}  // namespace stox::sip
