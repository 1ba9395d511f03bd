#include "xmpp_worker/tlsa_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/net/tlsa.h"
#include "common/service/lookup.h"

namespace stox::worker {

using service::Finding;
using Kind = Finding::Kind;

Finding tlsa_finding(const TlsaSeen& seen) {
  const std::string unproven = "DNSSEC does not validate it, so nobody will look at it";
  if (!seen.fits) {
    const std::string then =
        seen.is_proven ? "servers that look at it (DANE) will not believe our certificate" : unproven;
    return {seen.is_proven && seen.is_only ? Kind::kFailure : Kind::kWarning,
            fmt::format("TLSA {} does not fit our certificate: {}", seen.name, then),
            fmt::format("{}. IN TLSA 3 1 1 {}{}", seen.name, seen.key_digest,
                        seen.is_only ? "" : ", if that host shows this certificate")};
  }
  if (!seen.is_proven)
    return {
        Kind::kWarning, fmt::format("TLSA {} fits our certificate, but {}", seen.name, unproven),
        "sign its zone and that of the SRV records; if they are signed, dns.servers must let DNSSEC pass"};
  return {Kind::kOk, fmt::format("TLSA {} fits our certificate, and DNSSEC validates it", seen.name)};
}

void check_tlsa(const service::DnsConfig& dns, const service::TlsConfig& tls, const std::string& domain,
                std::vector<Finding>* out) {
  const auto chain = net::ShownChain::read({tls.certificate, tls.key, tls.ca});
  if (!chain) return;
  const std::string service = "_xmpp-server._tcp." + domain;
  const auto services = service::look_up_services(dns, service);
  const bool has_services = services && !services->empty();
  const auto hosts = has_services ? *services : std::vector<net::SrvRecord>{{0, 0, kServerPort, domain}};
  for (const net::SrvRecord& host : hosts) {
    const std::string name = fmt::format("_{}._tcp.{}", host.port, host.target);
    const auto records = service::look_up_tlsa(dns, name);
    if (!records && records.error().kind == net::ResolveError::Kind::kFailed) {
      out->push_back({Kind::kWarning, fmt::format("TLSA {}: {}", name, records.error().text),
                      "servers that do DANE do not come while that is so: mend its name servers"});
      return;  // the others would take as long
    }
    if (!records || records->empty()) continue;
    const bool fits = std::any_of(records->begin(), records->end(),
                                  [&](const net::TlsaRecord& record) { return chain->fits(record); });
    // RFC 7673 3.1, 3.2: records that an unproven SRV record leads to count for nothing.
    const bool is_proven = service::look_up_tlsa(dns, name, true) &&
                           (!has_services || service::look_up_services(dns, service, true));
    out->push_back(tlsa_finding({name, fits, is_proven, hosts.size() == 1, chain->key_digest()}));
  }
}

}  // namespace stox::worker
