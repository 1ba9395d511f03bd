// Where a message came from or goes to: values that a transport understands and machines only keep.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace stox::sip {

enum class Transport : uint8_t { kUdp, kTcp, kTls };

constexpr bool is_reliable(Transport transport) { return transport != Transport::kUdp; }
constexpr uint16_t default_port(Transport transport) { return transport == Transport::kTls ? 5061 : 5060; }
std::string_view name_of(Transport);  // "UDP", "TCP", "TLS", as in Via

// IP address and port.
struct Endpoint {
  std::array<uint8_t, 16> ip{};  // an IPv4 address in the first four
  bool v6 = false;
  uint16_t port = 0;
  uint32_t scope = 0;  // of an IPv6 link-local address: the interface it was seen on

  static std::optional<Endpoint> parse(std::string_view ip, uint16_t port);
  void append_ip(std::string& out) const;  // IPv6 without brackets, RFC 5952
  void append(std::string& out) const;     // ADDRESS:PORT or [ADDRESS]:PORT
  std::string str() const;                 // the same
  bool operator==(const Endpoint&) const = default;
};

// Where a request may go: an address, and the way to it.
struct Hop {
  Transport transport = Transport::kUdp;
  Endpoint peer;
  std::string domain = {};  // TLS: whom the peer must prove to be (RFC 5922), a host name or an address
  bool keep = false;        // the connection stays open and is kept alive (RFC 5626 3.5.1)
  bool unlisted = false;    // somebody on XMPP has chosen it freely: it is nowhere in the configuration
  bool operator==(const Hop&) const = default;
  void append(std::string& out) const;  // "UDP ADDRESS:PORT"
  std::string str() const;              // the same
};

// Where we listen: the place in the list that the transports were opened with. This: a connection that we
// opened.
constexpr uint16_t kNoListener = UINT16_MAX;

struct Flow {
  Transport transport = Transport::kUdp;
  uint16_t listener = 0;    // at which it came, or from which it goes (UDP)
  uint32_t connection = 0;  // TCP, TLS: its id, never 0 and not used again; 0 = to be opened
  Endpoint peer;            // TCP: where to connect when the connection is gone
  Endpoint local = {};      // UDP on a wildcard: which address of ours; all zero = the system chooses
  bool certified = false;   // TLS: the peer showed a certificate that is trusted
};

}  // namespace stox::sip
