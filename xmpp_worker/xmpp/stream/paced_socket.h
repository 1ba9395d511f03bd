// The connection under an XMPP stream: reads whatever comes, writes once per wakeup. Reads and writes are
// paced: the first is done at once, the next not earlier than the time of the loop's pace after it, so that
// under load many stanzas share a wakeup. Nothing of XMPP is known here.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "common/net/loop.h"
#include "common/net/stream_socket.h"
#include "common/net/tls.h"

namespace stox::xmpp {

// Calls come from the loop, never from inside a call to the socket, except about_to_write() from close(). The
// socket must not be destroyed from inside one.
class PacedSocketUser {
 public:
  virtual ~PacedSocketUser() = default;
  virtual void socket_received(std::string_view bytes) = 0;  // with TLS maybe none: unsent() has changed
  virtual void socket_closed(const std::string& why) = 0;    // not after close()
  virtual void about_to_write() = 0;                         // send() what is to be sent now
  virtual void tls_established(net::TlsSession&) {}          // behind start_tls()
};

class PacedSocket : private net::Reader, private net::StreamSocketUser {
 public:
  // Loop and user must outlive it.
  PacedSocket(net::Loop&, PacedSocketUser&);
  ~PacedSocket() override;

  // A connection that is established, of whose descriptor the socket becomes the owner. It gives up any that
  // it had.
  void adopt(int descriptor);
  // From now on. What about_to_write() sends goes first; then it is not asked until tls_established(). May be
  // called from inside socket_received(): of what arrived with those bytes only `begun` is fed to TLS, and
  // may end the connection, socket_closed() and all.
  void start_tls(const net::TlsContext&, net::TlsOptions, std::string_view begun = {});
  void write_soon();                  // about_to_write() will be called, at the end of a wakeup
  void send(std::string_view bytes);  // only from inside about_to_write()
  // After sending what there is and fits the kernel's buffer. The peer has a moment to read it before the
  // connection goes.
  void close();
  // At once; what the peer has not got yet it shall not get later, either.
  void abort();
  // Sent and not yet taken by the kernel: grows when the peer does not read.
  std::size_t unsent() const { return socket_.unsent(); }
  // How long the record of TLS that has begun to come will be; 0: none has. The handshake has bounds of its
  // own.
  std::size_t awaited() const {
    return socket_ && socket_.tls() && !socket_.is_securing() ? socket_.tls()->awaited() : 0;
  }

 private:
  void readable() override;
  void writable() override { socket_.flush(); }
  Result<void> secured(net::TlsSession&) override;
  void received(std::span<char> bytes) override { user_.socket_received({bytes.data(), bytes.size()}); }
  void ended(End, const std::string& why) override;
  Came read() override;
  void wait() override;
  void end_of_turn();
  void write();

  net::Loop& loop_;
  PacedSocketUser& user_;
  net::StreamSocket socket_;
  Time last_read_{}, last_write_{};
  bool resting_ = false;
  net::Alarm write_alarm_;
  net::EndOfTurn end_of_turn_;
};

}  // namespace stox::xmpp
