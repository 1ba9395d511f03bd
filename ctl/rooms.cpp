#include "ctl/rooms.h"

#include <algorithm>
#include <tuple>

#include "common/base/text.h"
#include "ctl/text_table.h"

namespace stox::ctl {
namespace {

using nlohmann::json;

bool acts(const json& row) { return row.value("acts", json()) == true; }

// An address without what only SIP writes about it, in lower case.
std::string bare(std::string address) {
  address = ascii_lower(address);
  if (address.starts_with("sip:")) address.erase(0, 4);
  const auto at = std::min(address.find('@'), address.size());
  return address.substr(0, address.find_first_of(";?", at));
}

std::string ago(int64_t unix_s, int64_t now_us) {
  return unix_s == 0 ? "" : show_duration(std::max<int64_t>(0, now_us - unix_s * 1'000'000));
}

}  // namespace

std::vector<std::string> ways_for_xmpp(std::string address, const service::Config& config) {
  address = bare(std::move(address));
  const service::GatewayConfig& gateway = config.gateway;
  std::vector<std::string> ways = {address};
  const auto at = address.rfind('@');
  if (at == std::string::npos) return ways;
  const std::string user = address.substr(0, at), domain = address.substr(at + 1);
  for (const auto& [sip, xmpp] : gateway.gwmap) {
    if (ascii_iequal(sip, domain)) ways.push_back(user + "@" + ascii_lower(xmpp));
  }
  if (gateway.gwmap.empty())
    ways.push_back(user + gateway.domain_separator + domain + "@" + ascii_lower(gateway.xmpp_domain));
  return ways;
}

std::string room_jid(std::string address, const service::Config& config) {
  address = bare(std::move(address));
  const service::GatewayConfig& gateway = config.gateway;
  const auto at = address.rfind('@');
  if (at == std::string::npos) return address;
  const std::string user = address.substr(0, at), domain = address.substr(at + 1);
  for (const auto& [sip, xmpp] : gateway.gwmap) {
    if (ascii_iequal(sip, domain)) return user + "@" + ascii_lower(xmpp);
  }
  const auto mark = user.rfind(gateway.domain_separator);
  if (!ascii_iequal(domain, gateway.gateway_domain) || mark == std::string::npos) return address;
  return user.substr(0, mark) + "@" + user.substr(mark + 1);
}

json merge_rooms(json rows) {
  const auto key = [](const json& row) { return std::tuple(text_at(row, "user"), text_at(row, "room")); };
  std::stable_sort(rows.begin(), rows.end(), [&](const json& a, const json& b) {
    return std::tuple(key(a), !acts(a)) < std::tuple(key(b), !acts(b));
  });
  rows.erase(
      std::unique(rows.begin(), rows.end(), [&](const json& a, const json& b) { return key(a) == key(b); }),
      rows.end());
  return rows;
}

std::string rooms_text(const json& rows, int64_t now_us) {
  TextTable table({"USER", "ROOM", "NICK", "STATE", "FOR", "LAST MESSAGE", "FAILURES", "WORKER"});
  for (const json& row : rows) {
    table.add({text_at(row, "user"), text_at(row, "room"), text_at(row, "nick"), text_at(row, "state"),
               ago(number_at(row, "since_s"), now_us), ago(number_at(row, "last_s"), now_us),
               show(row, "failures"), acts(row) ? text_at(row, "process") : ""});
  }
  return table.str();
}

}  // namespace stox::ctl
