#include "sip_front/sip/message/flow.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

#include "common/base/sip_uri.h"

namespace stox::sip {

std::string_view name_of(Transport transport) {
  switch (transport) {
    case Transport::kUdp:
      return "UDP";
    case Transport::kTcp:
      return "TCP";
    case Transport::kTls:
      break;
  }
  return "TLS";
}

std::optional<Endpoint> Endpoint::parse(std::string_view ip, uint16_t port) {
  Endpoint out;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (ip.empty() || ip.size() >= text.size()) return std::nullopt;
  std::memcpy(text.data(), ip.data(), ip.size());
  out.port = port;
  if (inet_pton(AF_INET, text.data(), out.ip.data()) == 1) return out;
  out.v6 = true;
  if (inet_pton(AF_INET6, text.data(), out.ip.data()) == 1) return out;
  return std::nullopt;
}

void Endpoint::append_ip(std::string& out) const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (v6) {
    out += inet_ntop(AF_INET6, ip.data(), text.data(), text.size());
    return;
  }
  char* at = text.data();
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0) *at++ = '.';
    at = std::to_chars(at, text.data() + text.size(), ip[i]).ptr;
  }
  out.append(text.data(), at);
}

void Endpoint::append(std::string& out) const {
  std::string text;  // short enough to live on the stack, but for IPv6
  append_ip(text);
  append_host_port(out, text, port);
}

std::string Endpoint::str() const {
  std::string out;
  append(out);
  return out;
}

void Hop::append(std::string& out) const {
  out.append(name_of(transport)).append(" ");
  peer.append(out);
}

std::string Hop::str() const {
  std::string out;
  append(out);
  return out;
}

}  // namespace stox::sip
