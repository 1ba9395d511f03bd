#include "sip_front/front_config.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

#include "common/base/shortened.h"
#include "common/base/text.h"

namespace stox {
namespace {

constexpr std::size_t kDescriptorsForOthers = 128;  // bus, DNS, control socket, metrics, files

Result<sip::Trust> make_trust(const std::vector<std::string>& networks,
                              const std::vector<std::string>& certificates) {
  auto parsed = sip::Networks::parse(networks);
  if (!parsed) return error("trusted: " + parsed.error().text);
  sip::Trust trust{std::move(*parsed), {}};
  for (const std::string& domain : certificates) trust.certificates.push_back(ascii_lower(domain));
  return trust;
}

// Connections are fewer than descriptors, of which other things need some, too.
std::size_t connections_in(std::size_t wanted) {
  rlimit descriptors{};
  if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0) return wanted;
  const auto all = static_cast<std::size_t>(descriptors.rlim_cur);
  return std::min(wanted, all > 2 * kDescriptorsForOthers ? all - kDescriptorsForOthers : all / 2);
}

}  // namespace

const service::SipFrontConfig* find_section(const service::Config& config, const std::string& name) {
  for (const auto& section : config.sip_fronts) {
    if (section.name == name) return &section;
  }
  return nullptr;
}

std::vector<sip::Listen> make_listens(const service::SipFrontConfig& section) {
  std::vector<sip::Listen> out;
  for (const service::ListenConfig& listen : section.listen) {
    using Configured = service::ListenConfig::Transport;
    const auto transport = listen.transport == Configured::kUdp   ? sip::Transport::kUdp
                           : listen.transport == Configured::kTcp ? sip::Transport::kTcp
                                                                  : sip::Transport::kTls;
    out.push_back(
        {transport, listen.address, listen.port, listen.advertised_address, listen.advertised_port});
  }
  return out;
}

Result<sip::Policy> make_policy(const service::Config& config, const service::SipFrontConfig& section,
                                const std::vector<sip::Listen>& listening) {
  sip::Policy policy;
  auto trust = make_trust(section.trusted, section.trusted_certificates);
  if (!trust) return error("sip_front " + section.name + ": " + trust.error().text);
  policy.trusted = std::move(*trust);
  for (const service::ListenerConfig& own : section.listeners) {
    trust = make_trust(own.trusted.value_or(section.trusted),
                       own.trusted_certificates.value_or(section.trusted_certificates));
    if (!trust) return error("sip_front " + section.name + ": listener: " + trust.error().text);
    const auto at = std::find_if(listening.begin(), listening.end(),
                                 [&](const sip::Listen& one) { return one.name() == own.listen; });
    if (at != listening.end())
      policy.trusted_at[static_cast<uint16_t>(at - listening.begin())] = std::move(*trust);
  }
  // With a gwmap the mapper knows which domains are ours. A provider sends to the address where it knows us.
  if (config.gateway.gwmap.empty()) {
    policy.domains = {config.gateway.gateway_domain};
    for (const sip::Listen& one : listening)
      policy.domains.push_back(one.advertised_address.empty() ? one.address : one.advertised_address);
  }
  auto asserting = sip::Networks::parse(section.asserted_identity_from);
  if (!asserting)
    return error("sip_front " + section.name + ": asserted_identity_from: " + asserting.error().text);
  policy.asserted_identity_from = std::move(*asserting);
  policy.tel_domain = ascii_lower(config.gateway.tel_domain);
  for (const std::string& domain : section.from_domains) policy.from_domains.push_back(ascii_lower(domain));
  if (!config.gateway.domain_separator.empty()) policy.domain_separator = config.gateway.domain_separator[0];
  policy.max_datagram_bytes = section.max_datagram_bytes;
  policy.max_message_bytes = section.max_message_bytes;
  policy.max_rate_per_source = section.max_rate_per_source;
  policy.max_rate_per_from_domain = section.max_rate_per_from_domain;
  policy.unhandled_method_status = static_cast<uint16_t>(config.gateway.unhandled_method_status);
  return policy;
}

