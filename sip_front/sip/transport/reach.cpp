#include "sip_front/sip/transport/reach.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "common/base/addressing.h"
#include "common/base/text.h"

namespace stox::sip {
namespace {

// What RFC 6890 does not call globally reachable, as far as it could be somebody's network; and multicast.
const Networks& inner_networks() {
  static const Networks kInner = *Networks::parse({
      "0.0.0.0/8",       // this host
      "10.0.0.0/8",      // private
      "100.64.0.0/10",   // behind a carrier's NAT
      "127.0.0.0/8",     // loopback
      "169.254.0.0/16",  // link-local
      "172.16.0.0/12",   // private
      "192.0.0.0/24",    // of the IETF's protocols
      "192.168.0.0/16",  // private
      "198.18.0.0/15",   // test networks
      "224.0.0.0/3",     // multicast, reserved, broadcast
      "::/96",           // unspecified, loopback, IPv4-compatible
      "::ffff:0:0/96",   // IPv4-mapped
      "64:ff9b:1::/48",  // a local NAT64
      "100::/64",        // discarded
      "fc00::/7",        // unique local
      "fe80::/10",       // link-local
      "fec0::/10",       // site-local
      "ff00::/8",        // multicast
  });
  return kInner;
}

// An IPv4 address that stands in an IPv6 one, to which a router translates it, from this byte on; 0: none.
std::size_t embedded_at(const Endpoint& v6) {
  static constexpr std::array<uint8_t, 12> kNat64 = {0, 0x64, 0xff, 0x9b};  // RFC 6052
  if (std::equal(kNat64.begin(), kNat64.end(), v6.ip.begin())) return 12;
  return v6.ip[0] == 0x20 && v6.ip[1] == 0x02 ? 2 : 0;  // 6to4, RFC 3056
}

std::string_view without_last_dot(std::string_view name) {
  if (name.size() > 1 && name.ends_with('.')) name.remove_suffix(1);
  return name;
}

}  // namespace

bool is_public(const Endpoint& endpoint) {
  if (inner_networks().contain(endpoint)) return false;
  const std::size_t at = endpoint.v6 ? embedded_at(endpoint) : 0;
  if (at == 0) return true;
  Endpoint v4;
  std::memcpy(v4.ip.data(), &endpoint.ip[at], 4);
  return is_public(v4);
}

Result<Reach> Reach::create(const std::vector<std::string>& sip_domains) {
  Reach out;
  out.everybody_ = sip_domains.empty();
  std::vector<std::string> networks;
  for (const std::string& one : sip_domains) {
    if (Endpoint::parse(one.substr(0, one.find('/')), 0)) {
      networks.push_back(one);
    } else {
      out.names_.push_back(ascii_lower(without_last_dot(one)));
    }
  }
  auto parsed = Networks::parse(networks);
  if (!parsed) return error("gateway.sip_domains: " + parsed.error().text);
  out.networks_ = std::move(*parsed);
  return out;
}

bool Reach::lists(std::string_view host) const {
  if (const auto address = Endpoint::parse(host, 0)) return networks_.contain(*address);
  const std::string name = ascii_lower(without_last_dot(host));
  return std::any_of(names_.begin(), names_.end(),
                     [&](const std::string& pattern) { return domain_matches(pattern, name); });
}

}  // namespace stox::sip
