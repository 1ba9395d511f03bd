#include "sip_front/presence/device_uri.h"

#include "common/base/sip_uri.h"

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

}  // namespace stox
