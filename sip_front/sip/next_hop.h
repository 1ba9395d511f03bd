// Where a request goes (RFC 3263 section 4): from the outbound proxy or the Request-URI to transports and
// addresses, best first.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/net/resolver.h"
#include "sip_front/sip/flow.h"

namespace stox::sip {

struct Hop {
  Transport transport = Transport::kUdp;
  Endpoint peer;
  bool operator==(const Hop&) const = default;
};

struct NoHop {
  bool permanent = false;  // no such name or address; otherwise the name servers did not answer
  std::string text;
};

using Hops = tl::expected<std::vector<Hop>, NoHop>;  // a value holds one hop at least

class NextHop {
 public:
  // `outbound_proxy`: a SIP URI through which everything goes, or empty. The resolver must outlive this.
  static Result<NextHop> create(net::Resolver&, std::string_view outbound_proxy);

  // For a request of `size` bytes. An address literal is answered from inside the call.
  void find(std::string_view request_uri, std::size_t size, std::function<void(Hops)>) const;

 private:
  NextHop(net::Resolver& resolver, std::string_view outbound_proxy)
      : resolver_(&resolver), outbound_proxy_(outbound_proxy) {}

  net::Resolver* resolver_;
  std::string outbound_proxy_;
};

}  // namespace stox::sip
