// Where a domain's server may be reached, from its SRV records: in the order of RFC 2782, those for TLS at
// once (_xmpps-server, XEP-0368) and those for STARTTLS (_xmpp-server) merged as one set.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace stox::xmpp {

struct ServerTarget {
  uint16_t priority = 0, weight = 0;
  std::string host;  // "." says that the service is not offered
  uint16_t port = 0;
  bool direct_tls = false;
  bool operator==(const ServerTarget&) const = default;
};

// Lower priorities first, within one a random order in which weights count.
void order_targets(std::vector<ServerTarget>&, std::minstd_rand&);

struct ServerTargets {
  enum class Kind {
    kOrdered,     // try these, and nothing else (RFC 6120 3.2.1)
    kNoRecords,   // try the domain's own addresses, port 5269 (3.2.2)
    kNotOffered,  // the domain says that it has no server
  } kind = Kind::kNoRecords;
  std::vector<ServerTarget> targets = {};
};

// `found`: the records of both services, in any order.
ServerTargets choose_targets(std::vector<ServerTarget> found, std::minstd_rand&);

}  // namespace stox::xmpp
