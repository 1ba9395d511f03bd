#include "xmpp_worker/xmpp/s2s/peer_names.h"

#include <fmt/format.h>

#include "common/base/jid.h"
#include "common/base/text.h"

namespace stox::xmpp {
namespace {

constexpr std::string_view kService = "_xmpp-server.";

// A wildcard is the whole left-most label and stands for exactly one.
bool dns_name_is(std::string_view name, std::string_view domain) {
  if (ascii_iequal(name, domain)) return true;
  if (!name.starts_with("*.")) return false;
  const auto dot = domain.find('.');
  return dot != std::string_view::npos && dot > 0 && ascii_iequal(name.substr(1), domain.substr(dot));
}

bool srv_name_is(std::string_view name, std::string_view domain) {
  return name.size() > kService.size() && ascii_iequal(name.substr(0, kService.size()), kService) &&
         ascii_iequal(name.substr(kService.size()), domain);
}

bool address_is(std::string_view address, std::string_view domain) {
  const auto jid = Jid::parse(address);
  return jid && jid->local().empty() && jid->resource().empty() && jid->domain() == domain;
}

}  // namespace

NameList::NameList(const std::vector<std::string>& names) {
  std::size_t size = 0;
  for (const std::string& name : names) size += name.size() + 1;
  joined_.reserve(size);
  for (const std::string& name : names) {
    if (name.find('\0') == std::string::npos) joined_.append(name).push_back('\0');
  }
}

bool has_name(const PeerNames& peer, std::string_view domain) {
  const std::string ascii = ascii_domain(domain).value_or(std::string(domain));
  return peer.dns.any([&](std::string_view name) { return dns_name_is(name, ascii); }) ||
         peer.srv_names.any([&](std::string_view name) { return srv_name_is(name, ascii); }) ||
         peer.xmpp_addrs.any([&](std::string_view name) { return address_is(name, domain); });
}

std::string why_not(const PeerNames& peer, std::string_view domain) {
  if (!peer.present) return "it has shown no certificate";
  if (!peer.valid)
    return fmt::format("its certificate \"{}\" is not valid: {}", one_line(peer.subject, 100), peer.problem);
  std::string names;
  for (const auto* list : {&peer.dns, &peer.srv_names, &peer.xmpp_addrs}) {
    list->any([&](std::string_view name) {
      names.append(names.empty() ? "" : ", ").append(name);
      return false;
    });
  }
  return fmt::format("its certificate \"{}\" is not for {} but for {}", one_line(peer.subject, 100), domain,
                     names.empty() ? "no name at all" : one_line(names, 200));
}

}  // namespace stox::xmpp
