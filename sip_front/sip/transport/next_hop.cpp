#include "sip_front/sip/transport/next_hop.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "sip_front/sip/message/parser.h"

namespace stox::sip {
namespace {

// 18.1.1: over this a request must not go by UDP while the path's MTU is unknown, unless TCP is refused.
constexpr std::size_t kLargestForUdp = 1300;
constexpr std::size_t kMaxServices = 8, kMaxServers = 16;  // looked at, of what a domain lists

struct Target {
  std::string host;
  uint16_t port = 0;                   // 0: none given
  std::optional<Transport> transport;  // as given
};

Result<Target> target_of(std::string_view text) {
  const auto uri = parse_sip_uri(text);
  if (!uri) return error("\"" + std::string(text) + "\" is no SIP URI: " + uri.error().text);
  if (!uri->is_sip())
    return error("cannot send to \"" + std::string(uri->scheme) + ":\": only sip: is supported");
  Target out{std::string(uri->host), uri->port, {}};
  if (const auto maddr = uri->param("maddr"); maddr && !maddr->empty()) {
    const bool brackets = maddr->starts_with('[') && maddr->ends_with(']');
    out.host = brackets ? maddr->substr(1, maddr->size() - 2) : *maddr;
  }
  const auto transport = uri->param("transport");
  if (!transport) return out;
  for (const Transport known : {Transport::kUdp, Transport::kTcp, Transport::kTls}) {
    if (ascii_iequal(*transport, name_of(known))) out.transport = known;
  }
  if (!out.transport)
    return error("transport \"" + std::string(*transport) + "\" is not supported: use udp, tcp or tls");
  return out;
}

// Where SRV records stand.
struct Service {
  Transport transport;
  std::string name;
};
struct Server {
  Transport transport;
  std::string host;
  uint16_t port;
};

std::string_view prefix_of(Transport transport) {
  switch (transport) {
    case Transport::kUdp:
      return "_sip._udp.";
    case Transport::kTcp:
      return "_sip._tcp.";
    case Transport::kTls:
      break;
  }
  return "_sips._tcp.";
}

// RFC 3263 4.1: those we can use, of the lowest order that has any, best preference first.
std::vector<Service> services_in(std::vector<net::NaptrRecord> records) {
  std::stable_sort(records.begin(), records.end(), [](const auto& a, const auto& b) {
    return std::pair(a.order, a.preference) < std::pair(b.order, b.preference);
  });
  std::vector<Service> out;
  std::optional<uint16_t> order;
  for (const net::NaptrRecord& record : records) {
    if (order && record.order != *order) break;
    if (!ascii_iequal(record.flags, "s") || record.replacement.empty() || record.replacement == ".") continue;
    std::optional<Transport> transport;
    if (ascii_iequal(record.service, "SIP+D2U")) transport = Transport::kUdp;
    if (ascii_iequal(record.service, "SIP+D2T")) transport = Transport::kTcp;
    if (ascii_iequal(record.service, "SIPS+D2T")) transport = Transport::kTls;
    if (!transport) continue;
    order = record.order;
    out.push_back({*transport, record.replacement});
  }
  return out;
}

// RFC 2782: by priority; among equals at random, with the odds of their weights.
void order_servers(std::vector<net::SrvRecord>& records, Random& random) {
  std::stable_sort(records.begin(), records.end(), [](const auto& a, const auto& b) {
    return std::pair(a.priority, a.weight) < std::pair(b.priority, b.weight);
  });
  for (auto from = records.begin(); from != records.end(); ++from) {
    const auto end =
        std::find_if(from, records.end(), [&](const auto& one) { return one.priority != from->priority; });
    uint32_t sum = 0;
    for (auto one = from; one != end; ++one) sum += one->weight;
    uint32_t left = static_cast<uint32_t>(random.next() % (uint64_t{sum} + 1));
    auto chosen = from;
    while (chosen->weight < left) left -= (chosen++)->weight;
    std::rotate(from, chosen, chosen + 1);
  }
}

// 18.1.1, which overrules even a transport=udp. Where only UDP is known, TCP to the same port is tried.
void put_reliable_first(std::vector<Hop>& hops) {
  const auto udp = std::stable_partition(hops.begin(), hops.end(),
                                         [](const Hop& hop) { return is_reliable(hop.transport); });
  if (udp != hops.begin()) return;
  std::vector<Hop> tcp = hops;
  for (Hop& hop : tcp) hop.transport = Transport::kTcp;
  hops.insert(hops.begin(), tcp.begin(), tcp.end());
}

// Of an outbound proxy whose host is an address.
std::optional<Hop> hop_of_proxy(const Target& target) {
  const Transport transport = target.transport.value_or(Transport::kUdp);
  const auto peer = Endpoint::parse(target.host, target.port != 0 ? target.port : default_port(transport));
  if (!peer) return std::nullopt;
  Hop hop{transport, *peer};
  if (transport == Transport::kTls) hop.domain = target.host;
  hop.keep = true;
  return hop;
}

// One look-up. The callback that waits for the resolver owns it, so it lives as long as there is one.
class Search : public std::enable_shared_from_this<Search> {
 public:
  // `reach`: within which addresses of the target must be; null = anywhere.
  Search(net::Resolver& resolver, Random& random, Target target, std::shared_ptr<const Reach> reach,
         bool keep, std::size_t size, std::function<void(Hops)> found)
      : resolver_(resolver),
        random_(random),
        target_(std::move(target)),
        reach_(std::move(reach)),
        keep_(keep),
        large_(size > kLargestForUdp),
        found_(std::move(found)) {}

