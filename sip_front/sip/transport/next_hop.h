// Where a request goes (RFC 3263 section 4): from the outbound proxy or the Request-URI to transports and
// addresses, best first.
//
//   name alone       -> NAPTR: services, best first; none: UDP, TCP, TLS  -> SRV, as below
//   with a transport -> SRV: servers by priority and weight; none: itself -> A, AAAA
//   with a port      -> A, AAAA
//   an address       -> itself
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/net/resolver.h"
#include "sip_front/sip/message/flow.h"
#include "sip_front/sip/message/random.h"
#include "sip_front/sip/transport/reach.h"

namespace stox::sip {

struct NoHop {
  bool permanent = false;  // no such name or address; otherwise the name servers did not answer
  std::string text;        // for the operator
  bool refused = false;    // the host is none of gateway.sip_domains, and was not looked up
};

// Of a response over a reliable transport whose connections fail: the URI to find hops for (RFC 3263 5, RFC
// 3261 18.2.2), from the sent-by of its top Via. Empty: that is no name.
std::string uri_of_sent_by(std::string_view response, Transport);

using Hops = tl::expected<std::vector<Hop>, NoHop>;  // a value holds one hop at least

class NextHop {
 public:
  // Who has chosen where to go: somebody on XMPP or a SIP peer whom nobody vouches for, who may choose within
  // Reach only, or a peer that is `trusted`.
  enum class Chosen { kByAnybody, kByTrusted };

  // `outbound_proxy`: a SIP URI through which everything goes, wherever it resolves, or empty. The resolver
  // and what picks among servers of one priority must outlive this.
  static Result<NextHop> create(net::Resolver&, Random&, std::string_view outbound_proxy, Reach = {});

  // For a request of `size` bytes: the one judgement of where requests go, for Request-URIs, Contacts and
  // Routes alike. What is answered without DNS is answered from inside the call.
  void find(std::string_view request_uri, std::size_t size, std::function<void(Hops)>,
            Chosen = Chosen::kByAnybody) const;
  // The same for the first route of a dialog, past the outbound proxy (RFC 3261 12.2.1.1).
  void find_route(std::string_view uri, std::size_t size, std::function<void(Hops)>, Chosen) const;

  const Reach& reach() const { return *reach_; }

  // What requests carry as Route (8.1.2, 20.34): the outbound proxy, if it says that it is a loose router
  // (;lr). Empty: none.
  std::string route() const;

 private:
  NextHop(net::Resolver& resolver, Random& random, std::string_view outbound_proxy, Reach reach)
      : resolver_(&resolver),
        random_(&random),
        outbound_proxy_(outbound_proxy),
        reach_(std::make_shared<const Reach>(std::move(reach))) {}

  void look(std::string_view uri, std::size_t size, std::function<void(Hops)>, Chosen, bool by_proxy) const;

  net::Resolver* resolver_;
  Random* random_;
  std::string outbound_proxy_;
  std::optional<Hop> proxy_hop_;        // if its host is an address, so that there is nothing to look up
  std::shared_ptr<const Reach> reach_;  // of those that are being looked for, too
};

}  // namespace stox::sip
