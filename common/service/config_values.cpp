#include "common/service/config_values.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "common/base/addressing.h"
#include "common/base/jid.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"

namespace stox::service {
namespace {

struct Endpoint {
  std::string address;  // without brackets
  uint16_t port = 0;    // 0: none written
};

bool is_ipv4(std::string_view text) {
  in_addr address{};
  return text.size() < INET_ADDRSTRLEN && inet_pton(AF_INET, std::string(text).c_str(), &address) == 1;
}

}  // namespace

bool is_address(std::string_view text) { return is_ipv4(text) || normal_ipv6(text).has_value(); }

namespace {

bool is_loopback(const std::string& address) {
  return is_ipv4(address) ? address.starts_with("127.") : normal_ipv6(address) == "::1";
}

// ADDRESS, ADDRESS:PORT, [IPv6]:PORT; an IPv6 address without port may come without brackets.
std::optional<Endpoint> parse_endpoint(std::string_view text) {
  if (is_address(text)) return Endpoint{std::string(text), 0};
  const bool brackets = text.starts_with('[');
  const auto end = brackets ? text.find(']') : text.find(':');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view address = brackets ? text.substr(1, end - 1) : text.substr(0, end);
  std::string_view rest = text.substr(brackets ? end + 1 : end);
  if (brackets ? !normal_ipv6(address) : !is_ipv4(address)) return std::nullopt;
  if (rest.empty()) return Endpoint{std::string(address), 0};
  const auto port = rest[0] == ':' ? parse_number(rest.substr(1), 1, 65535) : std::nullopt;
  if (!port) return std::nullopt;
  return Endpoint{std::string(address), static_cast<uint16_t>(*port)};
}

constexpr std::string_view kTcp = "tcp://";

// HOST:PORT.
bool is_named_port(std::string_view text) {
  const auto colon = text.rfind(':');
  return colon != std::string_view::npos && is_host_name(text.substr(0, colon)) &&
         parse_number(text.substr(colon + 1), 1, 65535).has_value();
}

// _SERVICE._PROTOCOL.NAME.
bool is_service_name(std::string_view text) {
  for (int label = 0; label < 2; ++label) {
    const auto dot = text.find('.');
    if (!text.starts_with('_') || dot == std::string_view::npos || !is_host_name(text.substr(1, dot - 1)))
      return false;
    text.remove_prefix(dot + 1);
  }
  return is_host_name(text);
}

}  // namespace

Complaint check_name(std::string_view text) {
  const bool fine = !text.empty() && text.size() <= 64 && text[0] != '.' &&
                    std::all_of(text.begin(), text.end(), [](unsigned char c) {
                      return c < 0x80 && (std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.');
                    });
  if (fine) return std::nullopt;
  return "cannot be a name; use 1 to 64 letters, digits, - _ and ., not beginning with a dot";
}

Complaint check_sip_domain(std::string_view text) {
  if (is_host_name(text) && text.back() != '.') return std::nullopt;
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
    return "is not ASCII, as host names in SIP are; write its A-label form (xn--...)";
  return "is not a host name; write it like \"sip.example.org\"";
}

Complaint check_sip_host(std::string_view text) {
  const bool bracketed = text.size() > 2 && text.front() == '[' && text.back() == ']';
  return bracketed && normal_ipv6(text.substr(1, text.size() - 2)) ? std::nullopt : check_sip_domain(text);
}

Complaint check_xmpp_domain(std::string_view text) {
  if (ascii_domain(text)) return std::nullopt;
  return "is not a domain; write it like \"xmpp.example.org\"";
}

Complaint check_domain_pattern(std::string_view text) {
  if (ascii_domain(text.starts_with("*.") ? text.substr(2) : text)) return std::nullopt;
  return "is not a domain or a pattern; write \"example.org\" or \"*.example.org\"";
}

Complaint check_sip_name_pattern(std::string_view text) {
  return check_sip_domain(text.starts_with("*.") ? text.substr(2) : text);
}

Complaint check_sip_place(std::string_view text) {
  if (!check_network(text)) return std::nullopt;
  const bool meant_as_name = text.find_first_not_of("0123456789.") != std::string_view::npos &&
                             text.find_first_of("/:[") == std::string_view::npos;
  if (meant_as_name) return check_sip_name_pattern(text);
  return "is neither a host nor a network; write it like \"sip.example.org\", \"*.example.org\", "
         "\"192.0.2.7\", \"10.0.0.0/8\" or \"2001:db8::/32\", without port";
}

Complaint check_separator(std::string_view text) {
  if (const auto why = refuse_separator(text)) return "cannot be used: " + *why;
  return std::nullopt;
}

Complaint check_room_command(std::string_view text) {
  if (text.size() == 1 && text[0] > ' ' && text[0] < 0x7f && std::isalnum(text[0]) == 0) return std::nullopt;
  return "must be one punctuation character in ASCII, such as # or /";
}

Complaint check_proxy(std::string_view text) {
  const auto uri = parse_sip_uri(text);
  static constexpr std::string_view kLike = "; write it like \"sip:127.0.0.1:5060;transport=udp\"";
  if (!uri) return fmt::format("is not a SIP URI ({}){}", uri.error().text, kLike);
  if (uri->is_sips())
    return "is a sips: URI; for TLS to the next hop write it like \"sip:proxy.example.org;transport=tls\"";
  if (!uri->is_sip()) return fmt::format("is not a SIP URI{}", kLike);
  const auto transport = uri->param("transport");
  if (transport && !ascii_iequal(*transport, "udp") && !ascii_iequal(*transport, "tcp") &&
      !ascii_iequal(*transport, "tls"))
    return "names a transport that this version does not speak; use transport=udp, tcp or tls";
  return std::nullopt;
}

Complaint check_network(std::string_view text) {
  const auto slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  const bool v4 = is_ipv4(address);
  if (v4 || normal_ipv6(address)) {
    if (slash == std::string_view::npos || parse_number(text.substr(slash + 1), 0, v4 ? 32 : 128))
      return std::nullopt;
  }
  return "is not a network; write it like \"10.0.0.0/8\", \"2001:db8::/32\" or \"192.0.2.7\"";
}

Complaint check_host(std::string_view text) {
  if (is_host_name(text) || is_address(text)) return std::nullopt;
  return "is neither a host name nor an address; write it without brackets and port";
}

Complaint check_dns_server(std::string_view text) {
  if (parse_endpoint(text)) return std::nullopt;
  return "is not ADDRESS or ADDRESS:PORT; write it like \"127.0.0.1:5353\"";
}

Complaint check_address_port(std::string_view text) {
  const auto endpoint = parse_endpoint(text);
  if (endpoint && endpoint->port != 0) return std::nullopt;
  return "is not ADDRESS:PORT; write it like \"127.0.0.1:9473\" or \"[::1]:9473\"";
}

Complaint check_xmpp_server(std::string_view text) {
  const auto endpoint = parse_endpoint(text);
  if (endpoint && endpoint->port != 0) return std::nullopt;
  return "is not ADDRESS:PORT; write it like \"192.0.2.6:5269\" or \"[2001:db8::6]:5269\"";
}

Complaint check_bind(std::string_view text) {
  if (text.starts_with(kTcp)) {
    const auto endpoint = parse_endpoint(text.substr(kTcp.size()));
    if (endpoint && endpoint->port != 0) return std::nullopt;
    return "is not tcp://ADDRESS:PORT; write it like \"tcp://127.0.0.1:7300\"";
  }
  if (!text.starts_with("ipc:///"))
    return "is not an address of the bus; write it like \"ipc:///run/stox/mapper-1.sock\"";
  if (text.size() - 6 > kMaxSocketPath)
    return fmt::format("is longer than a socket's path may be ({} bytes)", kMaxSocketPath);
  return std::nullopt;
}

Complaint check_connect(std::string_view text) {
  if (!text.starts_with(kTcp) || !check_bind(text)) return check_bind(text);
  const std::string_view place = text.substr(kTcp.size());
  if (is_named_port(place) || is_service_name(place)) return std::nullopt;
  return "is not tcp://ADDRESS:PORT, tcp://NAME:PORT or tcp://_SERVICE._tcp.NAME; write it like "
         "\"tcp://10.0.0.5:7300\", \"tcp://mappers.example.org:7300\" or \"tcp://_stox._tcp.example.org\"";
}

Complaint check_curve_key(std::string_view text) {
  static constexpr std::string_view kMarks = ".-:+=^!/*?&<>()[]{}@%$#";  // of Z85, RFC 32 of ZeroMQ
  const bool fine = text.size() == 40 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
                      return c < 0x80 && (std::isalnum(c) != 0 ||
                                          kMarks.find(static_cast<char>(c)) != std::string_view::npos);
                    });
  if (fine) return std::nullopt;
  return "is not a key of 40 characters; `stoxctl keys` makes keys and says what to write";
}