  void begin() {
    if (Endpoint::parse(target_.host, 0) || target_.port != 0) return ask_itself();
    if (target_.transport) {
      services_ = {service(*target_.transport)};
      return ask_services(0);
    }
    resolver_.naptr(target_.host, [self = shared_from_this()](auto records) {
      // Name servers that know no NAPTR may fail in any way: that tells nothing.
      if (records) self->services_ = services_in(std::move(*records));
      if (self->services_.empty()) {
        for (const Transport transport : {Transport::kUdp, Transport::kTcp, Transport::kTls})
          self->services_.push_back(self->service(transport));
      }
      self->ask_services(0);
    });
  }

 private:
  Service service(Transport transport) const {
    return {transport, std::string(prefix_of(transport)) + target_.host};
  }

  void ask_services(std::size_t at) {
    if (at == services_.size() || at == kMaxServices || servers_.size() >= kMaxServers) {
      if (!servers_.empty()) return ask_servers(0);
      if (failure_) return found_(tl::make_unexpected(std::move(*failure_)));
      if (refused_)
        return found_(tl::make_unexpected(NoHop{true, target_.host + " says in DNS that it has no SIP"}));
      return ask_itself();
    }
    resolver_.srv(services_[at].name, [self = shared_from_this(), at](auto records) {
      self->take(self->services_[at].transport, std::move(records));
      self->ask_services(at + 1);
    });
  }

  void take(Transport transport, net::Resolved<std::vector<net::SrvRecord>> records) {
    if (!records) {
      if (records.error().kind == net::ResolveError::Kind::kFailed)
        failure_ = NoHop{false, records.error().text};
      return;
    }
    order_servers(*records, random_);
    for (const net::SrvRecord& record : *records) {
      if (record.target.empty() || record.target == ".") {
        refused_ = true;
      } else if (record.port != 0 && servers_.size() < kMaxServers) {
        servers_.push_back({transport, record.target, record.port});
      }
    }
  }

  void ask_itself() {
    const Transport transport = target_.transport.value_or(Transport::kUdp);
    failure_.reset();
    servers_ = {{transport, target_.host, target_.port != 0 ? target_.port : default_port(transport)}};
    ask_servers(0);
  }

  void ask_servers(std::size_t at) {
    if (at == servers_.size()) return finish();
    const Server& server = servers_[at];
    if (Endpoint::parse(server.host, 0)) {
      add(server, {server.host});
      return ask_servers(at + 1);
    }
    resolver_.addresses(server.host, [self = shared_from_this(), at](auto addresses) {
      if (addresses) {
        self->add(self->servers_[at], *addresses);
      } else if (!self->failure_ || self->failure_->permanent) {
        self->failure_ =
            NoHop{addresses.error().kind != net::ResolveError::Kind::kFailed, addresses.error().text};
      }
      self->ask_servers(at + 1);
    });
  }

