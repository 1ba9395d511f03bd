// One connection that we opened to another server: the stream's machine over its socket.
#pragma once

#include <string>
#include <string_view>

#include "xmpp_worker/xmpp/s2s/s2s_outbound.h"
#include "xmpp_worker/xmpp/s2s/s2s_site.h"
#include "xmpp_worker/xmpp/stream/paced_socket.h"

namespace stox::xmpp {

// Calls come from the loop or from inside a call to the connection.
class S2sConnectionUser {
 public:
  virtual ~S2sConnectionUser() = default;
  virtual void negotiating() = 0;  // now or then, until it is up
  virtual void stream_up() = 0;
  virtual void stream_ended(const StreamEnd&, bool external_refused) = 0;
  virtual void verified(const DialbackQuestion&, const DialbackVerdict&) = 0;
  virtual void about_to_write() = 0;  // only while up
  // So many bytes are held for the peer, beside what is to be sent to it. False: others need them.
  virtual bool may_hold(std::size_t bytes) = 0;
};

class S2sConnection final : private S2sOutboundUser, private PacedSocketUser {
 public:
  // The site must outlive it, and the user until leave() or forget().
  S2sConnection(S2sSite&, S2sConnectionUser&, OutboundOptions);

  void start(int descriptor);  // of the TCP connection, which becomes its own
  // Closes the socket behind what there is to say. Nothing is told any more.
  void leave();
  // Nothing is told any more.
  void forget() { user_ = nullptr; }
  // After each call to the machine.
  void arrange();
  void write_soon() { socket_.write_soon(); }
  std::size_t unsent() const { return socket_.unsent() + machine.output().size(); }

 private:
  void start_tls(S2sOutbound&) override;
  void outbound_up(S2sOutbound&) override;
  void outbound_ended(S2sOutbound&, const StreamEnd&) override;
  void verified(S2sOutbound&, const DialbackQuestion&, const DialbackVerdict&) override;
  void outbound_stanza(S2sOutbound&, const Element&) override;
  void outbound_oversized(S2sOutbound&, const Element&) override;

  void socket_received(std::string_view bytes) override;
  void socket_closed(const std::string& why) override;
  void tls_established(net::TlsSession&) override;
  void about_to_write() override;

  S2sSite& site_;
  S2sConnectionUser* user_;  // null: it has left us

 public:
  S2sOutbound machine;

 private:
  PacedSocket socket_;
  const uint64_t number_;
  net::Alarm alarm_;
};

}  // namespace stox::xmpp
