// Blocking DNS for `--check --online` and `stoxctl doctor`: what the processes would be told, as it asks the
// same servers (dns.servers) by the same resolver.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/net/resolver.h"
#include "common/service/config.h"
#include "common/service/probe.h"

namespace stox::service {

// Each waits for at most kProbeTime; that nobody answers is an error of kind kFailed.
net::Resolved<std::vector<std::string>> look_up(const DnsConfig&, const std::string& host);
// With `proven` only what DNSSEC proves, from the keys of the root on, is an answer.
net::Resolved<std::vector<net::SrvRecord>> look_up_services(const DnsConfig&, const std::string& name,
                                                            bool proven = false);
net::Resolved<std::vector<net::TlsaRecord>> look_up_tlsa(const DnsConfig&, const std::string& name,
                                                         bool proven = false);

// RFC 2782: those that offer the service, which "." does not, lowest priority first.
std::vector<net::SrvRecord> by_priority(std::vector<net::SrvRecord>);

// Connects to the first that takes it of the addresses of `host`, which is a name or an address. With port 0
// and SRV records at `service`.HOST (such as "_sip._udp") of a name their targets are meant, else
// `default_port`. Tries no more of them once 3 kProbeTime are over.
struct Place {
  std::string host;
  uint16_t port = 0;  // 0 = not given
  std::string service;
  uint16_t default_port;
};
Result<Probe> connect_to(const DnsConfig&, const Place&, bool udp);

}  // namespace stox::service
