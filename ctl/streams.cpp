#include "ctl/streams.h"

#include <fmt/format.h>

#include "common/service/log.h"
#include "ctl/text_table.h"

namespace stox::ctl {

using nlohmann::json;

std::string streams_text(const json& rows) {
  TextTable table({"WORKER", "OURS", "THEIRS", "DIR", "STATE", "ADDRESS", "TLS", "AUTH", "SM", "UNACKED",
                   "IN", "OUT", "IDLE", "RETRY"});
  std::string reasons;
  const auto span = [](const json& row, const char* key) {
    return row.contains(key) && row[key].is_number() ? show_duration(number_at(row, key) * 1000) : "";
  };
  for (const json& row : rows) {
    const bool bidi = row.value("bidi", false), managed = row.value("stream_management", false);
    table.add({text_at(row, "process"), text_at(row, "own_domain"), text_at(row, "domain"),
               text_at(row, "direction") + (bidi ? "+bidi" : ""), text_at(row, "state"),
               text_at(row, "address"), text_at(row, "tls"), text_at(row, "authentication"),
               managed ? "on" : "", managed ? show(row, "unacked") : "", show(row, "stanzas_in"),
               show(row, "stanzas_out"), span(row, "idle_ms"), span(row, "retry_ms")});
    if (const std::string why = text_at(row, "reason"); !why.empty())
      reasons += fmt::format("{} {}: {}\n", text_at(row, "domain"), text_at(row, "state"),
                             service::printable(why, 1000));
  }
  return table.str() + (reasons.empty() ? "" : "\n" + reasons);
}

}  // namespace stox::ctl
