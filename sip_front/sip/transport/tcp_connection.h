// One TCP or TLS connection. For the files of TcpTransport, which owns it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/net/stream_socket.h"
#include "sip_front/sip/message/framing.h"
#include "sip_front/sip/transport/tcp.h"

namespace stox::sip {

struct TcpTransport::Connection final : net::StreamSocketUser {
  Connection(TcpTransport& of, const Endpoint& to, uint16_t accepted_by)
      : transport(of), peer(to), listener(accepted_by), framing(of.options_.max_message) {}

  bool outbound() const { return listener == kNoListener; }  // opened by us
  bool is_tls() const { return socket.tls() != nullptr; }
  bool is_made() const { return !socket.is_connecting() && !socket.is_securing(); }

  void connected() override { transport.connected(*this); }
  void readable() override { transport.read(*this); }
  void writable() override { transport.write(*this); }
  Result<void> secured(net::TlsSession& tls) override { return transport.secured(*this, tls.peer()); }
  void received(std::span<char> bytes) override { transport.take_bytes(*this, bytes); }
  void ended(End how, const std::string& why) override { transport.ended(*this, how, why); }

  TcpTransport& transport;
  net::StreamSocket socket;
  uint32_t id = 0;
  Endpoint peer;
  uint16_t listener = kNoListener;  // that accepted it
  bool stranger = false;            // not trusted
  bool certified = false;           // trusted for its certificate
  bool finishing = false;  // nothing more is taken; closed when all is written and the peer has closed
  bool queued = false;     // in to_write_
  bool unread = false;     // not read from, because the peer does not read from us
  bool keep = false;       // never idle: kept alive
  bool answers_pings = false;
  Framing framing;
  std::string domain;      // TLS that we opened: whom the peer must prove to be
  std::string in;          // what came of a message that is not whole
  std::vector<Late> late;  // of what is queued, as long as it may not be made
  std::size_t late_size = 0;
  std::size_t kept = 0;  // bytes of these and of the socket that were counted
  Time active{};         // last byte in or out
  Time heard{};          // last byte in; zero: none has come
  Time began{};          // the message in `in`, or the connection attempt, or finishing
  Time pinged = kNever;  // of a ping that has not been answered
};

}  // namespace stox::sip
