#include "ctl/reload.h"

#include <fmt/format.h>

#include "ctl/text_table.h"

namespace stox::ctl {

using nlohmann::json;

std::string reload_text(const json& rows) {
  TextTable table({"PROCESS", "KEY", "WHAT BECAME OF IT"});
  std::string errors;
  bool any_waits = false;
  for (const json& row : rows) {
    const std::string process = text_at(row, "process");
    if (const std::string error = text_at(row, "error"); !error.empty()) {
      table.add({process, "", "not taken: goes on with the configuration before"});
      errors += fmt::format("{}: {}{}", process, error, error.ends_with('\n') ? "" : "\n");
      continue;
    }
    const json taken = row.value("taken", json::array()), waiting = row.value("waiting", json::array());
    for (const json& key : taken)
      table.add({process, key.is_string() ? key.get<std::string>() : "", "taken"});
    for (const json& key : waiting)
      table.add({process, key.is_string() ? key.get<std::string>() : "", "waits for a restart"});
    if (taken.empty() && waiting.empty())
      table.add({process, "", "nothing has changed; certificates were read"});
    any_waits = any_waits || !waiting.empty();
  }
  std::string out = table.str();
  if (any_waits) out += "\n`stoxctl rolling-restart` brings what waits\n";
  return errors.empty() ? out : out + "\n" + errors;
}

}  // namespace stox::ctl
