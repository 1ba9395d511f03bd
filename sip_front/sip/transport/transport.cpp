#include "sip_front/sip/transport/transport.h"

#include <sys/socket.h>
#include <unistd.h>

#include "common/base/sip_uri.h"
#include "common/net/listener.h"
#include "sip_front/sip/message/socket_address.h"
#include "sip_front/sip/transport/tcp.h"
#include "sip_front/sip/transport/udp.h"

namespace stox::sip {
namespace {

constexpr Duration kLocalHolds = std::chrono::seconds(1);  // an interface may come or go
constexpr std::size_t kMaxLocals = 1024;

bool is_any(const Endpoint& endpoint) { return endpoint.ip == Endpoint{}.ip; }

bool is_v6(const Listen& listen) { return listen.address.find(':') != std::string::npos; }

// The address of ours that the system would send from; all zero: there is no way there.
Endpoint local_towards(const Endpoint& peer) {
  Endpoint out;
  const int fd = socket(peer.v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const SocketAddress remote(peer);
  SocketAddress local;
  socklen_t size = sizeof local;
  if (fd >= 0 && connect(fd, &remote.any, remote.size()) == 0 && getsockname(fd, &local.any, &size) == 0)
    out.ip = local.endpoint().ip;
  if (fd >= 0) close(fd);
  out.v6 = peer.v6;
  return out;
}

// What a wildcard stands for.
std::string local_ip_towards(const Endpoint& peer) {
  const Endpoint local = local_towards(peer);
  std::string out;
  if (!is_any(local)) local.append_ip(out);
  return out;
}

// As `listen` has it.
std::string_view scheme_of(Transport transport) {
  switch (transport) {
    case Transport::kUdp:
      return "udp:";
    case Transport::kTcp:
      return "tcp:";
    case Transport::kTls:
      break;
  }
  return "tls:";
}

}  // namespace

std::string describe_listen_failure(Transport transport, const std::string& address, uint16_t port,
                                    int error_number) {
  constexpr std::string_view kKey = "`listen` of this [[sip_front]]";
  return net::describe_listen_failure(Listen{transport, address, port, {}, 0}.name(), error_number,
                                      {kKey, kKey, " (an older stox-sip-front?)"});
}

std::string Listen::name() const { return std::string(scheme_of(transport)) + host_port(address, port); }

Transports::Transports(net::Loop& loop) : loop_(loop), end_of_turn_(loop, [this] { flush(); }) {}

Transports::~Transports() = default;

Result<std::unique_ptr<Transports>> Transports::open(net::Loop& loop, const std::vector<Listen>& listens,
                                                     net::TlsContext tls, const TransportOptions& options,
                                                     TransportUser& user) {
  std::unique_ptr<Transports> self(new Transports(loop));
  Transports& it = *self;
  const auto dirty = [&it] { it.end_of_turn_.ask(); };
  it.tcp_ = std::make_unique<TcpTransport>(loop, std::move(tls), options, user, dirty);
  for (const Listen& listen : listens) {
    const auto bind = Endpoint::parse(listen.address, listen.port);
    if (!bind) return error("cannot listen on " + listen.address + ": not an IP address");
    const auto listener = static_cast<uint16_t>(it.listens_.size());
    it.listens_.push_back(listen);
    it.udp_.emplace_back();
    Listen& kept = it.listens_.back();
    if (listen.transport == Transport::kUdp) {
      auto socket = UdpSocket::open(loop, *bind, listener, user, dirty);
      if (!socket) return tl::make_unexpected(socket.error());
      kept.port = (*socket)->bound().port;
      it.udp_.back() = std::move(*socket);
    } else {
      const auto bound = it.tcp_->listen(*bind, listen.transport == Transport::kTls, listener);
      if (!bound) return tl::make_unexpected(bound.error());
      kept.port = *bound;
    }
  }
  return self;
}

Result<Flow> Transports::flow_to(const Hop& hop) {
  const Endpoint& peer = hop.peer;
  if (is_reliable(hop.transport)) {
    const auto connection = tcp_->connection_to(hop);
    if (!connection) return tl::make_unexpected(connection.error());
    return Flow{hop.transport, kNoListener, *connection, peer};
  }
  if (const Listen* const from = listener_towards(peer, Transport::kUdp))
    return Flow{Transport::kUdp, static_cast<uint16_t>(from - listens_.data()), 0, peer};
  return error(std::string("no UDP socket for ") + (peer.v6 ? "IPv6" : "IPv4") + ": add one to `listen`");
}

// It is four system calls, and asked for with each request.
Endpoint Transports::known_local_towards(const Endpoint& peer) const {
  const Time now = loop_.now();
  if (locals_.size() >= kMaxLocals) locals_.clear();
  auto& [asked, local] = locals_[{peer.v6, peer.ip}];
  if (asked == Time{} || now - asked >= kLocalHolds) {
    asked = now;
    local = local_towards(peer);
  }
  return local;
}

// Of several: the one whose address the system would send from. From another interface's address a datagram
// may not leave at all, or not come back.
const Listen* Transports::listener_towards(const Endpoint& peer, Transport transport) const {
  const Listen* best = nullptr;
  const auto rank = [&](const Listen& listen) {
    const Endpoint own = Endpoint::parse(listen.address, 0).value_or(Endpoint());
    return own.ip == known_local_towards(peer).ip ? 2 : is_any(own) ? 1 : 0;
  };
  for (const Listen& listen : listens_) {
    if (listen.transport != transport || is_v6(listen) != peer.v6) continue;
    if (best == nullptr || rank(listen) > rank(*best)) best = &listen;
  }
  return best;
}

// What we listen on that a peer would send requests to: of the same transport and family if there is one.
const Listen* Transports::listen_for(const Flow& flow) const {
  if (flow.transport == Transport::kUdp) return &listens_[flow.listener];
  if (const Listen* const same = listener_towards(flow.peer, flow.transport)) return same;
  const Listen* best = nullptr;
  for (const Listen& listen : listens_) {
    if (best == nullptr || is_v6(listen) == flow.peer.v6) best = &listen;
  }
  return best;
}

SentBy Transports::sent_by(const Flow& flow) const {
  const Listen* const listen = listen_for(flow);
  if (listen == nullptr) return {local_ip_towards(flow.peer), 0};
  SentBy out{listen->advertised_address,
             listen->advertised_port != 0 ? listen->advertised_port : listen->port};
  if (out.host.empty()) {
    const auto bound = Endpoint::parse(listen->address, 0);
    out.host = bound && is_any(*bound) ? local_ip_towards(flow.peer) : listen->address;
  }
  return out;
}

std::string Transports::contact(const Flow& flow) const {
  const Listen* const listen = listen_for(flow);
  const SentBy own = sent_by(flow);
  std::string out = "sip:" + (own.port == 0 ? own.host : host_port(own.host, own.port));
  const Transport transport = listen == nullptr ? flow.transport : listen->transport;
  if (transport == Transport::kTcp) out += ";transport=tcp";
  if (transport == Transport::kTls) out += ";transport=tls";
  return out;
}

void Transports::send(const Flow& flow, std::string_view bytes) {
  if (is_reliable(flow.transport)) {
    tcp_->send(flow, bytes);
  } else if (flow.listener < udp_.size() && udp_[flow.listener]) {
    udp_[flow.listener]->send(flow.peer, flow.local, bytes);
  }
}

void Transports::send_by(std::vector<Hop> hops, std::string_view bytes) {
  tcp_->send_late({std::string(bytes), std::move(hops), {}});
}

void Transports::finish(const Flow& flow) {
  if (is_reliable(flow.transport)) tcp_->finish(flow.connection);
}

void Transports::set_tls(net::TlsContext tls, std::vector<std::string> allow_wildcard) {
  tcp_->set_tls(std::move(tls), std::move(allow_wildcard));
}

void Transports::trust_changed() { tcp_->trust_changed(); }

void Transports::flush() {
  for (const auto& socket : udp_) {
    if (socket) socket->flush();
  }
  tcp_->flush();
}

std::vector<Transports::Listening> Transports::listening() const {
  std::vector<Listening> out;
  for (const Listen& listen : listens_) {
    const auto& udp = udp_[out.size()];
    Listening one;
    one.name = listen.name();
    one.transport = listen.transport;
    one.bound = *Endpoint::parse(listen.address, listen.port);
    one.receive_buffer = udp ? udp->receive_buffer() : 0;
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<ConnectionShown> Transports::connections(std::size_t max) const { return tcp_->list(max); }

TransportFigures Transports::figures() const {
  TransportFigures out = tcp_->figures();
  for (const auto& socket : udp_) {
    if (!socket) continue;
    out.datagrams_in += socket->received();
    out.datagrams_out += socket->sent();
    out.send_failures += socket->failures();
  }
  return out;
}

}  // namespace stox::sip
