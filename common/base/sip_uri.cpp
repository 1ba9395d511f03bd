#include "common/base/sip_uri.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "common/base/text.h"

namespace stox {
namespace {

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

bool is_scheme(std::string_view s) {
  return !s.empty() && is_alpha(s[0]) && std::all_of(s.begin(), s.end(), [](char c) {
    return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

bool escapes_are_well_formed(std::string_view s) {
  for (auto at = s.find('%'); at != std::string_view::npos; at = s.find('%', at + 1)) {
    if (s.size() - at < 3 || !is_hex(s[at + 1]) || !is_hex(s[at + 2])) return false;
  }
  return true;
}

// unreserved / escaped / user-unreserved; bytes over 0x7f are tolerated, as peers write raw UTF-8.
bool is_user_char(char c) {
  static constexpr CharClass kUserChars("-_.!~*'()&=+$,;?/%");
  return kUserChars.has(c) || static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

std::string_view password_in(std::string_view uri) {
  const auto scheme = uri.find(':');
  const auto at = uri.find('@');
  if (scheme == std::string_view::npos || at == std::string_view::npos || at < scheme) return {};
  const auto user_end = uri.substr(0, at).find(':', scheme + 1);
  return user_end == std::string_view::npos ? std::string_view()
                                            : uri.substr(user_end + 1, at - user_end - 1);
}

std::string mask_passwords(std::string_view text) {
  std::string out;
  std::size_t done = 0;
  for (auto colon = text.find(':'); colon != std::string_view::npos; colon = text.find(':', colon + 1)) {
    const std::string_view before = text.substr(done, colon - done);
    const bool is_sip = before.size() >= 3 && ascii_iequal(before.substr(before.size() - 3), "sip");
    const bool is_sips = before.size() >= 4 && ascii_iequal(before.substr(before.size() - 4), "sips");
    if (!is_sip && !is_sips) continue;
    const auto end = std::min(text.find_first_of(" \t\r\n<>\",", colon), text.size());
    const std::string_view password = password_in(text.substr(colon - 3, end - colon + 3));
    if (password.empty()) continue;
    const auto at = static_cast<std::size_t>(password.data() - text.data());
    out.append(text.substr(done, at - done)).append("***");
    done = at + password.size();
    colon = done - 1;
  }
  return out.append(text.substr(done));
}

bool SipUri::is_sip() const { return ascii_iequal(scheme, "sip"); }
bool SipUri::is_sips() const { return ascii_iequal(scheme, "sips"); }

std::optional<std::string_view> SipUri::param(std::string_view name) const {
  std::string_view rest = params;
  while (!rest.empty()) {
    const auto end = rest.find(';');
    const std::string_view one = rest.substr(0, end);
    const auto equals = one.find('=');
    if (ascii_iequal(one.substr(0, equals), name)) {
      return equals == std::string_view::npos ? std::string_view() : one.substr(equals + 1);
    }
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return std::nullopt;
}

bool is_host_name(std::string_view text) {
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  if (text.empty() || text.size() > 253) return false;
  while (true) {
    const auto dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    if (!std::all_of(label.begin(), label.end(),
                     [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; })) {
      return false;
    }
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
  }
  return true;
}

std::optional<std::string> normal_ipv6(std::string_view text) {
  in6_addr address{};
  if (text.size() >= INET6_ADDRSTRLEN || inet_pton(AF_INET6, std::string(text).c_str(), &address) != 1)
    return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> out{};
  return inet_ntop(AF_INET6, &address, out.data(), out.size());
}

void append_host_port(std::string& out, std::string_view host, uint16_t port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  if (v6) out += '[';
  out += host;
  if (v6) out += ']';
  if (port == 0) return;
  std::array<char, 6> text{':'};
  out.append(text.data(), std::to_chars(text.data() + 1, text.data() + text.size(), port).ptr);
}

std::string host_port(std::string_view host, uint16_t port) {
  std::string out;
  append_host_port(out, host, port);
  return out;
}

Result<SipUri> parse_sip_uri(std::string_view text) {
  SipUri uri;
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || !is_scheme(text.substr(0, colon))) return error("no URI scheme");
  if (std::any_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '<' || c == '>' || c == '"';
      })) {
    return error("a character that no URI may hold");
  }
  uri.scheme = text.substr(0, colon);
  std::string_view rest = text.substr(colon + 1);
  if (!uri.is_sip() && !uri.is_sips()) {
    uri.opaque = rest;
    return uri;
  }
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    uri.has_user = true;
    uri.user = rest.substr(0, at);
    if (const auto sep = uri.user.find(':'); sep != std::string_view::npos) {
      uri.password = uri.user.substr(sep + 1);
      uri.user = uri.user.substr(0, sep);
    }
    if (uri.user.empty()) return error("empty user part before @");
    if (!escapes_are_well_formed(uri.user))
      return error("a % in the user part without two hexadecimal digits");
    if (!std::all_of(uri.user.begin(), uri.user.end(), is_user_char))
      return error("a character that no user part may hold");
    rest.remove_prefix(at + 1);
  }
  std::size_t host_end = 0;
  if (!rest.empty() && rest[0] == '[') {
    host_end = rest.find(']');
    if (host_end == std::string_view::npos) return error("[ without ] in the host");
    uri.host = rest.substr(1, host_end - 1);
    uri.ipv6 = true;
    if (!normal_ipv6(uri.host)) return error("not an IPv6 address between [ and ]");
    ++host_end;
  } else {
    host_end = std::min(rest.find_first_of(":;?"), rest.size());
    uri.host = rest.substr(0, host_end);
    if (!is_host_name(uri.host)) return error("not a host name");
  }
  rest.remove_prefix(host_end);
  if (!rest.empty() && rest[0] == ':') {
    const auto end = std::min(rest.find_first_of(";?"), rest.size());
    const auto port = parse_number(rest.substr(1, end - 1), 1, 65535);
    if (!port) return error("not a port number");
    uri.port = static_cast<uint16_t>(*port);
    rest.remove_prefix(end);
  }
  if (const auto question = rest.find('?'); question != std::string_view::npos) {
    uri.headers = rest.substr(question + 1);
    rest = rest.substr(0, question);
  }
  if (!rest.empty()) {
    if (rest[0] != ';') return error("junk behind the host");
    uri.params = rest.substr(1);
  }
  return uri;
}

}  // namespace stox
