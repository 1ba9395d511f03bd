#include "sip_front/online_check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "common/base/shortened.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/service/config_values.h"
#include "common/service/lookup.h"
#include "common/service/own_certificate.h"
#include "sip_front/front_config.h"
#include "sip_front/sip/policy/tls_identity.h"

namespace stox {
namespace {

using service::Finding;
using Kind = Finding::Kind;

constexpr uint16_t kDefaultPort = 5060, kDefaultTlsPort = 5061;

using Transport = service::ListenConfig::Transport;

std::string name_of(const service::ListenConfig& listen) {
  const char* const transport = listen.transport == Transport::kUdp   ? "udp"
                                : listen.transport == Transport::kTls ? "tls"
                                                                      : "tcp";
  return fmt::format("{}:{}", transport, host_port(listen.address, listen.port));
}

// Another section that wants the same address; null: none does.
const service::SipFrontConfig* also_at(const service::Config& config, const service::SipFrontConfig& own,
                                       const service::ListenConfig& listen) {
  const auto same = [&](const service::ListenConfig& other) {
    return (other.transport == Transport::kUdp) == (listen.transport == Transport::kUdp) &&
           other.address == listen.address && other.port == listen.port && listen.port != 0;
  };
  for (const auto& front : config.sip_fronts) {
    if (front.name != own.name && std::any_of(front.listen.begin(), front.listen.end(), same)) return &front;
  }
  return nullptr;
}

void check_listens(const service::Config& config, const service::SipFrontConfig& section, bool runs,
                   std::vector<Finding>* out) {
  for (const service::ListenConfig& listen : section.listen) {
    const std::string name = name_of(listen);
    if (runs) {
      out->push_back({Kind::kOk, name + " is this process's, which runs"});
      continue;
    }
    if (const auto* other = also_at(config, section, listen)) {  // one file may be for several hosts
      out->push_back({Kind::kWarning, fmt::format("{} is an address of sip_front {}, too", name, other->name),
                      "if both are to run on this host, give each its own port"});
    }
    if (const auto free = service::try_bind(listen.address, listen.port, listen.transport == Transport::kUdp);
        free) {
      out->push_back({Kind::kOk, name + " is free"});
    } else {
      out->push_back({Kind::kFailure, "cannot listen: " + free.error().text,
                      "end what uses it, choose another address, or a port above 1023"});
    }
  }
}

std::string options_request(const SipUri& proxy, const std::string& own, const char* transport) {
  const std::string tag =
      fmt::format("{:x}{:x}", static_cast<unsigned>(getpid()), static_cast<unsigned>(time(nullptr)));
  return fmt::format(
      "OPTIONS sip:{0} SIP/2.0\r\nVia: SIP/2.0/{1} {2};branch=z9hG4bK{3};rport\r\nMax-Forwards: 0\r\n"
      "From: <sip:doctor@{2}>;tag={3}\r\nTo: <sip:{0}>\r\nCall-ID: {3}@doctor\r\nCSeq: 1 OPTIONS\r\n"
      "Content-Length: 0\r\n\r\n",
      host_port(proxy.host, proxy.port), transport, own, tag);
}

struct Proxy {
  SipUri uri;
  std::string host;
  bool udp, tls;
};

std::optional<Proxy> proxy_of(const service::Config& config) {
  const auto uri = parse_sip_uri(config.gateway.outbound_proxy);
  if (config.gateway.outbound_proxy.empty() || !uri) return std::nullopt;  // the configuration says so
  const std::string transport = ascii_lower(uri->param("transport").value_or("udp"));
  const bool tls = transport == "tls" || uri->is_sips();
  return Proxy{*uri, std::string(uri->host), transport == "udp" && !tls, tls};
}

// As the front does it: false, and the finding, if it would not send anything there.
bool start_tls(const service::SipFrontConfig& section, const Proxy& proxy, service::Probe& probe,
               std::vector<Finding>* out) {
  const auto seen = probe.start_tls(section.tls, service::is_address(proxy.host) ? "" : proxy.host);
  if (!seen) {
    out->push_back(
        {Kind::kFailure, fmt::format("outbound_proxy {} takes no TLS: {}", probe.peer(), seen.error().text),
         "is it the port for TLS? Its log says more; it may ask for a certificate that it trusts"});
    return false;
  }
  const auto why = sip::why_not(*seen, proxy.host, make_allow_wildcard(section));
  if (!why) return true;
  out->push_back({Kind::kFailure,
                  fmt::format("outbound_proxy {} is not believed: {}", probe.peer(), shortened(*why, 400)),
                  "name the authority of the proxy's certificate in sip_front.tls.ca, and the proxy in "
                  "gateway.outbound_proxy as its certificate does"});
  return false;
}

// ADDRESS:PORT as Probe::peer() has it.
std::optional<sip::Endpoint> endpoint_of(const std::string& peer) {
  const std::size_t colon = peer.rfind(':');
  std::string ip = peer.substr(0, colon);
  if (ip.starts_with('[')) ip = ip.substr(1, ip.size() - 2);
  return sip::Endpoint::parse(
      ip, static_cast<uint16_t>(parse_number(peer.substr(colon + 1), 0, 65'535).value_or(0)));
}

// It sends us what its users write, from where we reach it.
void check_trust(const service::Config& config, const service::SipFrontConfig& section,
                 const std::string& proxy, std::vector<Finding>* out) {
  const auto policy = make_policy(config, section, make_listens(section));
  const auto from = endpoint_of(proxy);
  if (!policy || !from || !policy->trusted.certificates.empty()) return;
  bool trusted = policy->trusted.networks.contain(*from);
  for (const auto& [listener, trust] : policy->trusted_at)
    trusted = trusted || trust.networks.contain(*from) || !trust.certificates.empty();
  if (trusted) return;
  std::string ip;
  from->append_ip(ip);
  out->push_back(
      {Kind::kWarning,
       fmt::format("the outbound proxy's address {} is not in trusted: what it sends gets 403", ip),
       fmt::format("trusted = [\"{}\"], unless it sends from another address", ip)});
}

bool is_own(const service::SipFrontConfig& section, const std::string& peer, bool udp) {
  return std::any_of(section.listen.begin(), section.listen.end(), [&](const service::ListenConfig& listen) {
    return (listen.transport == Transport::kUdp) == udp && host_port(listen.address, listen.port) == peer;
  });
}

void check_proxy(const service::Config& config, const service::SipFrontConfig& section, const Proxy& proxy,
                 std::vector<Finding>* out) {
  auto probe = service::connect_to(config.dns,
                                   {proxy.host, proxy.uri.port,
                                    proxy.udp   ? "_sip._udp"
                                    : proxy.tls ? "_sips._tcp"
                                                : "_sip._tcp",
                                    proxy.tls ? kDefaultTlsPort : kDefaultPort},
                                   proxy.udp);
  if (!probe) {
    out->push_back({Kind::kFailure, "outbound_proxy cannot be reached: " + probe.error().text,
                    "start the proxy, or mend gateway.outbound_proxy"});
    return;
  }
  if (is_own(section, probe->peer(), proxy.udp)) {
    out->push_back(
        {Kind::kFailure,
         fmt::format("outbound_proxy {} is this front itself: all requests would come back", probe->peer()),
         "gateway.outbound_proxy is the SIP proxy's address, and `listen` the gateway's own"});
    return;
  }
  check_trust(config, section, probe->peer(), out);
  if (proxy.tls && !start_tls(section, proxy, *probe, out)) return;
  const auto sent = probe->send(options_request(proxy.uri, probe->own_address(),
                                                proxy.udp   ? "UDP"
                                                : proxy.tls ? "TLS"
                                                            : "TCP"));
  const std::string answer = sent ? probe->receive("\r\n\r\n") : "";
  const std::string first = shortened(answer.substr(0, answer.find("\r\n")), 80);
  if (!sent || !answer.starts_with("SIP/2.0 ")) {
    out->push_back({Kind::kFailure,
                    fmt::format("outbound_proxy {} {} to OPTIONS", probe->peer(),
                                answer.empty() ? "says nothing" : "answers \"" + first + "\", no SIP,"),
                    "is it a SIP proxy, does its firewall let us pass, and is the transport right?"});
    return;
  }
  // Whatever it answers: it speaks SIP. 483 is usual, as the request may not be forwarded.
  out->push_back(
      {Kind::kOk, fmt::format("outbound_proxy {} answers OPTIONS: {}", probe->peer(), first.substr(8))});
}

// By the records that RFC 3263 asks for, or an address.
void check_domain(const service::Config& config, std::vector<Finding>* out) {
  const std::string& domain = config.gateway.gateway_domain;
  for (const char* const service : {"_sips._tcp.", "_sip._tcp.", "_sip._udp."}) {
    const auto records = service::look_up_services(config.dns, service + domain);
    if (!records && records.error().kind == net::ResolveError::Kind::kFailed) {
      out->push_back({Kind::kWarning, "DNS does not work: " + records.error().text,
                      "look at dns.servers, or /etc/resolv.conf where there are none: servers that are named "
                      "are not found without"});
      return;
    }
    const auto usable = service::by_priority(records.value_or(std::vector<net::SrvRecord>()));
    if (usable.empty()) continue;
    const net::SrvRecord& first = usable.front();
    const auto found = service::look_up(config.dns, first.target);
    if (!found) {
      out->push_back({Kind::kWarning,
                      fmt::format("the SRV record of {}{} leads to {}, which has no address: {}", service,
                                  domain, first.target, found.error().text),
                      "SIP servers that look there do not find the gateway: mend the record"});
    } else {
      out->push_back(
          {Kind::kOk, fmt::format("{}{} leads to {}", service, domain, host_port(first.target, first.port))});
    }
    return;
  }
  if (const auto found = service::look_up(config.dns, domain); found) {
    out->push_back({Kind::kOk, fmt::format("gateway_domain {} has the address {}", domain, found->front())});
  } else {
    out->push_back({Kind::kWarning, "gateway_domain is not in DNS: " + found.error().text,
                    "needed only where SIP servers find it by DNS; a proxy that forwards it does without"});
  }
}

}  // namespace

std::vector<Finding> check_online(const service::Config& config, const service::Identity& identity,
                                  bool runs) {
  std::vector<Finding> out;
  const service::SipFrontConfig* section = find_section(config, identity.section);
  if (section == nullptr) return out;
  check_listens(config, *section, runs, &out);
  for (Finding& finding : service::check_own_certificate(section->tls, "SIP peers"))
    out.push_back(std::move(finding));
  if (const auto proxy = proxy_of(config)) check_proxy(config, *section, *proxy, &out);
  check_domain(config, &out);
  return out;
}

}  // namespace stox
