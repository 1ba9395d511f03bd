// A SIP URI (RFC 3261 19.1, 25.1) as slices of the text it was read from: the text must outlive it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace stox {

struct SipUri {
  std::string_view scheme;    // as written: "sip", "SIPS", "tel", ...
  std::string_view user;      // still percent-encoded; may be empty only when has_user is false
  std::string_view password;  // never to be logged or forwarded
  std::string_view host;      // name, IPv4, or IPv6 without its brackets; empty unless sip or sips
  std::string_view params;    // after the first ';' behind the host, without it
  std::string_view headers;   // after '?', without it
  std::string_view opaque;    // what follows the colon of any other scheme
  uint16_t port = 0;          // 0 = none written
  bool has_user = false;
  bool ipv6 = false;

  bool is_sip() const;   // scheme sip
  bool is_sips() const;  // scheme sips

  // Value of a URI parameter (name compared without case); nothing if absent, empty if it has no value.
  std::optional<std::string_view> param(std::string_view name) const;
};

// Strict on what a gateway routes by: scheme, host, port, escapes' shape in the user part ("%" followed by
// two hexadecimal digits), no spaces or control characters anywhere. Other schemes than sip and sips come
// back with `opaque` only.
Result<SipUri> parse_sip_uri(std::string_view text);

// Of a SIP URI, well-formed or not, where its password stands; empty: there is none.
std::string_view password_in(std::string_view uri);
// Any text in which SIP URIs may stand, with their passwords as ***: for logs and for people.
std::string mask_passwords(std::string_view text);

// A host name (RFC 1123 labels, underscore tolerated, at most 253 bytes) or an IPv4 address.
bool is_host_name(std::string_view text);
// Text of an IPv6 address, without brackets, in the form of RFC 5952; nothing when it is none.
std::optional<std::string> normal_ipv6(std::string_view text);

// host or [host] for an IPv6 address, and :port unless 0.
std::string host_port(std::string_view host, uint16_t port);
void append_host_port(std::string& out, std::string_view host, uint16_t port);

}  // namespace stox
