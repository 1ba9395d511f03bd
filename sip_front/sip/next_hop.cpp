#include "sip_front/sip/next_hop.h"

#include "common/base/sip_uri.h"
#include "common/base/text.h"

namespace stox::sip {
namespace {

// 18.1.1: over this a request must not go by UDP while the path's MTU is unknown, unless TCP is refused.
constexpr std::size_t kLargestForUdp = 1300;

struct Target {
  std::string host;
  uint16_t port;
  std::vector<Transport> transports;  // best first
};

Result<Target> target_of(std::string_view text, std::size_t size) {
  const auto uri = parse_sip_uri(text);
  if (!uri) return error("\"" + std::string(text) + "\" is no SIP URI: " + uri.error().text);
  if (!uri->is_sip())
    return error("cannot send to \"" + std::string(uri->scheme) + ":\": only sip: is supported");
  Target out{std::string(uri->host), uri->port != 0 ? uri->port : uint16_t{5060}, {}};
  if (const auto transport = uri->param("transport")) {
    if (ascii_iequal(*transport, "udp")) {
      out.transports = {Transport::kUdp};
    } else if (ascii_iequal(*transport, "tcp")) {
      out.transports = {Transport::kTcp};
    } else {
      return error("transport \"" + std::string(*transport) + "\" is not supported: use udp or tcp");
    }
  } else if (size > kLargestForUdp) {
    out.transports = {Transport::kTcp, Transport::kUdp};
  } else {
    out.transports = {Transport::kUdp};
  }
  return out;
}

std::vector<Hop> hops_to(const Target& target, const std::vector<std::string>& addresses) {
  std::vector<Hop> out;
  for (const Transport transport : target.transports) {
    for (const std::string& address : addresses) {
      if (const auto peer = Endpoint::parse(address, target.port)) out.push_back({transport, *peer});
    }
  }
  return out;
}

}  // namespace

Result<NextHop> NextHop::create(net::Resolver& resolver, std::string_view outbound_proxy) {
  if (!outbound_proxy.empty()) {
    if (const auto target = target_of(outbound_proxy, 0); !target)
      return error("gateway.outbound_proxy: " + target.error().text);
  }
  return NextHop(resolver, outbound_proxy);
}

void NextHop::find(std::string_view request_uri, std::size_t size, std::function<void(Hops)> found) const {
  auto target = target_of(outbound_proxy_.empty() ? request_uri : outbound_proxy_, size);
  if (!target) return found(tl::make_unexpected(NoHop{true, target.error().text}));
  if (Endpoint::parse(target->host, target->port)) return found(hops_to(*target, {target->host}));
  const std::string host = target->host;
  resolver_->addresses(host, [found = std::move(found),
                              target = std::move(*target)](net::Resolved<std::vector<std::string>> answer) {
    if (!answer) {
      const bool permanent = answer.error().kind != net::ResolveError::Kind::kFailed;
      return found(tl::make_unexpected(NoHop{permanent, answer.error().text}));
    }
    auto hops = hops_to(target, *answer);
    if (hops.empty()) return found(tl::make_unexpected(NoHop{true, target.host + " has no address"}));
    found(std::move(hops));
  });
}

}  // namespace stox::sip
