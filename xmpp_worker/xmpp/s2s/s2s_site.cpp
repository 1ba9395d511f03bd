#include "xmpp_worker/xmpp/s2s/s2s_site.h"

#include <algorithm>

namespace stox::xmpp {
namespace {

bool contains(const std::vector<std::string>& list, std::string_view wanted) {
  return std::find(list.begin(), list.end(), wanted) != list.end();
}

}  // namespace

bool S2sSite::serves(std::string_view domain) const { return contains(options.serves, domain); }

bool S2sSite::is_insecure(std::string_view domain) const {
  if (!options.require_tls) return true;
  return domain.empty() ? !options.insecure_domains.empty() : contains(options.insecure_domains, domain);
}

PeerNames names_of(const net::PeerCertificate& certificate) {
  PeerNames out{certificate.present, certificate.valid, certificate.problem, certificate.subject};
  if (!out.valid) return out;  // nobody asks for its names
  out.dns = certificate.names.dns;
  out.srv_names = certificate.names.srv_names;
  out.xmpp_addrs = certificate.names.xmpp_addrs;
  return out;
}

}  // namespace stox::xmpp