  void add(const Server& server, const std::vector<std::string>& addresses) {
    for (const std::string& address : addresses) {
      const auto peer = Endpoint::parse(address, server.port);
      if (!peer) continue;
      if (reach_ && !reach_->allows(target_.host, *peer)) {
        inner_ = address;
        continue;
      }
      Hop hop{server.transport, *peer};
      if (server.transport == Transport::kTls) hop.domain = target_.host;
      hop.keep = keep_;
      hop.unlisted = reach_ && !reach_->lists(target_.host);
      hops_.push_back(std::move(hop));
    }
  }

  void finish() {
    if (hops_.empty() && !inner_.empty()) {
      return found_(tl::make_unexpected(NoHop{
          true, target_.host + " is at " + inner_ +
                    ", which is no public address; if it is meant, add the host to gateway.sip_domains"}));
    }
    if (hops_.empty())
      return found_(tl::make_unexpected(failure_.value_or(NoHop{true, target_.host + " has no address"})));
    if (large_) put_reliable_first(hops_);
    found_(std::move(hops_));
  }

  net::Resolver& resolver_;
  Random& random_;
  Target target_;
  std::shared_ptr<const Reach> reach_;
  bool keep_;  // connections to what is found
  bool large_;
  std::function<void(Hops)> found_;
  std::vector<Service> services_;
  std::vector<Server> servers_;
  std::vector<Hop> hops_;
  std::string inner_;  // an address that may not be sent to
  std::optional<NoHop> failure_;
  bool refused_ = false;  // a service with the target "." (RFC 2782)
};

}  // namespace

std::string uri_of_sent_by(std::string_view response, Transport transport) {
  const SentBy client = sent_by_of(response);
  if (client.host.empty() || Endpoint::parse(client.host, 0)) return {};
  std::string out = "sip:";
  out += client.port != 0 ? host_port(client.host, client.port) : client.host;
  return out += transport == Transport::kTls ? ";transport=tls" : ";transport=tcp";
}

Result<NextHop> NextHop::create(net::Resolver& resolver, Random& random, std::string_view outbound_proxy,
                                Reach reach) {
  NextHop out(resolver, random, outbound_proxy, std::move(reach));
  if (!outbound_proxy.empty()) {
    const auto target = target_of(outbound_proxy);
    if (!target) return error("gateway.outbound_proxy: " + target.error().text);
    out.proxy_hop_ = hop_of_proxy(*target);
  }
  return out;
}

void NextHop::find(std::string_view request_uri, std::size_t size, std::function<void(Hops)> found,
                   Chosen chosen) const {
  look(request_uri, size, std::move(found), chosen, !outbound_proxy_.empty());
}

void NextHop::find_route(std::string_view uri, std::size_t size, std::function<void(Hops)> found,
                         Chosen chosen) const {
  look(uri, size, std::move(found), chosen, false);
}

void NextHop::look(std::string_view uri_text, std::size_t size, std::function<void(Hops)> found,
                   Chosen chosen, bool by_proxy) const {
  const bool guarded = chosen == Chosen::kByAnybody;
  if (by_proxy && proxy_hop_ && (!guarded || reach_->has_all())) {
    std::vector<Hop> hops{*proxy_hop_};
    if (size > kLargestForUdp) put_reliable_first(hops);
    return found(std::move(hops));
  }
  auto target = target_of(by_proxy ? outbound_proxy_ : uri_text);
  if (!target) return found(tl::make_unexpected(NoHop{true, target.error().text}));
  if (guarded) {
    const auto uri = parse_sip_uri(uri_text);
    const std::string_view host = uri ? uri->host : std::string_view();
    if (!reach_->has(host) || (!by_proxy && !reach_->has(target->host))) {  // these differ by a maddr
      return found(
          tl::make_unexpected(NoHop{true, std::string(host) + " is none of gateway.sip_domains", true}));
    }
  }
  std::make_shared<Search>(*resolver_, *random_, std::move(*target), guarded && !by_proxy ? reach_ : nullptr,
                           by_proxy, size, std::move(found))
      ->begin();
}

std::string NextHop::route() const {
  const auto uri = parse_sip_uri(outbound_proxy_);
  return uri && uri->param("lr") ? outbound_proxy_ : std::string();
}

}  // namespace stox::sip
