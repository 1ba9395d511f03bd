// For which SIP domains a certificate stands (RFC 5922 section 7, RFC 5924).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/tls.h"

namespace stox::sip {

// id-kp-sipDomain of RFC 5924, an extended key usage that will do in place of those of TLS.
constexpr const char* kSipDomainUsage = "1.3.6.1.5.5.7.3.20";

// 7.1: the hosts of its sip: URIs without user part; only if there is none its DNS names; only if it has no
// alternative name at all its common name. A peer that was asked for by its address proves itself by that.
std::vector<std::string> sip_domains_of(const net::CertificateNames&);

// Why the peer is not `domain` (a host name or an IP address), for people: which certificate, which name.
// Nothing if it is. Wildcards are good (for one label, RFC 6125 6.4.3) only for domains that match
// `allow_wildcard`, names and *.NAME in lower case, as RFC 5922 7.2 has none.
std::optional<std::string> why_not(const net::PeerCertificate&, std::string_view domain,
                                   const std::vector<std::string>& allow_wildcard = {});

}  // namespace stox::sip
