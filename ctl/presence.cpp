#include "ctl/presence.h"

#include <algorithm>
#include <tuple>

#include "ctl/messages.h"
#include "ctl/text_table.h"

namespace stox::ctl {

using nlohmann::json;

std::vector<std::string> ways_for_sip(const std::string& address, const service::Config& config) {
  std::vector<std::string> ways = ways_to_write(address, config);
  for (std::size_t i = 1; i < ways.size(); ++i) ways[i].append("@").append(config.gateway.gateway_domain);
  return ways;
}

json in_order(json rows) {
  const auto words = [](const json& row) {
    return std::tuple(text_at(row, "from"), text_at(row, "to"), text_at(row, "process"));
  };
  std::sort(rows.begin(), rows.end(), [&](const json& a, const json& b) { return words(a) < words(b); });
  return rows;
}

std::string presence_text(const json& rows, int64_t now_us) {
  TextTable table({"FRONT", "WHO", "SEES", "KIND", "STATE", "FOR", "EXPIRES IN", "LAST ERROR"});
  for (const json& row : rows) {
    const int64_t expires_us = number_at(row, "expires_us");
    table.add({text_at(row, "process"), text_at(row, "from"), text_at(row, "to"), text_at(row, "kind"),
               text_at(row, "state"),
               show_duration(std::max<int64_t>(0, now_us - number_at(row, "since_us"))),
               expires_us == 0 ? "" : show_duration(std::max<int64_t>(0, expires_us - now_us)),
               text_at(row, "error")});
  }
  return table.str();
}

}  // namespace stox::ctl
