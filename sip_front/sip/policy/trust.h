// Who may send requests: peers in some networks, and TLS clients whose certificate stands for a SIP domain.
#pragma once

#include <string>
#include <vector>

#include "common/net/tls.h"
#include "sip_front/sip/policy/networks.h"

namespace stox::sip {

struct Trust {
  Networks networks;
  std::vector<std::string> certificates;  // SIP domains (RFC 5922), in lower case

  // Of a certificate that is valid.
  bool covers(const net::CertificateNames&) const;
};

}  // namespace stox::sip
