// All TCP and TLS connections, accepted and opened, and the listening sockets (RFC 3261 18, RFC 5922).
// tcp.cpp says which connections there are, tcp_io.cpp what goes over them. Requests of ours go only over
// connections that we opened, kept by the peer's address and, of TLS, the domain that it has proved to be;
// responses go back over the connection of the request. TLS stands between the socket and the framing and
// changes nothing else.
//
// A connection costs no buffer while nothing is under way on it: bytes are read into one buffer that all
// share, and only a message that is not whole yet is kept. All that is kept is bounded: over the bound nobody
// may begin a message that does not come whole, and nobody is read from who does not read.
//
// Connections that are to be kept are pinged when they are idle (RFC 5626 3.5.1, 4.4.1). Of a peer that has
// ever answered, a missing answer means that the connection is dead: it is closed, and opened again.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/result.h"
#include "common/net/listener.h"
#include "common/net/loop.h"
#include "common/net/stream_socket.h"
#include "common/net/tls.h"
#include "sip_front/sip/policy/admission.h"
#include "sip_front/sip/transport/transport_user.h"

namespace stox::sip {

class TcpTransport : private net::Reader {
 public:
  // Everything must outlive it; `dirty` is called when something was queued.
  TcpTransport(net::Loop&, net::TlsContext, const TransportOptions&, TransportUser&,
               std::function<void()> dirty);
  ~TcpTransport() override;

  // The port that it listens on.
  Result<uint16_t> listen(const Endpoint&, bool tls, uint16_t listener);
  void set_tls(net::TlsContext tls, std::vector<std::string> allow_wildcard) {
    tls_ = std::move(tls);
    options_.allow_wildcard = std::move(allow_wildcard);
  }
  // Id of a connection to this peer that we opened; it may still be connecting, and what is sent waits.
  Result<uint32_t> connection_to(const Hop&);
  // A response whose connection is gone goes by a new one to the flow's peer (18.2.2), over TLS if that
  // proves to be whom the response's Via names; if none can be made, to TransportUser::no_way_back().
  void send(const Flow&, std::string_view bytes);
  // What goes by a connection that is not made yet, and where to if it cannot be made.
  struct Late {
    std::string bytes;
    std::vector<Hop> hops;      // in this order
    std::optional<Flow> asked;  // then it goes to no_way_back()
  };
  void send_late(Late);
  void finish(uint32_t id);
  void flush();

  // Looks again at who of those connected is trusted, as others may be trusted now.
  void trust_changed();

  TransportFigures figures() const;
  std::vector<ConnectionShown> list(std::size_t max) const;

 private:
  static constexpr std::size_t kReadAtOnce = 64 * 1024;
  struct Connection;

  Came read() override;
  void wait() override;
  void accepted(int descriptor, bool tls, uint16_t listener);
  net::StreamSocket::Options socket_options() const;
  Connection& add(std::unique_ptr<Connection>);
  Connection* find(uint32_t id);
  void connected(Connection&);
  void read(Connection&);
  void ended(Connection&, net::StreamSocketUser::End, const std::string& why);
  Result<void> secured(Connection&, const net::PeerCertificate&);
  void tls_failed(Connection&, const std::string& why);
  void take_bytes(Connection&, std::span<char>);
  bool take_pong(Connection&, std::span<char> bytes);
  void ping(Connection&);
  void look_at_trust(Connection&);
  void count_kept(Connection&);
  void made(Connection&);
  Result<Hop> way_back(const Flow&, std::string_view response) const;
  bool take(Connection&, std::span<char> bytes, std::size_t& consumed);
  void queue(Connection&, std::string_view bytes);
  void write(Connection&);
  void finish(Connection&);
  void close(uint32_t id, std::string_view why = {});
  void sweep();
  std::size_t& count_of(const Connection&);

  net::Loop& loop_;
  net::TlsContext tls_;
  TransportOptions options_;
  TransportUser& user_;
  std::function<void()> dirty_;
  net::Alarm sweep_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::unordered_map<uint32_t, std::unique_ptr<Connection>> connections_;
  std::unordered_map<std::string, uint32_t> outbound_;  // by name()
  Admission admission_;
  std::size_t kept_ = 0;  // bytes, for all connections
  uint32_t last_id_ = 0;
  std::vector<uint32_t> resting_, to_write_;
  bool rests_ = false;  // for those in resting_
  std::unique_ptr<char[]> buffer_;
  std::string plain_;  // what was decrypted, during a read
  Message message_;
  TransportFigures figures_;
};

}  // namespace stox::sip
