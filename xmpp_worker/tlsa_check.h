// What servers that do DANE will think of a domain of ours (RFC 7712 8): its TLSA records.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/service/config.h"
#include "common/service/probe.h"

namespace stox::worker {

constexpr uint16_t kServerPort = 5269;  // RFC 6120 3.2.2

// What was seen of one host that the domain leads to.
struct TlsaSeen {
  std::string name;        // _PORT._tcp.HOST, which has records
  bool fits;               // one of them names the certificate that we show
  bool is_proven;          // by DNSSEC, and so is the way there
  bool is_only;            // the domain leads to no other host, which might show another certificate
  std::string key_digest;  // of our certificate, for a record "3 1 1"
};
service::Finding tlsa_finding(const TlsaSeen&);

// For each host that the domain leads to and that has such records; nothing without a certificate.
void check_tlsa(const service::DnsConfig&, const service::TlsConfig&, const std::string& domain,
                std::vector<service::Finding>* out);

}  // namespace stox::worker
