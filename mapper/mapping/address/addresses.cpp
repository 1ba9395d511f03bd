#include "mapper/mapping/address/addresses.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "common/base/addressing.h"
#include "common/base/text.h"

namespace stox::mapping {
namespace {

using enum AddressError;

// protocol/addresses section 7. What cannot happen on a side has the nearest answer there.
constexpr AddressRefusal kRefusals[] = {
    {kNoUser, "A1", "it names no user", 404, 403, "item-not-found", "cancel"},
    {kSyntax, "A2", "it is not written as an address is", 400, 400, "jid-malformed", "modify"},
    {kNotUtf8, "A3", "it is not UTF-8", 404, 403, "jid-malformed", "modify"},
    {kControl, "A4", "it holds a control character", 404, 403, "jid-malformed", "modify"},
    {kEdgeSpace, "A5", "its user name begins or ends with a space", 404, 403, "jid-malformed", "modify"},
    {kNotAllowed, "A6", "it holds a character that no XMPP address may hold", 404, 403, "jid-malformed",
     "modify"},
    {kTooLong, "A7", "it is too long", 414, 403, "jid-malformed", "modify"},
    {kNotAHost, "A8", "it does not end in the name of a host", 404, 403, "item-not-found", "cancel"},
    {kNoSeparator, "A9", "it names no domain behind the user", 404, 403, "item-not-found", "cancel"},
    {kScheme, "A10", "only sip: addresses can be reached", 416, 403, "jid-malformed", "modify"},
    {kSips, "A11", "sips: promises an encryption that XMPP cannot keep", 416, 403, "jid-malformed", "modify"},
    {kNotOurs, "A12", "the gateway does not serve its domain", 404, 403, "remote-server-not-found", "cancel",
     "gateway.gateway_domain, gateway.gwmap and xmpp_worker.serves name the gateway's own"},
    {kNotCanonical, "A13", "it escapes what needs no escape", 404, 403, "jid-malformed", "modify"},
    {kLoop, "A14", "it leads back to the gateway", 482, 403, "not-acceptable", "modify",
     "only addresses of others can be reached, not those that the gateway itself makes"},
    {kRelayingDenied, "A15", "the gateway may not pass messages to its domain", 403, 403, "forbidden", "auth",
     "gateway.xmpp_domains names the domains that may be reached"},
};

tl::unexpected<AddressError> refuse(AddressError e) { return tl::make_unexpected(e); }

AddressError from_jid_error(JidError e) {
  switch (e) {
    case JidError::kEmptyPart:
      return kNoUser;
    case JidError::kNotUtf8:
      return kNotUtf8;
    case JidError::kControl:
      return kControl;
    case JidError::kEdgeSpace:
      return kEdgeSpace;
    case JidError::kNotAllowed:
      return kNotAllowed;
    case JidError::kTooLong:
      return kTooLong;
    case JidError::kNotADomain:
      return kNotAHost;
  }
  return kNotAllowed;
}

constexpr CharClass kUserChars("-_.!~*'()&=+$,;?/");  // unreserved / user-unreserved, RFC 3261 25.1
constexpr CharClass kParamChars("-_.!~*'()[]/:&+$");  // paramchar

std::optional<AddressError> refuse_text(std::string_view decoded) {
  if (!is_utf8(decoded)) return kNotUtf8;
  const bool control = std::any_of(decoded.begin(), decoded.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  return control ? std::optional(kControl) : std::nullopt;
}

struct Split {
  std::string_view user, host;
};
Mapped<Split> split_at_last(std::string_view name, char separator) {
  auto at = name.rfind(separator);
  if (at == std::string_view::npos) at = name.rfind('@');  // as clients write user@domain by themselves
  if (at == std::string_view::npos) return refuse(kNoSeparator);
  if (at == 0) return refuse(kNoUser);
  return Split{name.substr(0, at), name.substr(at + 1)};
}

bool is_bracketed(std::string_view host) {
  return host.size() > 2 && host.front() == '[' && host.back() == ']';
}

// A host as SIP writes it: A-labels, [IPv6], lower case.
std::optional<std::string> sip_host(std::string_view host) {
  if (!is_bracketed(host)) return ascii_domain(host);
  const auto address = normal_ipv6(host.substr(1, host.size() - 2));
  return address ? std::optional("[" + *address + "]") : std::nullopt;
}

// host[:port] in its one normal form.
std::optional<std::string> normal_host_port(std::string_view text) {
  const auto colon = text.find(':', text.front() == '[' ? text.find(']') : 0);
  auto host = sip_host(text.substr(0, colon));
  if (!host || colon == std::string_view::npos) return host;
  const auto port = parse_number(text.substr(colon + 1), 1, 65535);
  if (!port) return std::nullopt;
  return host->append(":").append(std::to_string(*port));
}

std::optional<std::string> host_of(const SipUri& uri) {
  const auto address = uri.ipv6 ? normal_ipv6(uri.host) : std::nullopt;
  return uri.ipv6 ? (address ? std::optional("[" + *address + "]") : std::nullopt) : ascii_domain(uri.host);
}

constexpr uint16_t kDefaultPort = 5060;

// An im: URI names what the sip: URI of the same text does (RFC 3428 section 5); `storage` must outlive the
// result.
Mapped<SipUri> parse(std::string_view text, bool sips_too, std::string& storage) {
  auto uri = parse_sip_uri(text);
  if (uri && ascii_iequal(uri->scheme, "im")) {
    storage = "sip:";
    uri = parse_sip_uri(storage.append(uri->opaque));
  }
  if (!uri) return refuse(kSyntax);
  if (uri->is_sips() && !sips_too) return refuse(kSips);
  if (!uri->is_sip() && !uri->is_sips()) return refuse(kScheme);
  return *uri;
}

// Of a tel: URI (RFC 3966); nothing for another one.
std::optional<std::string> number_of(std::string_view uri) {
  constexpr std::string_view kTel = "tel:";
  if (!ascii_iequal(uri.substr(0, kTel.size()), kTel)) return std::nullopt;
  uri.remove_prefix(kTel.size());
  return phone_number(uri.substr(0, uri.find(';')));
}

Mapped<Jid> make_jid(std::string_view local, std::string_view domain, std::string_view resource) {
  auto jid = Jid::make(local, domain, resource);
  if (!jid) return refuse(from_jid_error(jid.error()));
  return std::move(*jid);
}

Mapped<Jid> parse_jid(std::string_view text) {
  return Jid::parse(text).map_error([](JidError) { return kNotAllowed; });
}

}  // namespace

const AddressRefusal& refusal_of(AddressError error) {
  static_assert(std::size(kRefusals) == static_cast<std::size_t>(kRelayingDenied));
  return kRefusals[static_cast<std::size_t>(error) - 1];
}

Mapped<std::string> name_of_user(std::string_view sip_user) {
  auto decoded = percent_decode(sip_user);
  if (!decoded) return refuse(kSyntax);
  if (const auto bad = refuse_text(*decoded)) return refuse(*bad);
  return std::move(*decoded);
}

Mapped<std::string> localpart_of(std::string_view name) {
  const auto folded = fold_localpart(name, true);
  if (!folded) return refuse(from_jid_error(folded.error()));
  return escape_localpart(*folded);
}

Mapped<std::string> name_of_localpart(std::string_view localpart) {
  if (localpart.empty()) return refuse(kNoUser);
  std::string name = unescape_localpart(localpart);
  if (localpart_of(name) != localpart) return refuse(kNotCanonical);
  return name;
}

std::string user_of(std::string_view name) {
  return percent_encode(name, [](unsigned char c) { return kUserChars.has(c); });
}

Mapped<std::string> resource_of(const SipUri& uri) {
  const auto gr = uri.param("gr");
  if (!gr) return std::string();
  auto decoded = percent_decode(*gr);
  if (!decoded) return refuse(kSyntax);
  if (const auto bad = refuse_text(*decoded)) return refuse(*bad);
  return std::move(*decoded);
}

std::string gr_of(std::string_view resource) {
  return resource.empty()
             ? std::string()
             : ";gr=" + percent_encode(resource, [](unsigned char c) { return kParamChars.has(c); });
}

Result<Addresses> Addresses::make(AddressRules rules) {
  Addresses out;
  out.rules_ = std::move(rules);
  const auto normalise = [](std::string& domain) {
    auto ascii = ascii_domain(domain);
    if (ascii) domain = std::move(*ascii);
    return ascii.has_value();
  };
  if (!normalise(out.rules_.gateway_domain))
    return error("gateway_domain = \"" + out.rules_.gateway_domain + "\" is not a domain name");
  if (!normalise(out.rules_.xmpp_domain))
    return error("xmpp_domain = \"" + out.rules_.xmpp_domain + "\" is not a domain name");
  for (std::string& pattern : out.rules_.xmpp_domains) {
    if (pattern == "*") continue;
    const bool wildcard = pattern.starts_with("*.");
    std::string domain = pattern.substr(wildcard ? 2 : 0);
    if (!normalise(domain))
      return error("xmpp_domains: \"" + pattern + "\" is neither a domain name nor *.DOMAIN");
    pattern = (wildcard ? "*." : "") + domain;
  }
  for (std::string& domain : out.rules_.serves) {
    if (!normalise(domain)) return error("serves: \"" + domain + "\" is not a domain name");
  }
  for (const auto& [sip, xmpp] : out.rules_.gwmap) {
    auto sip_side = sip_host(sip), xmpp_side = sip_host(xmpp);
    if (!sip_side) return error("gwmap: \"" + sip + "\" is not a domain name");
    if (!xmpp_side) return error("gwmap: \"" + xmpp + "\" is not a domain name");
    if (out.pair_of_sip(*sip_side) != nullptr || out.pair_of_xmpp(*xmpp_side) != nullptr)
      return error("gwmap: \"" + sip + "\" = \"" + xmpp + "\" has a domain that another line has, too");
    const bool ours = out.serves(*xmpp_side);
    out.pairs_.push_back({std::move(*sip_side), std::move(*xmpp_side), ours});
  }
  if (const auto why = refuse_separator({&out.rules_.separator, 1}))
    return error("domain_separator = \"" + std::string(1, out.rules_.separator) + "\": " + *why);
  if (!out.rules_.tel_domain.empty() && !normalise(out.rules_.tel_domain))
    return error("tel_domain = \"" + out.rules_.tel_domain + "\" is not a domain name");
  for (const auto& [name, jid] : out.rules_.aliases) {
    if (const auto added = out.add_alias(name, jid); !added) return tl::make_unexpected(added.error());
  }
  return out;
}

Result<void> Addresses::add_alias(const std::string& name, const std::string& text) {
  const std::string line = "aliases: \"" + name + "\" = \"" + text + "\" ";
  const auto jid = Jid::parse(text);
  if (!jid || jid->local().empty() || !jid->resource().empty())
    return error(line + "is not the address of an XMPP user; write it as \"juliet@xmpp.example.org\"");
  if (is_own_xmpp(sip_host(jid->domain()).value_or(""))) return error(line + "leads back to the gateway");
  std::string key;
  if (name.starts_with("@")) {
    const auto domain = sip_host(std::string_view(name).substr(1));
    if (!domain) return error(line + "has no SIP domain behind the @");
    key = "@" + *domain;
  } else {
    const auto folded = fold_localpart(phone_number(name).value_or(name), true);
    if (!folded) return error(line + "is not a name that an address may hold");
    key = *folded;
  }
  if (!aliases_.emplace(key, *jid).second) return error(line + "has a name that another line has, too");
  if (key.front() == '@') return {};
  if (!alias_of_.emplace(jid->bare(), user_of(key)).second)
    return error(line + "has an address that another line has, too: its name on SIP would be either");
  return {};
}

const Jid* Addresses::alias(std::string_view name) const {
  if (aliases_.empty()) return nullptr;
  const auto folded = fold_localpart(phone_number(name).value_or(std::string(name)), true);
  const auto found = folded ? aliases_.find(*folded) : aliases_.end();
  return found == aliases_.end() ? nullptr : &found->second;
}

const Jid* Addresses::default_recipient(std::string_view from_uri) const {
  std::string text;
  const auto uri = aliases_.empty() ? refuse(kNoUser) : parse(from_uri, true, text);
  const auto host = uri ? host_of(*uri) : std::nullopt;
  const auto found = host ? aliases_.find("@" + *host) : aliases_.end();
  return found == aliases_.end() ? nullptr : &found->second;
}

bool Addresses::may_reach(std::string_view host) const {
  const auto& reachable = rules_.xmpp_domains;
  return reachable.empty() ||
         std::any_of(reachable.begin(), reachable.end(),
                     [&](const std::string& pattern) { return domain_matches(pattern, host); });
}

bool Addresses::serves(std::string_view host) const {
  return std::find(rules_.serves.begin(), rules_.serves.end(), host) != rules_.serves.end();
}

const Addresses::Pair* Addresses::pair_of_sip(std::string_view host) const {
  const auto at = std::find_if(pairs_.begin(), pairs_.end(), [&](const Pair& p) { return p.sip == host; });
  return at == pairs_.end() ? nullptr : &*at;
}

const Addresses::Pair* Addresses::pair_of_xmpp(std::string_view host) const {
  const auto at = std::find_if(pairs_.begin(), pairs_.end(), [&](const Pair& p) { return p.xmpp == host; });
  return at == pairs_.end() ? nullptr : &*at;
}

bool Addresses::is_own_sip(std::string_view host) const {
  if (!maps_domains()) return host == rules_.gateway_domain || host == rules_.xmpp_domain;
  const Pair* pair = pair_of_sip(host);
  return pair != nullptr && !pair->ours;
}

bool Addresses::is_own_xmpp(std::string_view host) const {
  return serves(host) || (!maps_domains() && (host == rules_.gateway_domain || host == rules_.xmpp_domain));
}

Mapped<Jid> Addresses::xmpp_recipient(std::string_view request_uri, std::string_view from_uri) const {
  auto mapped =
      xmpp_recipients_.get(request_uri, [this](std::string_view uri) { return map_xmpp_recipient(uri); });
  if (mapped || from_uri.empty()) return mapped;
  const AddressError why = mapped.error();
  const bool is_at_our_address = why == kNotOurs && !maps_domains();  // a front takes no other domain
  if (why != kNoSeparator && why != kNoUser && !is_at_our_address) return mapped;
  const Jid* jid = default_recipient(from_uri);
  return jid != nullptr ? Mapped<Jid>(*jid) : mapped;
}

Mapped<Jid> Addresses::xmpp_sender(std::string_view from_uri) const {
  return xmpp_senders_.get(from_uri, [this](std::string_view uri) { return map_xmpp_sender(uri); });
}

Mapped<std::string> Addresses::sip_recipient(std::string_view to) const {
  return sip_recipients_.get(to, [this](std::string_view text) {
    return parse_jid(text).and_then([this](const Jid& jid) { return sip_recipient(jid); });
  });
}

Mapped<std::string> Addresses::sip_sender(std::string_view from) const {
  return sip_senders_.get(from, [this](std::string_view text) {
    return parse_jid(text).and_then([this](const Jid& jid) { return sip_sender(jid); });
  });
}

Mapped<Jid> Addresses::map_xmpp_recipient(std::string_view request_uri) const {
  std::string text;
  const auto uri = parse(request_uri, false, text);
  if (!uri) {
    const Jid* jid = uri.error() == kScheme ? alias(number_of(request_uri).value_or("")) : nullptr;
    return jid != nullptr ? Mapped<Jid>(*jid) : refuse(uri.error());
  }
  const auto gateway = host_of(*uri);
  if (!gateway) return refuse(kNotOurs);
  const Pair* pair = pair_of_sip(*gateway);
  const bool passes = maps_domains() && rules_.passes_unmapped && !serves(*gateway);
  if (maps_domains() ? pair == nullptr && !passes : *gateway != rules_.gateway_domain)
    return refuse(kNotOurs);
  if (!uri->has_user) return refuse(kNoUser);
  const auto resource = resource_of(*uri);
  if (!resource) return refuse(resource.error());
  const auto name = name_of_user(uri->user);
  if (!name) return refuse(name.error());
  if (const Jid* jid = alias(*name)) return make_jid(jid->local(), jid->domain(), *resource);
  const auto split = maps_domains() ? Mapped<Split>(Split{*name, pair != nullptr ? pair->xmpp : *gateway})
                                    : split_at_last(*name, rules_.separator);
  if (!split) return refuse(split.error());
  const auto localpart = localpart_of(split->user);
  if (!localpart) return refuse(localpart.error());
  if (localpart->empty()) return refuse(kNoUser);  // it folded to nothing
  const auto host = sip_host(split->host);
  if (!host) return refuse(kNotAHost);
  if (is_own_xmpp(*host)) return refuse(kLoop);
  if (!may_reach(*host)) return refuse(kRelayingDenied);
  return make_jid(*localpart, *host, *resource);
}

Mapped<Jid> Addresses::map_xmpp_sender(std::string_view from_uri) const {
  std::string text;
  auto uri = parse(from_uri, true, text);
  if (!uri && uri.error() == kScheme && !rules_.tel_domain.empty()) {
    const auto number = number_of(from_uri);
    if (!number) return refuse(kScheme);
    text = "sip:" + *number + "@" + rules_.tel_domain;
    std::string unused;
    uri = parse(text, true, unused);
  }
  if (!uri) return refuse(uri.error());
  if (!uri->has_user) return refuse(kNoUser);
  const auto resource = resource_of(*uri);
  if (!resource) return refuse(resource.error());
  auto name = name_of_user(uri->user);
  if (!name) return refuse(name.error());
  const auto host = host_of(*uri);
  if (!host) return refuse(kNotAHost);
  if (is_own_sip(*host)) return refuse(kLoop);
  const Pair* pair = pair_of_sip(*host);
  if (maps_domains()) {
    // gwmap maps whole hosts: an answer would go to another port.
    if (pair == nullptr || (uri->port != 0 && uri->port != kDefaultPort)) return refuse(kNotOurs);
  } else {
    name->append(1, rules_.separator).append(*host);
    if (uri->port != 0) name->append(":").append(std::to_string(uri->port));
  }
  const auto localpart = localpart_of(*name);
  if (!localpart) return refuse(localpart.error());
  const bool nobody = maps_domains() ? localpart->empty() : localpart->rfind(rules_.separator) == 0;
  if (nobody) return refuse(kNoUser);  // the user folded to nothing
  return make_jid(*localpart, pair != nullptr ? pair->xmpp : rules_.xmpp_domain, *resource);
}

Mapped<std::string> Addresses::sip_recipient(const Jid& to) const {
  const auto domain = sip_host(to.domain());
  const Pair* pair = domain ? pair_of_xmpp(*domain) : nullptr;
  if (maps_domains() ? pair == nullptr : domain != rules_.xmpp_domain) return refuse(kNotOurs);
  const auto name = name_of_localpart(to.local());
  if (!name) return refuse(name.error());
  if (pair != nullptr) {
    if (!pair->ours) return refuse(kLoop);
    return "sip:" + user_of(*name) + "@" + pair->sip + gr_of(to.resource());
  }
  const auto split = split_at_last(*name, rules_.separator);
  if (!split) {
    const auto number = rules_.tel_domain.empty() ? std::nullopt : phone_number(*name);
    if (number) return "sip:" + user_of(*number) + "@" + rules_.tel_domain;
    return refuse(split.error());
  }
  const auto target = split->host.empty() ? std::nullopt : normal_host_port(split->host);
  if (!target) return refuse(kNotAHost);
  if (*target != split->host) return refuse(kNotCanonical);
  if (is_own_sip(target->substr(0, target->find(':')))) return refuse(kLoop);
  return "sip:" + user_of(split->user) + "@" + *target + gr_of(to.resource());
}

Mapped<std::string> Addresses::sip_sender(const Jid& from) const {
  auto name = name_of_localpart(from.local());
  if (!name) return refuse(name.error());
  const auto host = sip_host(from.domain());
  if (!host) return refuse(kNotAHost);
  if (is_own_xmpp(*host)) return refuse(kLoop);
  const Pair* pair = pair_of_xmpp(*host);
  if (const auto alias = alias_of_.find(from.bare()); alias != alias_of_.end())
    return "sip:" + alias->second + "@" + (pair != nullptr ? pair->sip : rules_.gateway_domain) +
           gr_of(from.resource());
  if (maps_domains() && pair == nullptr) {
    if (!rules_.passes_unmapped) return refuse(kRelayingDenied);
    return "sip:" + user_of(*name) + "@" + *host + gr_of(from.resource());
  }
  if (pair == nullptr) name->append(1, rules_.separator).append(*host);
  return "sip:" + user_of(*name) + "@" + (pair != nullptr ? pair->sip : rules_.gateway_domain) +
         gr_of(from.resource());
}

}  // namespace stox::mapping
