#include "common/base/addressing.h"

#include "common/base/sip_uri.h"
#include "common/base/text.h"

namespace stox {

std::optional<std::string> phone_number(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '+' && out.empty()) {
      out += c;
    } else if (c >= '0' && c <= '9') {
      out += c;
    } else if (std::string_view("-.() ").find(c) == std::string_view::npos) {
      return std::nullopt;
    }
  }
  if (out.empty() || out == "+") return std::nullopt;
  return out;
}

std::string address_key(std::string_view address) {
  if (const auto uri = parse_sip_uri(address); uri && !uri->host.empty()) {
    const std::string user = percent_decode(uri->user).value_or(std::string(uri->user));
    return ascii_lower(user + "@" + host_port(uri->host, uri->port));
  }
  return ascii_lower(address.substr(0, address.find('/')));
}

std::string_view xmpp_domain_in(std::string_view address_key, char domain_separator) {
  const std::string_view user = address_key.substr(0, address_key.rfind('@'));
  const auto at = user.rfind(domain_separator);
  return at == std::string_view::npos ? std::string_view() : user.substr(at + 1);
}

std::optional<std::string> refuse_separator(std::string_view separator) {
  if (separator.size() != 1) return "it must be exactly one ASCII character, such as *";
  const char c = separator[0];
  if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f)
    return "it must be a printable ASCII character, such as *";
  const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  if (alphanumeric || std::string_view("-._:[]").find(c) != std::string_view::npos)
    return "host names, ports and IPv6 addresses may hold it; take a character that they cannot hold, such "
           "as *";
  if (std::string_view("@&'/\"<>\\").find(c) != std::string_view::npos)
    return "an XMPP address can hold it only escaped (XEP-0106); take another character, such as *";
  return std::nullopt;
}

bool domain_matches(std::string_view pattern, std::string_view domain) {
  if (pattern == "*") return true;
  if (!pattern.starts_with("*.")) return pattern == domain;
  return domain.size() >= pattern.size() && domain.ends_with(pattern.substr(1));
}

std::string conversation_key(std::string_view sender, std::string_view recipient) {
  return conversation_of_keys(address_key(sender), address_key(recipient));
}

std::string conversation_of_keys(std::string sender, std::string_view recipient) {
  return std::move(sender.append(" ").append(recipient));
}

}  // namespace stox
