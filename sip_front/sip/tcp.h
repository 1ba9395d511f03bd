// All TCP and TLS connections, accepted and opened, and the listening sockets (RFC 3261 18, RFC 5626 3.5.1,
// RFC 5922). Requests of ours go only over connections that we opened, kept by the peer's address and, of
// TLS, the domain that it has proved to be; responses go back over the connection of the request. TLS stands
// between the socket and the framing and changes nothing else.
//
// A connection costs no buffer while nothing is under way on it: bytes are read into one buffer that all
// share, and only a message that is not whole yet is kept.
#pragma once

#include <array>
#include <asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sip_front/sip/framing.h"
#include "sip_front/sip/transport.h"

namespace stox::sip {

class TcpTransport : private net::Reader {
 public:
  // Everything must outlive it; `dirty` is called when something was queued.
  TcpTransport(net::Loop&, net::TlsContext, const TransportOptions&, TransportUser&,
               std::function<void()> dirty);
  ~TcpTransport() override;

  Result<Endpoint> listen(const Endpoint&, bool tls);
  void set_tls(net::TlsContext tls) { tls_ = std::move(tls); }
  // Id of a connection to this peer that we opened; it may still be connecting, and what is sent waits.
  Result<uint32_t> connection_to(const Hop&);
  // If the connection is gone, a new one is opened to the flow's peer, but for TLS.
  void send(const Flow&, std::string_view bytes);
  void finish(uint32_t id);
  void flush();

  TransportFigures figures() const;
  std::vector<ConnectionShown> list(std::size_t max) const;

 private:
  struct Connection;
  struct Listener;

  Came read() override;
  void wait() override;
  void accept(Listener&);
  void add_accepted(asio::ip::tcp::socket, bool tls);
  Connection& add(asio::ip::tcp::socket, const Endpoint& peer, bool outbound, bool tls);
  Connection* find(uint32_t id);
  void connected(uint32_t id, const asio::error_code&);
  void wait_to_read(Connection&);
  void read(Connection&);
  bool decrypt(Connection&, std::string_view wire);
  std::optional<std::string> established(Connection&);
  void tls_failed(Connection&, std::string why);
  void take_bytes(Connection&, std::span<char>);
  bool take(Connection&, std::span<char> bytes, std::size_t& consumed);
  void queue(Connection&, std::string_view bytes);
  void write(Connection&);
  void write_last(Connection&);
  void finish(Connection&);
  void close(uint32_t id, std::string_view why = {});
  void sweep();
  std::size_t& count_of(bool tls, bool outbound);

  net::Loop& loop_;
  net::TlsContext tls_;
  TransportOptions options_;
  TransportUser& user_;
  std::function<void()> dirty_;
  net::Alarm sweep_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unordered_map<uint32_t, std::unique_ptr<Connection>> connections_;
  std::unordered_map<std::string, uint32_t> outbound_;       // by name()
  std::unordered_map<std::string, std::size_t> inbound_of_;  // how many, by the peer's address
  std::size_t strangers_ = 0;
  uint32_t last_id_ = 0;
  std::vector<uint32_t> resting_, to_write_;
  bool rests_ = false;  // for those in resting_
  std::unique_ptr<char[]> buffer_;
  std::string plain_;  // what was decrypted, during a read
  Message message_;
  TransportFigures figures_;
};

}  // namespace stox::sip
