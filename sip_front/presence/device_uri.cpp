#include "sip_front/presence/device_uri.h"

#include <algorithm>
#include <cctype>

#include "common/base/sip_uri.h"
#include "common/base/text.h"

namespace stox {

std::string_view device_in(std::string_view uri) {
  const auto parsed = parse_sip_uri(uri);
  return parsed ? parsed->param("gr").value_or("") : std::string_view();
}

std::string without_device(std::string_view uri) {
  std::string out(uri);
  const std::string_view device = device_in(uri);
  if (device.empty()) return out;
  const auto from = uri.rfind(';', static_cast<std::size_t>(device.data() - uri.data()));
  return out.erase(from, static_cast<std::size_t>(device.data() - uri.data()) + device.size() - from);
}

std::string xmpp_domain_of(std::string_view uri) {
  const auto parsed = parse_sip_uri(uri);
  if (!parsed) return {};
  const auto is_of_domain = [](char c) {
    return c == '.' || c == '-' || std::isalnum(static_cast<unsigned char>(c)) != 0;
  };
  const auto begin = std::find_if_not(parsed->user.rbegin(), parsed->user.rend(), is_of_domain).base();
  const std::string_view tail = parsed->user.substr(static_cast<std::size_t>(begin - parsed->user.begin()));
  return ascii_lower(tail.find('.') == std::string_view::npos ? parsed->host : tail);
}

}  // namespace stox
