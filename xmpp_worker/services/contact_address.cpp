#include "xmpp_worker/services/contact_address.h"

#include <algorithm>

#include "common/base/addressing.h"
#include "common/base/jid.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"

namespace stox::worker {
namespace {

constexpr const char* kHowTo = "Write a SIP address like romeo@sip.example.org";

bool is_one_of(const std::vector<std::string>& domains, std::string_view domain) {
  return std::find(domains.begin(), domains.end(), domain) != domains.end();
}

// Empty: it is not clear.
std::string domain_of_numbers(const service::GatewayConfig& gateway, const std::vector<std::string>& serves) {
  if (!gateway.tel_domain.empty()) return gateway.tel_domain;
  std::vector<std::string> found;
  for (const auto& [sip, xmpp] : gateway.gwmap) {
    const auto jid = Jid::make({}, xmpp);
    if (jid && is_one_of(serves, jid->domain())) found.push_back(sip);
  }
  if (gateway.gwmap.empty()) {
    for (const std::string& each : gateway.sip_domains) {
      if (each.find_first_of("*/") != std::string::npos) return {};
      found.push_back(each);
    }
  }
  return found.size() == 1 ? found.front() : std::string();
}

}  // namespace

Result<std::string> contact_address(std::string_view typed, const service::GatewayConfig& gateway,
                                    const std::vector<std::string>& serves) {
  std::string uri(trim(typed));
  if (const std::string lower = ascii_lower(uri); uri.find('@') == std::string::npos) {
    const auto number = phone_number(std::string_view(uri).substr(lower.starts_with("tel:") ? 4 : 0));
    if (!number) return error(kHowTo);
    const std::string domain = domain_of_numbers(gateway, serves);
    if (domain.empty())
      return error("A number alone does not say where it is. Write it like " + *number + "@sip.example.org");
    uri = "sip:" + *number + "@" + domain;
  } else if (!lower.starts_with("sip:")) {
    uri.insert(0, "sip:");
  }
  const auto sip = parse_sip_uri(uri);
  // What looks like a password is another scheme.
  if (!sip || !sip->is_sip() || !sip->has_user || !sip->password.empty()) return error(kHowTo);
  const auto user = percent_decode(sip->user);
  const std::string host = host_port(ascii_lower(sip->host), sip->port);
  std::string name = user.value_or(""), domain;
  if (gateway.gwmap.empty()) {
    const auto own = Jid::make({}, gateway.xmpp_domain);
    domain = own && is_one_of(serves, own->domain()) ? own->domain() : serves.front();
    name += gateway.domain_separator + host;
  } else if (const auto mapped = gateway.gwmap.find(host); mapped != gateway.gwmap.end()) {
    domain = mapped->second;
  }
  if (!user || user->empty()) return error(kHowTo);
  const auto own = domain.empty() ? std::nullopt : std::optional(Jid::make({}, domain));
  if (!own || !*own || !is_one_of(serves, (*own)->domain()))
    return error("The gateway does not lead to the SIP domain " + host);
  const auto folded = fold_localpart(name, true);
  const auto jid =
      folded.and_then([&](const std::string& local) { return Jid::make(escape_localpart(local), domain); });
  if (!jid) return error(std::string("This name cannot be written to from here: ") + describe(jid.error()));
  return jid->bare();
}

}  // namespace stox::worker
