// The transports of a SIP element: what it listens on, and the connections it opens. Messages come out of it
// parsed; what is given to it leaves at the end of the turn, in one call per socket or connection.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/net/loop.h"
#include "common/net/tls.h"
#include "sip_front/sip/message/flow.h"
#include "sip_front/sip/message/message.h"
#include "sip_front/sip/transport/outlet.h"
#include "sip_front/sip/transport/transport_user.h"

namespace stox::sip {

class UdpSocket;
class TcpTransport;

class Transports final : public Outlet {
 public:
  // Opens all of them or says which one could not be opened, why, and what to do. Loop and user must outlive
  // it.
  // The TLS context may have no certificate if there is no TLS listener.
  static Result<std::unique_ptr<Transports>> open(net::Loop&, const std::vector<Listen>&, net::TlsContext,
                                                  const TransportOptions&, TransportUser&);
  ~Transports() override;

  // For connections from now on.
  void set_tls(net::TlsContext, std::vector<std::string> allow_wildcard);
  // TransportUser::trust_at() says something else from now on.
  void trust_changed();

  Result<Flow> flow_to(const Hop&) override;
  SentBy sent_by(const Flow&) const override;
  std::string contact(const Flow&) const override;
  void send(const Flow&, std::string_view bytes) override;
  // By the first of these hops (TCP, TLS) that a connection can be made to; by none, it counts as a failure.
  void send_by(std::vector<Hop>, std::string_view bytes);
  // Takes nothing more from the connection of this flow and closes it when what was queued is written.
  void finish(const Flow&);
  // Leaves now, as far as the system takes it; for the end of the process.
  void flush();

  struct Listening {
    std::string name;  // "udp:ADDRESS:PORT", as in the configuration
    Transport transport;
    Endpoint bound;
    std::size_t receive_buffer;  // UDP: bytes the system granted
  };
  std::vector<Listening> listening() const;
  std::vector<ConnectionShown> connections(std::size_t max) const;
  TransportFigures figures() const;

 private:
  explicit Transports(net::Loop&);
  Endpoint known_local_towards(const Endpoint& peer) const;
  const Listen* listener_towards(const Endpoint& peer, Transport) const;
  const Listen* listen_for(const Flow&) const;

  net::Loop& loop_;
  std::vector<Listen> listens_;  // ports filled in
  // Of ours, by family and address of the peer: when the system was asked, and what it said.
  mutable std::map<std::pair<bool, std::array<uint8_t, 16>>, std::pair<Time, Endpoint>> locals_;
  net::EndOfTurn end_of_turn_;
  std::vector<std::unique_ptr<UdpSocket>> udp_;  // by listener; null for others
  std::unique_ptr<TcpTransport> tcp_;
};

}  // namespace stox::sip
