// What the transports of a SIP element and their owner say to each other: events, options, what there is to
// show.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "sip_front/sip/message/flow.h"
#include "sip_front/sip/message/message.h"
#include "sip_front/sip/message/parser.h"
#include "sip_front/sip/policy/trust.h"

namespace stox::sip {

class TransportUser {
 public:
  virtual ~TransportUser() = default;
  // Connections of others are few and short, enough for a refusal. The reference lives during the call.
  virtual const Trust& trust_at(uint16_t listener) const = 0;
  // Message and buffer live during the call.
  virtual void received(const Message&, const Flow&) = 0;
  // What could be read of it is in the message; without a top Via there is nobody to answer.
  virtual void faulty(const Message&, const Fault&, const Flow&) = 0;
  // Closed, or never made: then nothing that was sent on it has arrived. `why` is for people, empty: the peer
  // closed it.
  virtual void connection_lost(uint32_t connection, bool never_made, std::string_view why) = 0;
  // A response to a request that came by `asked` whose connection is gone, and no new one to where it came
  // from could be made: send_by() may know another way. The bytes live during the call.
  virtual void no_way_back(const Flow& asked, std::string_view response) = 0;
  // Said by ICMP of a datagram of ours, or by our own system. `datagram`: how it began, as far as that is
  // known; `why` is for people. Both live during the call.
  virtual void unreachable(const Endpoint& peer, std::string_view datagram, std::string_view why) = 0;
  // A TLS connection that came to nothing, or was tried where we listen for TCP; `why` says which certificate
  // and which name. `ours`: opened by us.
  virtual void tls_failed(const Endpoint& peer, bool ours, std::string_view why) = 0;
};

struct Listen {
  Transport transport = Transport::kUdp;
  std::string address;             // IPv4 or IPv6
  uint16_t port = 5060;            // 0: any
  std::string advertised_address;  // what others reach it by; empty: address
  uint16_t advertised_port = 0;    // 0: port

  std::string name() const;  // "udp:ADDRESS:PORT", as in the configuration
};

struct TransportOptions {
  std::vector<std::string> allow_wildcard = {};   // peers by TLS whose wildcard certificates will do
  std::size_t max_message = 65536;                // of a message over TCP or TLS, in bytes
  std::size_t max_connections = 8192;             // in all; a part of them is for those that we open
  std::size_t max_connections_per_source = 1024;  // inbound
  std::size_t max_strangers = 64;                 // connections from peers that are not trusted
  std::size_t max_strangers_per_source = 16;
  uint32_t max_strangers_per_second = 100;  // a TLS handshake costs something
  std::size_t max_kept = 64 * 1024 * 1024;  // bytes of messages that are not whole or not written yet
  Duration connect_timeout = std::chrono::seconds(5);  // for TLS the handshake comes on top
  // For a message that has begun to come whole, a stuck write, and an idle stranger.
  Duration message_timeout = std::chrono::seconds(10);
  Duration idle_timeout = std::chrono::seconds(180);
  // Of connections that are kept: after so long without a byte a ping goes out, and its answer is waited for.
  Duration keepalive = std::chrono::seconds(100);  // zero: no pings, and no connection is kept
  Duration pong_within = std::chrono::seconds(10);
};

struct ConnectionShown {
  Transport transport;
  Endpoint peer;
  bool ours = false;       // opened by us
  const char* state = "";  // "connecting", "handshake", "open", "closing", "stuck"
  bool trusted = true;
  bool answers_pings = false;
  Duration idle{};  // since the last byte
};

struct TransportFigures {
  std::size_t tcp_in = 0, tcp_out = 0, tls_in = 0, tls_out = 0;  // connections, by who opened them
  std::size_t connections() const { return tcp_in + tcp_out + tls_in + tls_out; }
  uint64_t tls_failures = 0;  // handshakes that failed, peers that are not whom we want
  uint64_t datagrams_in = 0, datagrams_out = 0;
  uint64_t send_failures = 0;          // datagrams that the system did not take, responses without a way back
  uint64_t connections_refused = 0;    // at a limit
  uint64_t connections_timed_out = 0;  // stuck: half a message, or never reading
  uint64_t connections_crowded_out = 0;  // with half a message, when all together kept too much
  uint64_t pings_unanswered = 0;         // connections of ours that turned out to be dead
};

// "cannot listen on udp:ADDRESS:PORT: why; what to do"
std::string describe_listen_failure(Transport, const std::string& address, uint16_t port, int error_number);

}  // namespace stox::sip
