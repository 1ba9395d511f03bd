// One TCP or TLS connection. For the files of TcpTransport, which owns it.
#pragma once

#include <asio/ip/tcp.hpp>
#include <memory>
#include <string>
#include <vector>

#include "sip_front/sip/message/framing.h"
#include "sip_front/sip/transport/tcp.h"

namespace stox::sip {

struct TcpTransport::Connection {
  Connection(asio::ip::tcp::socket s, std::size_t max_message) : socket(std::move(s)), framing(max_message) {}

  bool outbound() const { return listener == kNoListener; }  // opened by us

  asio::ip::tcp::socket socket;
  uint32_t id = 0;
  Endpoint peer;
  uint16_t listener = kNoListener;  // that accepted it
  bool stranger = false;            // not trusted
  bool certified = false;           // trusted for its certificate
  bool connecting = false;
  bool securing = false;   // TLS handshake
  bool finishing = false;  // nothing more is taken; closed when all is written and the peer has closed
  bool queued = false;     // in to_write_
  bool blocked = false;    // waits until the socket can be written
  bool unread = false;     // not read from, because the peer does not read from us
  bool keep = false;       // never idle: kept alive
  bool answers_pings = false;
  Framing framing;
  std::unique_ptr<net::TlsSession> tls;
  std::string domain;      // TLS that we opened: whom the peer must prove to be
  std::string in;          // what came of a message that is not whole
  std::string held;        // TLS: to be encrypted once the handshake is done
  std::string out;         // as it goes onto the wire
  std::vector<Late> late;  // of out or held, as long as it may not be made
  std::size_t late_size = 0;
  std::size_t written = 0;  // of out
  std::size_t kept = 0;     // bytes of these that were counted
  Time active{};            // last byte in or out
  Time heard{};             // last byte in; zero: none has come
  Time began{};             // the message in `in`, or the connection attempt, or finishing
  Time pinged = kNever;     // of a ping that has not been answered
};

}  // namespace stox::sip
