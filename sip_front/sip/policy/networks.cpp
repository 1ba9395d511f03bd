#include "sip_front/sip/policy/networks.h"

#include <algorithm>
#include <cstring>

#include "common/base/text.h"

namespace stox::sip {

Result<Networks> Networks::parse(const std::vector<std::string>& texts) {
  Networks out;
  for (const std::string& text : texts) {
    const auto slash = text.find('/');
    const auto address = Endpoint::parse(text.substr(0, slash), 0);
    const std::size_t most = address && address->v6 ? 128 : 32;
    const auto bits =
        slash == std::string::npos ? most : parse_number(std::string_view(text).substr(slash + 1), 0, most);
    if (!address || !bits) return error("\"" + text + "\" is no network: write ADDRESS or ADDRESS/BITS");
    out.networks_.push_back({*address, static_cast<std::size_t>(*bits)});
  }
  return out;
}

bool Networks::contain(const Endpoint& endpoint) const {
  return std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
    if (network.address.v6 != endpoint.v6) return false;
    const std::size_t whole = network.bits / 8;
    if (std::memcmp(network.address.ip.data(), endpoint.ip.data(), whole) != 0) return false;
    if (network.bits % 8 == 0) return true;
    const int differing = network.address.ip[whole] ^ endpoint.ip[whole];
    return differing >> (8 - network.bits % 8) == 0;
  });
}

}  // namespace stox::sip
