#include "xmpp_worker/contact_address.h"

#include <algorithm>

#include "common/base/jid.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"

namespace stox::worker {

std::optional<std::string> contact_address(std::string_view typed, const service::GatewayConfig& gateway,
                                           const std::vector<std::string>& serves) {
  std::string uri(trim(typed));
  if (uri.find('@') == std::string::npos) return std::nullopt;
  if (!ascii_lower(uri).starts_with("sip:")) uri.insert(0, "sip:");
  const auto sip = parse_sip_uri(uri);
  // What looks like a password is another scheme.
  if (!sip || !sip->is_sip() || !sip->has_user || !sip->password.empty()) return std::nullopt;
  const auto user = percent_decode(sip->user);
  const std::string host = host_port(ascii_lower(sip->host), sip->port);
  std::string name = user.value_or(""), domain;
  if (gateway.gwmap.empty()) {
    const auto own = Jid::make({}, gateway.xmpp_domain);
    domain = own && std::find(serves.begin(), serves.end(), own->domain()) != serves.end() ? own->domain()
                                                                                           : serves.front();
    name += gateway.domain_separator + host;
  } else if (const auto mapped = gateway.gwmap.find(host); mapped != gateway.gwmap.end()) {
    domain = mapped->second;
  }
  const auto folded = fold_localpart(name, true);
  if (!user || user->empty() || domain.empty() || !folded) return std::nullopt;
  const auto jid = Jid::make(escape_localpart(*folded), domain);
  if (!jid || std::find(serves.begin(), serves.end(), jid->domain()) == serves.end()) return std::nullopt;
  return jid->bare();
}

}  // namespace stox::worker