std::vector<std::string> own_domains(const service::Config& config) {
  std::vector<std::string> out = {ascii_lower(config.gateway.gateway_domain)};
  for (const auto& line : config.gateway.gwmap) {
    const bool has_sip_users =
        std::any_of(config.xmpp_workers.begin(), config.xmpp_workers.end(), [&](const auto& worker) {
          return std::find(worker.serves.begin(), worker.serves.end(), line.second) != worker.serves.end();
        });
    if (!has_sip_users) out.push_back(ascii_lower(line.first));
  }
  return out;
}

Result<sip::NextHop> make_next_hop(const service::Config& config, net::Resolver& resolver,
                                   sip::Random& random) {
  auto reach = sip::Reach::create(config.gateway.sip_domains);
  if (!reach) return tl::make_unexpected(reach.error());
  return sip::NextHop::create(resolver, random, config.gateway.outbound_proxy, std::move(*reach));
}

std::vector<sip::Credentials> make_credentials(const service::SipFrontConfig& section) {
  std::vector<sip::Credentials> out;
  for (const auto& one : section.credentials) out.push_back({one.realm, one.username, one.password});
  return out;
}

std::vector<std::string> make_allow_wildcard(const service::SipFrontConfig& section) {
  std::vector<std::string> out;
  for (const std::string& name : section.allow_wildcard) out.push_back(ascii_lower(name));
  return out;
}

sip::TransportOptions make_transport_options(const service::SipFrontConfig& section, service::Log& log) {
  sip::TransportOptions out;
  out.allow_wildcard = make_allow_wildcard(section);
  out.max_message = section.max_message_bytes;
  out.max_kept = std::max(out.max_kept, 4 * section.max_message_bytes);
  out.keepalive = std::chrono::seconds(section.keepalive_seconds);
  out.max_connections_per_source = section.max_connections_per_source;
  out.max_connections = connections_in(section.max_connections);
  if (out.max_connections < section.max_connections) {
    log.warn(
        "this process may have few open files, so it takes no more than {} connections instead of "
        "max_connections = {}; raise LimitNOFILE (systemd) or ulimit -n",
        out.max_connections, section.max_connections);
  }
  return out;
}

Result<net::TlsContext> make_tls(const service::SipFrontConfig& section) {
  auto tls = net::TlsContext::create({section.tls.certificate, section.tls.key, section.tls.ca});
  if (!tls) return error("sip_front " + section.name + ": [sip_front.tls] " + tls.error().text);
  return tls;
}

// By which name clients look for a TLS listener is their matter: one of those that we know should be there.
std::vector<std::string> check_files(const service::Config& config, const service::Identity& identity) {
  const service::SipFrontConfig* section = find_section(config, identity.section);
  if (section == nullptr) return {};
  const auto tls = make_tls(*section);
  if (!tls || !tls->has_certificate()) return {};
  std::vector<std::string> ours = {ascii_lower(config.gateway.gateway_domain)};
  for (const service::ListenConfig& listen : section->listen) {
    if (listen.transport == service::ListenConfig::Transport::kTls)
      ours.push_back(
          ascii_lower(listen.advertised_address.empty() ? listen.address : listen.advertised_address));
  }
  const net::CertificateNames& names = tls->certificate().names;
  std::string its;
  for (const auto* list : {&names.dns, &names.uris, &names.ips}) {
    for (const std::string& name : *list) {
      const std::string plain = ascii_lower(name.starts_with("sip:") ? name.substr(4) : name);
      if (std::find(ours.begin(), ours.end(), plain) != ours.end()) return {};
      its += (its.empty() ? "" : ", ") + one_line(name, 100);
    }
  }
  return {
      fmt::format("its certificate \"{}\" is not for gateway_domain {}, nor for the address of a TLS "
                  "listener, but for {}: TLS peers that compare names refuse us",
                  shortened(tls->certificate().subject, 100), config.gateway.gateway_domain,
                  its.empty() ? "no name at all" : shortened(its, 300))};
}

WatchOptions make_watch_options(const service::Config& config) {
  using Unsupported = WatchOptions::Unsupported;
  const std::string& unsupported = config.gateway.presence_unsupported;
  WatchOptions options;
  if (!config.gateway.domain_separator.empty()) options.domain_separator = config.gateway.domain_separator[0];
  options.unsupported = unsupported == "strict"   ? Unsupported::kStrict
                        : unsupported == "online" ? Unsupported::kOnline
                                                  : Unsupported::kGrant;
  return options;
}

}  // namespace stox
