// The TCP connection under an XMPP stream, with TLS from its first byte, from its middle or not at all:
// connects or takes over what has been accepted, reads whatever comes, writes once per wakeup. Reads and
// writes are paced: the first is done at once, the next not earlier than `pace` after it, so that under load
// many stanzas share a wakeup. Nothing of XMPP is known here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/loop.h"
#include "common/net/resolver.h"
#include "common/net/tls.h"

namespace stox::xmpp {

// Calls come from the loop, never from inside a call to the socket, except fill_output() from close().
class StreamSocketUser {
 public:
  virtual ~StreamSocketUser() = default;
  virtual void socket_connected() = 0;
  virtual void socket_received(std::string_view bytes) = 0;  // with TLS maybe none: unsent() has changed
  virtual void socket_closed(const std::string& why) = 0;    // also: could not connect. Not after close()
  virtual void fill_output(std::string& out) = 0;            // append what is to be sent now
  virtual void tls_established(net::TlsSession&) {}          // behind start_tls()
};

class StreamSocket : private net::Reader {
 public:
  // All references must outlive it. Connections come from the port of the one before, if it can be had: a
  // peer that has not heard of the end of that one does so then (RFC 9293 3.5.1). The first comes from
  // `own_port`, 0 = any: that of an earlier process.
  StreamSocket(net::Loop&, net::Resolver&, StreamSocketUser&, Duration pace, uint16_t own_port = 0);
  ~StreamSocket() override;

  void connect(const std::string& host, uint16_t port);  // gives up any connection there is
  // A connection that is established already, of which the socket becomes the owner; `peer` for people.
  // socket_connected() is not called.
  void adopt(int descriptor, std::string peer);
  // From now on. Takes what fill_output() has first; then it is not asked until tls_established(). May be
  // called from inside socket_received(): of what arrived with those bytes only `begun` is fed to TLS, and
  // may end the connection, socket_closed() and all.
  void start_tls(const net::TlsContext&, net::TlsOptions, std::string_view begun = {});
  void write_soon();  // fill_output() will be called, at the end of a wakeup
  // After sending what there is and fits the kernel's buffer. The peer has a moment to read it before the
  // connection goes.
  void close();
  // At once; what the peer has not got yet it shall not get later, either.
  void abort();
  // Taken from fill_output() and not yet by the kernel: grows when the peer does not read.
  std::size_t unsent() const { return out_.size() - sent_; }

 private:
  struct Connection;
  using Shared = std::shared_ptr<Connection>;

  void try_next();
  void connect_to(const std::string& ip);
  void established();
  void wait_readable();
  void readable();
  Came read() override;
  void wait() override;
  void rest(Duration first);
  bool take(std::string_view bytes);
  void end_of_turn();
  void write();
  void flush();
  void fail(std::string why);
  void forget();

  net::Loop& loop_;
  net::Resolver& resolver_;
  StreamSocketUser& user_;
  Duration pace_;
  uint16_t port_ = 0, own_port_;
  std::vector<std::string> addresses_;  // yet to be tried, the next one last
  std::string trying_, last_failure_;
  Shared connection_;  // shared with handlers, which may run after it has been given up
  bool is_up_ = false;
  std::string out_;
  std::size_t sent_ = 0;
  bool waits_for_room_ = false;
  std::optional<net::TlsSession> tls_;
  bool in_handshake_ = false;
  Time last_read_{}, last_write_{};
  bool resting_ = false;
  net::Alarm connect_alarm_, write_alarm_;
  net::EndOfTurn end_of_turn_;
};

}  // namespace stox::xmpp
