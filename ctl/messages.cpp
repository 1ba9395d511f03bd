#include "ctl/messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <set>

#include "common/base/text.h"
#include "common/service/trace.h"
#include "ctl/text_table.h"

namespace stox::ctl {
namespace {

using nlohmann::json;

constexpr std::size_t kShortId = service::Trace::kShortId;

bool is_short_trace(const std::string& text) {
  return text.size() >= kShortId && text.size() <= 32 &&
         ascii_lower(text).find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string ending_text(const json& row) {
  const std::string ending = text_at(row, "ending");
  if (ending.empty()) return "under way";
  if (ending == "passed_on") return "passed on";
  if (ending == "refused_here") return "refused here";
  if (ending == "given_up") return "given up";
  return ending;
}

std::string took_text(const json& row) {
  const int64_t ended = number_at(row, "ended_us");
  return ended == 0 ? "" : show_duration(std::max<int64_t>(0, ended - number_at(row, "came_us")));
}

}  // namespace

json with_id(const json& rows, const std::string& id) {
  json out = json::array();
  for (const json& row : rows) {
    if (text_at(row, "id") == id) return json::array({row});
    if (is_short_trace(id) && text_at(row, "trace").starts_with(ascii_lower(id))) out.push_back(row);
  }
  return out;
}

bool looks_like_id(const std::string& text) {
  return is_short_trace(text) || std::count(text.begin(), text.end(), '.') >= 2;
}

std::vector<std::string> traces_meant(const json& found, const std::string& id) {
  std::set<std::string> out;
  for (const json& hop : found["hops"]) {
    const std::string trace = text_at(hop, "trace");
    if (!is_short_trace(id) || !trace.starts_with(ascii_lower(id))) return {};
    out.insert(trace);
  }
  return {out.begin(), out.end()};
}

std::vector<std::string> ways_to_write(const std::string& address, const service::Config& config) {
  std::vector<std::string> out = {address};
  if (const std::size_t at = address.rfind('@'); at != std::string::npos)
    out.push_back(address.substr(0, at) + config.gateway.domain_separator + address.substr(at + 1));
  return out;
}

json latest(json messages, std::size_t max) {
  std::stable_sort(messages.begin(), messages.end(), [](const json& a, const json& b) {
    return number_at(a, "came_us") < number_at(b, "came_us");
  });
  if (messages.size() > max)
    messages.erase(messages.begin(), messages.end() - static_cast<std::ptrdiff_t>(max));
  for (json& one : messages) one["time"] = show_time(number_at(one, "came_us"));
  return messages;
}

std::string messages_text(const json& messages) {
  TextTable table({"TIME", "TRACE", "FROM", "TO", "ENDED", "AFTER", "WHAT HAPPENED"});
  for (const json& row : messages) {
    table.add({text_at(row, "time"), short_id(text_at(row, "trace")), text_at(row, "from"),
               text_at(row, "to"), ending_text(row), took_text(row), text_at(row, "outcome")});
  }
  return table.str();
}

std::string failed_text(const json& failed, const json& refused) {
  if (failed.empty() && refused.empty()) return "nothing was given up, and nothing was refused\n";
  std::string out;
  if (failed.empty()) {
    out = "the gateway gave up nothing\n";
  } else {
    TextTable table({"PROCESS", "ID", "TRACE", "CONVERSATION", "AGE", "REASON", "RETRY", "WHAT HAPPENED"});
    for (const json& row : failed) {
      const bool retried = number_at(row, "retried_us") != 0;
      const char* again = retried                      ? "was sent again"
                          : !row.value("retry", false) ? ""
                          : row.value("doubt", false)  ? "may double"
                                                       : "yes";
      table.add({text_at(row, "process"), text_at(row, "id"), short_id(text_at(row, "trace")),
                 text_at(row, "conversation"), show_duration(number_at(row, "age_ms") * 1000),
                 text_at(row, "reason"), again, text_at(row, "text")});
    }
    out = "given up by the gateway:\n" + table.str();
  }
  if (refused.empty()) return out;
  TextTable table({"PROCESS", "TRACE", "TIME", "FROM", "TO", "BY", "WHAT HAPPENED"});
  for (const json& row : refused) {
    table.add({text_at(row, "process"), short_id(text_at(row, "trace")), show_time(number_at(row, "came_us")),
               text_at(row, "from"), text_at(row, "to"),
               text_at(row, "ending") == "refused_here" ? "the gateway" : "the other side",
               text_at(row, "outcome")});
  }
  return out + "\nrefused, and the sender was told:\n" + table.str();
}

}  // namespace stox::ctl
