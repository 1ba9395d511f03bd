#include "sip_front/sip/policy/tls_identity.h"

#include <algorithm>

#include "common/base/addressing.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"

namespace stox::sip {
namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + one_line(name, 100);
  return out;
}

std::string described(const net::Certificate& certificate) {
  return "the certificate \"" + one_line(certificate.subject, 200) + "\" of \"" +
         one_line(certificate.issuer, 200) + "\"";
}

}  // namespace

std::vector<std::string> sip_domains_of(const net::CertificateNames& names) {
  std::vector<std::string> out;
  for (const std::string& text : names.uris) {
    const auto uri = parse_sip_uri(text);
    if (uri && uri->is_sip() && !uri->has_user) out.emplace_back(uri->host);
  }
  if (out.empty()) out = names.dns;
  if (!names.has_alternatives && !names.common_name.empty()) out.push_back(names.common_name);
  out.insert(out.end(), names.ips.begin(), names.ips.end());
  return out;
}

std::optional<std::string> why_not(const net::PeerCertificate& peer, std::string_view domain,
                                   const std::vector<std::string>& allow_wildcard) {
  if (!peer.present) return peer.problem;
  if (!peer.valid) return described(peer) + ": " + peer.problem;
  const std::vector<std::string> names = sip_domains_of(peer.names);
  const auto wanted = normal_ipv6(domain).value_or(std::string(domain));
  const auto same = [&](const std::string& name) { return ascii_iequal(name, wanted); };
  if (std::any_of(names.begin(), names.end(), same)) return std::nullopt;
  const std::string name = ascii_lower(domain);
  const std::string wildcard = "*" + name.substr(std::min(name.find('.'), name.size()));
  const bool has_wildcard = wildcard.find('.', 2) != std::string::npos &&
                            std::any_of(names.begin(), names.end(), [&](const std::string& each) {
                              return ascii_lower(each) == wildcard;
                            });
  const bool allowed = std::any_of(allow_wildcard.begin(), allow_wildcard.end(),
                                   [&](const std::string& each) { return domain_matches(each, name); });
  if (has_wildcard && allowed) return std::nullopt;
  return described(peer) + " is for " + (names.empty() ? "no SIP domain" : listed(names)) + ", not for " +
         std::string(domain) +
         (has_wildcard ? "; if its wildcard will do: allow_wildcard = [\"" + wildcard + "\"]" : "");
}

}  // namespace stox::sip
