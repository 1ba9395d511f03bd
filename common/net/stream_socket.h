// One TCP connection, with TLS from its first byte, from its middle or not at all, for who cuts its bytes
// into messages. It reads when it is told to, into a buffer that is lent to it, so that an idle connection
// has none; it writes when it is told to, and keeps what the kernel does not take. How often, how much and
// how long is for its user to say.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/net/loop.h"
#include "common/net/tls.h"

namespace stox::net {

// connected(), readable() and writable() are called from the loop, the others from inside read() and
// start_tls(). In any of them the socket may be given up.
class StreamSocketUser {
 public:
  // How a connection ended.
  enum class End {
    kCut,       // by the peer, who just closed it
    kFinished,  // by the peer, who said so by TLS
    kFailed,    // or could not be made; by the system
    kTls,       // the peer has been told why
  };

  virtual ~StreamSocketUser() = default;
  virtual void connected() {}   // what was queued can be flushed
  virtual void readable() = 0;  // behind wait_readable()
  virtual void writable() = 0;  // what was left behind by flush() can be flushed
  // The TLS handshake is done. An Error: not with this peer.
  virtual Result<void> secured(TlsSession&) = 0;
  virtual void received(std::span<char> bytes) = 0;  // by TLS maybe none: unsent() may have changed
  // The socket is of no more use; `why` is for people.
  virtual void ended(End, const std::string& why) = 0;
};

class StreamSocket {
 public:
  struct Options {
    Duration unacknowledged;  // so long the other host may be silent about what was sent to it
    Duration keepalive = {};  // an idle connection is probed after this time; zero: never
    // What is still in the kernel when the process ends must not arrive, nor what is unsent when the socket
    // is destroyed: the connection is reset.
    bool resets = false;
  };

  StreamSocket() = default;  // none
  // A connection that is established already, of whose descriptor it becomes the owner. Loop and user must
  // outlive it.
  StreamSocket(Loop&, int descriptor, StreamSocketUser&, const Options&);
  // To be made; connected() or ended() tell. Fails for want of a descriptor.
  static Result<StreamSocket> connect(Loop&, const sockaddr& to, socklen_t size, StreamSocketUser&,
                                      const Options&);
  // The connection ends at once.
  ~StreamSocket() { drop(); }
  StreamSocket(StreamSocket&&) noexcept = default;
  StreamSocket& operator=(StreamSocket&&) noexcept;

  explicit operator bool() const { return s_ != nullptr; }
  int descriptor() const;  // stays its own
  bool is_connecting() const;
  bool is_securing() const;  // TLS: its handshake is not done
  bool is_blocked() const;   // until writable()
  const TlsSession* tls() const;

  // From now on, or as soon as it is connected. `begun`: what has been read already of the handshake.
  void start_tls(const TlsContext&, TlsOptions, std::string_view begun = {});

  void wait_readable();
  // So many bytes must have come before readable().
  void wake_from(int bytes);
  enum class Read {
    kNothing,  // there was
    kSome,
    kFull,  // the buffer was; there may be more
    kGone,  // the connection has ended or was given up
  };
  // Once. `plain` is for what was decrypted, and of no meaning behind it.
  Read read(std::span<char> buffer, std::string& plain);

  // Queues it; what comes before the end of a handshake waits for that.
  void send(std::string_view bytes);
  // The errno; 0 also if something is left for later.
  int flush();
  // Behind what is queued nothing more will be sent, and the peer gets to know.
  void end();
  std::size_t unsent() const;  // queued for the kernel: grows when the peer does not read
  std::size_t kept() const;    // memory that its queues take, in bytes

  // Nothing is told any more. Of what was sent the kernel goes on with what it has taken, and the peer has a
  // moment to read it before the connection goes.
  void leave();

 private:
  struct State;
  explicit StreamSocket(std::shared_ptr<State>);
  bool decrypt(std::string_view wire, std::string& plain);
  void drop();

  std::shared_ptr<State> s_;  // shared with handlers, which may run after it has been given up
};

}  // namespace stox::net
