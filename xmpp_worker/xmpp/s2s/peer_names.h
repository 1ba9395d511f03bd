// For whom a peer's certificate stands (RFC 6120 13.7.1.2, RFC 6125): the XMPP domain that we want to talk
// to, never the name of the host that SRV records led to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace stox::xmpp {

// What TLS has found out about the peer.
struct PeerNames {
  bool present = false;      // it has shown a certificate
  bool valid = false;        // signed by whom we trust, and of this time
  std::string problem = {};  // while not valid: why, for people
  std::string subject = {};  // for people
  std::vector<std::string> dns = {};
  std::vector<std::string> srv_names = {};   // id-on-dnsSRV
  std::vector<std::string> xmpp_addrs = {};  // id-on-xmppAddr
};

// The names alone; common names do not count. `domain`: prepared.
bool has_name(const PeerNames&, std::string_view domain);
inline bool stands_for(const PeerNames& peer, std::string_view domain) {
  return peer.valid && has_name(peer, domain);
}
// Why it does not, for people.
std::string why_not(const PeerNames&, std::string_view domain);

}  // namespace stox::xmpp
