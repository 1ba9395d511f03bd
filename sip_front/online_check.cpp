#include "sip_front/online_check.h"

#include <fmt/format.h>
#include <unistd.h>

#include "common/base/shortened.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "sip_front/front_config.h"

namespace stox {
namespace {

using service::Finding;
using Kind = Finding::Kind;

constexpr uint16_t kDefaultPort = 5060, kDefaultTlsPort = 5061;

void check_listens(const service::SipFrontConfig& section, bool runs, std::vector<Finding>* out) {
  using Transport = service::ListenConfig::Transport;
  for (const service::ListenConfig& listen : section.listen) {
    const bool udp = listen.transport == Transport::kUdp;
    const std::string name = fmt::format("{}:{}",
                                         udp                                   ? "udp"
                                         : listen.transport == Transport::kTls ? "tls"
                                                                               : "tcp",
                                         host_port(listen.address, listen.port));
    if (runs) {
      out->push_back({Kind::kOk, name + " is this process's, which runs"});
    } else if (const auto free = service::try_bind(listen.address, listen.port, udp); free) {
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

void check_proxy(const std::string& uri, std::vector<Finding>* out) {
  const auto proxy = parse_sip_uri(uri);
  if (!proxy) return;  // the configuration says so
  const std::string wanted = ascii_lower(proxy->param("transport").value_or("udp"));
  const bool udp = wanted == "udp";
  const bool tls = wanted == "tls" || proxy->is_sips();
  const uint16_t port = proxy->port != 0 ? proxy->port : tls ? kDefaultTlsPort : kDefaultPort;
  const std::string host(proxy->host);
  auto probe = service::Probe::connect(host, port, udp);
  if (!probe) {
    out->push_back({Kind::kFailure, "outbound_proxy cannot be reached: " + probe.error().text,
                    "start the proxy, or mend gateway.outbound_proxy"});
    return;
  }
  if (tls) {
    out->push_back(
        {Kind::kOk, "outbound_proxy takes connections at " + probe->peer() + "; TLS was not tried"});
    return;
  }
  const auto sent = probe->send(options_request(*proxy, probe->own_address(), udp ? "UDP" : "TCP"));
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

}  // namespace

std::vector<Finding> check_online(const service::Config& config, const service::Identity& identity,
                                  bool runs) {
  std::vector<Finding> out;
  const service::SipFrontConfig* section = find_section(config, identity.section);
  if (section == nullptr) return out;
  check_listens(*section, runs, &out);
  if (!config.gateway.outbound_proxy.empty()) check_proxy(config.gateway.outbound_proxy, &out);
  if (const auto found = service::look_up(config.gateway.gateway_domain); found) {
    out.push_back({Kind::kOk, fmt::format("gateway_domain {} has the address {}",
                                          config.gateway.gateway_domain, found->front())});
  } else {
    out.push_back({Kind::kWarning, "gateway_domain is not in DNS: " + found.error().text,
                   "needed only where SIP servers find it by DNS; a proxy that forwards it does without"});
  }
  return out;
}

}  // namespace stox
