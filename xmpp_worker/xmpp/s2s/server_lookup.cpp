#include "xmpp_worker/xmpp/s2s/server_lookup.h"

#include <optional>
#include <string_view>

#include "common/base/jid.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"

namespace stox::xmpp {
namespace {

constexpr uint16_t kPort = 5269;

struct HostPort {
  std::string host;  // an address without brackets
  std::optional<uint64_t> port;
  bool is_address = false;
};

// Nothing if there is a port that is none, or no host.
std::optional<HostPort> split(std::string_view text) {
  HostPort out;
  const auto end = text.starts_with('[') ? text.find(']') : text.find(':');
  std::string_view host = text.substr(0, end), rest = end == text.npos ? "" : text.substr(end);
  if (text.starts_with('[')) {
    host.remove_prefix(1);
    if (!rest.empty()) rest.remove_prefix(1);
    if (!normal_ipv6(host)) return {};
  }
  if (!rest.empty()) {
    out.port = rest.front() == ':' ? parse_number(rest.substr(1), 1, 65'535) : std::nullopt;
    if (!out.port) return {};
  }
  out.host = host;
  out.is_address = text.starts_with('[') || host.find_first_not_of("0123456789.") == host.npos;
  if (host.empty() || (!out.is_address && ascii_domain(host).value_or("").empty())) return {};
  return out;
}

}  // namespace

struct ServerLookup::Query {
  Done done;
  std::vector<ServerTarget> records = {};
  std::string failure = {};
  unsigned lookups = 2;
};

void ServerLookup::domain(const std::string& domain, Done done) {
  const auto& known = site_.options.static_servers;
  const auto found = known.find(domain);
  host(found == known.end() ? domain : found->second, std::move(done));
}

void ServerLookup::host(const std::string& name, Done done) {
  cancel();
  const auto at = split(name);
  if (!at) return done({{}, false, "\"" + one_line(name, 100) + "\" is neither a host nor an address"});
  if (at->port || at->is_address)
    return done({{{0, 0, at->host, static_cast<uint16_t>(at->port.value_or(kPort)), false}}});
  records(ascii_domain(at->host).value_or(at->host), std::move(done));
}

void ServerLookup::records(const std::string& name, Done done) {
  query_ = std::make_shared<Query>(Query{std::move(done)});
  for (const bool direct_tls : {false, true}) {
    site_.resolver.srv(
        (direct_tls ? "_xmpps-server._tcp." : "_xmpp-server._tcp.") + name,
        [this, name, direct_tls,
         asked = std::weak_ptr<Query>(query_)](net::Resolved<std::vector<net::SrvRecord>> found) {
          const auto query = asked.lock();
          if (!query) return;
          if (found) {
            for (const net::SrvRecord& r : *found)
              query->records.push_back({r.priority, r.weight, r.target, r.port, direct_tls});
          } else if (found.error().kind == net::ResolveError::Kind::kFailed) {
            query->failure = found.error().text;
          }
          if (--query->lookups > 0) return;
          query_.reset();
          ServerTargets chosen = choose_targets(std::move(query->records), site_.random);
          if (chosen.kind == ServerTargets::Kind::kNoRecords) chosen.targets = {{0, 0, name, kPort, false}};
          query->done({std::move(chosen.targets), chosen.kind == ServerTargets::Kind::kNotOffered,
                       std::move(query->failure)});
        });
  }
}

}  // namespace stox::xmpp
