#include "sip_front/sip/policy/trust.h"

#include <algorithm>

#include "common/base/text.h"
#include "sip_front/sip/policy/tls_identity.h"

namespace stox::sip {

bool Trust::covers(const net::CertificateNames& names) const {
  const std::vector<std::string> domains = sip_domains_of(names);
  return std::any_of(domains.begin(), domains.end(), [this](const std::string& domain) {
    return std::find(certificates.begin(), certificates.end(), ascii_lower(domain)) != certificates.end();
  });
}

}  // namespace stox::sip
