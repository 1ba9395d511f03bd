#include "sip_front/sip/transport/tcp.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "sip_front/sip/message/socket_address.h"
#include "sip_front/sip/policy/tls_identity.h"
#include "sip_front/sip/transport/tcp_connection.h"

namespace stox::sip {
namespace {

constexpr Duration kSweep = std::chrono::seconds(1);
constexpr Duration kUnacknowledged = std::chrono::seconds(10);  // longer than the sweep leaves a stuck peer
constexpr std::size_t kPartOfOurs = 16;  // one in so many connections is left for those that we open
constexpr Duration kLinger = std::chrono::seconds(2);  // for the peer to read our last words

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

TcpTransport::TcpTransport(net::Loop& loop, net::TlsContext tls, const TransportOptions& options,
                           TransportUser& user, std::function<void()> dirty)
    : loop_(loop),
      tls_(std::move(tls)),
      options_(options),
      user_(user),
      dirty_(std::move(dirty)),
      sweep_(loop, [this] { sweep(); }),
      admission_({options.max_connections_per_source, options.max_strangers, options.max_strangers_per_source,
                  options.max_strangers_per_second}),
      buffer_(std::make_unique_for_overwrite<char[]>(kReadAtOnce)) {}

TcpTransport::~TcpTransport() { loop_.pace().forget(*this); }

Result<uint16_t> TcpTransport::listen(const Endpoint& endpoint, bool tls, uint16_t which) {
  auto made = net::Listener::create(
      loop_, {ip_of(endpoint), endpoint.port}, {},
      [this, tls, which](int descriptor, const net::Address&) { accepted(descriptor, tls, which); });
  if (!made)
    return error(describe_listen_failure(tls ? Transport::kTls : Transport::kTcp, ip_of(endpoint),
                                         endpoint.port, made.error()));
  listeners_.push_back(std::move(*made));
  return listeners_.back()->port();
}

void TcpTransport::accepted(int descriptor, bool tls, uint16_t listener) {
  if (descriptor < 0) return void(++figures_.connections_refused);
  SocketAddress remote;
  socklen_t size = sizeof remote;
  if (getpeername(descriptor, &remote.any, &size) != 0) return void(::close(descriptor));  // gone already
  const Endpoint peer = remote.endpoint();
  const bool stranger = !user_.trust_at(listener).networks.contain(peer);
  const std::size_t for_others = options_.max_connections - options_.max_connections / kPartOfOurs;
  if (connections_.size() >= for_others || !admission_.has_room(peer, stranger, loop_.now())) {
    ++figures_.connections_refused;
    return void(::close(descriptor));
  }
  admission_.add(peer, stranger);
  auto made = std::make_unique<Connection>(*this, peer, listener);
  made->stranger = stranger;
  made->socket = net::StreamSocket(loop_, descriptor, *made, socket_options());
  if (tls) {
    net::TlsOptions options{net::TlsOptions::Role::kServer, {}, {}};
    options.key_usage = kSipDomainUsage;
    made->socket.start_tls(tls_, std::move(options));
  }
  add(std::move(made)).socket.wait_readable();
}

net::StreamSocket::Options TcpTransport::socket_options() const {
  // A peer that has gone without a word is noticed when it does not acknowledge what we sent.
  return {.unacknowledged = options_.message_timeout + kUnacknowledged};
}

TcpTransport::Connection& TcpTransport::add(std::unique_ptr<Connection> owned) {
  Connection& c = *owned;
  do {
    c.id = ++last_id_;
  } while (c.id == 0 || connections_.contains(c.id));
  ++count_of(c);
  c.active = c.began = loop_.now();
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
  const bool keep = hop.keep && options_.keepalive > Duration::zero();
  if (const auto known = outbound_.find(key); known != outbound_.end()) {
    find(known->second)->keep |= keep;
    return known->second;
  }
  if (connections_.size() >= options_.max_connections)
    return error("no connection to " + key + ": the limit of " + std::to_string(options_.max_connections) +
                 " connections is reached");
  auto made = std::make_unique<Connection>(*this, peer, kNoListener);
  const SocketAddress to(peer);
  auto socket = net::StreamSocket::connect(loop_, to.any, to.size(), *made, socket_options());
  if (!socket) return error("no connection to " + key + ": " + socket.error().text);
  made->socket = std::move(*socket);
  made->keep = keep;
  if (tls) {
    made->domain = hop.domain;
    const std::string sni = Endpoint::parse(hop.domain, 0) ? std::string() : hop.domain;
    made->socket.start_tls(tls_, net::TlsOptions{net::TlsOptions::Role::kClient, sni, {}});
  }
  const uint32_t id = add(std::move(made)).id;
  outbound_.emplace(key, id);
  return id;
}

void TcpTransport::connected(Connection& c) {
  c.active = c.began = loop_.now();
  if (!c.is_tls()) made(c);
  c.socket.wait_readable();
  write(c);
}

void TcpTransport::finish(uint32_t id) {
  if (Connection* const c = find(id)) finish(*c);
}

// Lets the peer read what is queued; closing at once could take it away from it.
void TcpTransport::finish(Connection& c) {
  if (std::exchange(c.finishing, true)) return;
  c.began = loop_.now();
  if (c.outbound()) outbound_.erase(name(c.peer, c.domain));
  c.socket.end();
  queue(c, {});
}

void TcpTransport::close(uint32_t id, std::string_view why) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  const Connection& c = *found->second;
  if (c.outbound() && !c.finishing) outbound_.erase(name(c.peer, c.domain));
  --count_of(c);
  if (!c.outbound()) admission_.remove(c.peer, c.stranger);
  kept_ -= c.kept;
  const bool never_made = !c.is_made();
  std::vector<Late> late = std::move(found->second->late);
  connections_.erase(found);
  user_.connection_lost(id, never_made, why);
  for (Late& one : late) send_late(std::move(one));
}

void TcpTransport::look_at_trust(Connection& c) {
  const Trust& trust = user_.trust_at(c.listener);
  const net::TlsSession* const tls = c.socket.tls();
  c.certified =
      tls != nullptr && !c.socket.is_securing() && tls->peer().valid && trust.covers(tls->peer().names);
  const bool stranger = !c.certified && !trust.networks.contain(c.peer);
  if (stranger != std::exchange(c.stranger, stranger)) admission_.change(c.peer, stranger);
}

void TcpTransport::trust_changed() {
  for (const auto& [id, c] : connections_) {
    if (!c->outbound()) look_at_trust(*c);
  }
}

void TcpTransport::ping(Connection& c) {
  c.pinged = loop_.now();
  queue(c, "\r\n\r\n");
}

void TcpTransport::sweep() {
  const Time now = loop_.now();
  std::vector<uint32_t> stuck, slow, done, idle;
  std::vector<Hop> dead;
  for (const auto& [id, c] : connections_) {
    // RFC 5626 4.4.1: not all at the same time.
    const Duration keepalive = options_.keepalive * (80 + id * 7 % 21) / 100;
    const Duration idle_for = c->stranger ? options_.message_timeout : options_.idle_timeout;
    if (c->finishing) {
      if (now - c->began > kLinger) done.push_back(id);
    } else if (!c->is_made()) {
      if (now - c->began > options_.connect_timeout) slow.push_back(id);
    } else if ((c->framing.inside() && now - c->began > options_.message_timeout) ||
               (c->socket.is_blocked() && now - c->active > options_.message_timeout)) {
      stuck.push_back(id);
    } else if (c->keep && c->answers_pings && c->pinged < now - options_.pong_within &&
               c->heard < c->pinged) {
      dead.push_back({c->is_tls() ? Transport::kTls : Transport::kTcp, c->peer, c->domain, true});
    } else if (c->keep) {
      const bool waits = c->answers_pings && c->pinged != kNever && c->heard < c->pinged;
      if (!waits && now - c->active > keepalive) idle.push_back(id);
    } else if (now - c->active > idle_for) {
      done.push_back(id);
    }
  }
  figures_.connections_timed_out += stuck.size();
  figures_.pings_unanswered += dead.size();
  for (const uint32_t id : slow) {
    Connection* const c = find(id);
    if (c == nullptr) continue;
    if (c->socket.is_connecting()) {
      close(id, "no answer to the connection attempt");
    } else {
      tls_failed(*c, "the TLS handshake took too long");
    }
  }
  for (const uint32_t id : stuck) close(id, "it has stalled");
  for (const uint32_t id : done) close(id);
  for (const Hop& hop : dead) {
    if (const auto id = connection_to(hop)) close(*id, "no answer to a keep-alive");
    static_cast<void>(connection_to(hop));  // for the next message; if not now, then when it comes
  }
  for (const uint32_t id : idle) {
    if (Connection* const c = find(id)) ping(*c);
  }
  if (!connections_.empty()) sweep_.set(now + kSweep);
}

std::vector<ConnectionShown> TcpTransport::list(std::size_t max) const {
  std::vector<ConnectionShown> out;
  for (const auto& [id, c] : connections_) {
    if (out.size() == max) break;
    const char* const state = c->socket.is_connecting() ? "connecting"
                              : c->socket.is_securing() ? "handshake"
                              : c->finishing            ? "closing"
                              : c->socket.is_blocked()  ? "stuck"
                                                        : "open";
    out.push_back({c->is_tls() ? Transport::kTls : Transport::kTcp, c->peer, c->outbound(), state,
                   !c->stranger, c->answers_pings, loop_.now() - c->active});
  }
  return out;
}

TransportFigures TcpTransport::figures() const { return figures_; }

std::size_t& TcpTransport::count_of(const Connection& c) {
  if (c.is_tls()) return c.outbound() ? figures_.tls_out : figures_.tls_in;
  return c.outbound() ? figures_.tcp_out : figures_.tcp_in;
}

}  // namespace stox::sip