bool is_tcp(std::string_view endpoint) { return endpoint.starts_with(kTcp); }

bool stays_on_host(std::string_view endpoint) {
  if (!is_tcp(endpoint)) return true;
  const auto address = parse_endpoint(endpoint.substr(kTcp.size()));
  return address && is_loopback(address->address);
}

bool is_mapper_name(std::string_view endpoint) {
  return endpoint.starts_with(kTcp) && !parse_endpoint(endpoint.substr(kTcp.size()));
}

bool is_any_address(std::string_view endpoint) {
  if (!endpoint.starts_with(kTcp)) return false;
  const auto address = parse_endpoint(endpoint.substr(kTcp.size()));
  return address && (address->address == "0.0.0.0" || normal_ipv6(address->address) == "::");
}

Complaint check_path(std::string_view text) {
  if (text.starts_with('/')) return std::nullopt;
  return "is not an absolute path; begin it with /";
}

Complaint check_level(std::string_view text) {
  static const std::vector<std::string> kLevels = {"trace", "debug", "info", "warn", "error"};
  if (std::find(kLevels.begin(), kLevels.end(), text) != kLevels.end()) return std::nullopt;
  return none_of(text, kLevels);
}

Result<ListenConfig> parse_listen(std::string_view text) {
  static constexpr std::string_view kLike =
      "write it like \"udp:127.0.0.1:5060\" or \"tcp:[2001:db8::1]:5060\"";
  ListenConfig listen;
  if (text.starts_with("tcp:")) {
    listen.transport = ListenConfig::Transport::kTcp;
  } else if (text.starts_with("tls:")) {
    listen.transport = ListenConfig::Transport::kTls;
  } else if (!text.starts_with("udp:")) {
    return error(fmt::format("does not begin with udp:, tcp: or tls:; {}", kLike));
  }
  text.remove_prefix(4);
  const auto slash = text.find('/');
  const auto bound = parse_endpoint(text.substr(0, slash));
  if (!bound) return error(fmt::format("has no valid address; {}", kLike));
  if (bound->port == 0) return error(fmt::format("has no port; {}", kLike));
  listen.address = bound->address;
  listen.port = bound->port;
  if (slash == std::string_view::npos) return listen;
  const auto advertised = parse_endpoint(text.substr(slash + 1));
  if (!advertised)
    return error("has no valid advertised address; write it like \"udp:10.0.0.5:5060/203.0.113.9:5060\"");
  listen.advertised_address = advertised->address;
  listen.advertised_port = advertised->port;
  return listen;
}

std::string print_listen(const ListenConfig& listen) {
  static constexpr std::array kNames = {"udp:", "tcp:", "tls:"};
  std::string out =
      kNames.at(static_cast<std::size_t>(listen.transport)) + host_port(listen.address, listen.port);
  if (!listen.advertised_address.empty())
    out += "/" + host_port(listen.advertised_address, listen.advertised_port);
  return out;
}

std::string none_of(std::string_view value, const std::vector<std::string>& known) {
  std::string out = fmt::format("is none of {}", fmt::join(known, ", "));
  if (const auto near = nearest(value, known)) out += fmt::format("; did you mean \"{}\"?", *near);
  return out;
}

}  // namespace stox::service
