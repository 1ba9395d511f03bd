// The configuration in the words of SIP.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/service/config.h"
#include "common/service/log.h"
#include "sip_front/presence/watches.h"
#include "sip_front/sip/message/digest.h"
#include "sip_front/sip/policy/request_check.h"
#include "sip_front/sip/transport/next_hop.h"
#include "sip_front/sip/transport/transport.h"

namespace stox {

// Null: there is none of this name.
const service::SipFrontConfig* find_section(const service::Config&, const std::string& name);

// What the transports are opened with.
std::vector<sip::Listen> make_listens(const service::SipFrontConfig&);
std::vector<std::string> make_allow_wildcard(const service::SipFrontConfig&);
sip::TransportOptions make_transport_options(const service::SipFrontConfig&, service::Log&);
Result<net::TlsContext> make_tls(const service::SipFrontConfig&);

// `listening`: what the transports were opened with, which stays as it was when the configuration changes.
Result<sip::Policy> make_policy(const service::Config&, const service::SipFrontConfig&,
                                const std::vector<sip::Listen>& listening);
// Domains of SIP addresses that lead to this gateway.
std::vector<std::string> own_domains(const service::Config&);
// Resolver and random must outlive it.
Result<sip::NextHop> make_next_hop(const service::Config&, net::Resolver&, sip::Random&);
// What `--check` says of its certificate.
std::vector<std::string> check_files(const service::Config&, const service::Identity&);
std::vector<sip::Credentials> make_credentials(const service::SipFrontConfig&);
WatchOptions make_watch_options(const service::Config&);

}  // namespace stox
