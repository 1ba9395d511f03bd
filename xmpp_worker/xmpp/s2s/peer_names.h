// For whom a peer's certificate stands (RFC 6120 13.7.1.2, RFC 6125): the XMPP domain that we want to talk
// to, never the name of the host that SRV records led to.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace stox::xmpp {

// Names, one behind the other: a short one would take ten times its bytes as a string of its own, and a peer
// that has not proved anything may have shown hundreds.
class NameList {
 public:
  NameList() = default;
  NameList(std::initializer_list<std::string> names) : NameList(std::vector<std::string>(names)) {}
  NameList(const std::vector<std::string>& names);  // but those that hold a NUL

  // Whether it is so for any of them; asks until it is.
  template <class Matches>
  bool any(Matches matches) const {
    for (std::string_view rest = joined_; !rest.empty();) {
      const std::string_view name = rest.substr(0, rest.find('\0'));
      if (matches(name)) return true;
      rest.remove_prefix(name.size() + 1);
    }
    return false;
  }

 private:
  std::string joined_;  // a NUL behind each
};

// What TLS has found out about the peer.
struct PeerNames {
  bool present = false;      // it has shown a certificate
  bool valid = false;        // signed by whom we trust, and of this time
  std::string problem = {};  // while not valid: why, for people
  std::string subject = {};  // for people
  NameList dns = {};
  NameList srv_names = {};   // id-on-dnsSRV
  NameList xmpp_addrs = {};  // id-on-xmppAddr
};

// The names alone; common names do not count. `domain`: prepared.
bool has_name(const PeerNames&, std::string_view domain);
inline bool stands_for(const PeerNames& peer, std::string_view domain) {
  return peer.valid && has_name(peer, domain);
}
// Why it does not, for people.
std::string why_not(const PeerNames&, std::string_view domain);

}  // namespace stox::xmpp
