// Where requests of ours may go, as far as XMPP users choose it (gateway.sip_domains). A pure judgement in
// two steps: whom they may write to, by the host of the Request-URI, and, after resolving, whether that host
// may be at this address. Without it anybody on XMPP could have the gateway send to the machines beside it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "sip_front/sip/message/flow.h"
#include "sip_front/sip/policy/networks.h"

namespace stox::sip {

// Whether this is a unicast address of the public Internet: not loopback, private (RFC 1918, 4193, 6598),
// link-local, multicast, unspecified or reserved, nor one of these written into an IPv6 address.
bool is_public(const Endpoint&);

class Reach {
 public:
  // Everybody, at public addresses.
  Reach() = default;
  // Of names, "*.NAME", addresses and networks, in any case; an empty list is everybody.
  static Result<Reach> create(const std::vector<std::string>& sip_domains);

  // Whether the operator has named this host (a name or an address, IPv6 without brackets).
  bool lists(std::string_view host) const;
  // Whether XMPP users may write to this host.
  bool has(std::string_view host) const { return everybody_ || lists(host); }
  // Whether they may write to any host.
  bool has_all() const { return everybody_; }
  // Whether a request for this host may go to this address of it. Hosts that are listed may be anywhere.
  bool allows(std::string_view host, const Endpoint& address) const {
    return is_public(address) || networks_.contain(address) || lists(host);
  }

 private:
  bool everybody_ = true;
  std::vector<std::string> names_;  // patterns, in lower case
  Networks networks_;
};

}  // namespace stox::sip
