#include "ctl/trace_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "common/service/log.h"
#include "ctl/text_table.h"

namespace stox::ctl {
namespace {

using nlohmann::json;
using Answers = std::vector<std::pair<std::string, json>>;

double ms(int64_t us) { return static_cast<double>(us) / 1e3; }

std::vector<json> all_hops(const Answers& answers) {
  std::vector<json> out;
  for (const auto& [name, answer] : answers) {
    const auto hops = answer.find("hops");
    if (hops == answer.end() || !hops->is_array()) continue;
    for (json hop : *hops) {
      if (!hop.is_object()) continue;
      hop["process"] = name;
      out.push_back(std::move(hop));
    }
  }
  return out;
}

Line line_of(const json& hop) { return {text_at(hop, "room"), text_at(hop, "message_id")}; }

}  // namespace

json merge_hops(const std::string& id, const Answers& answers) {
  std::map<std::string, std::vector<json>> by_trace;
  for (json& hop : all_hops(answers)) by_trace[text_at(hop, "trace")].push_back(std::move(hop));

  std::vector<std::vector<json>> traces;
  const auto came = [](const json& hop) { return number_at(hop, "came_us"); };
  for (auto& [trace, hops] : by_trace) {
    std::stable_sort(hops.begin(), hops.end(),
                     [&](const json& a, const json& b) { return came(a) < came(b); });
    traces.push_back(std::move(hops));
  }
  std::stable_sort(traces.begin(), traces.end(),
                   [&](const auto& a, const auto& b) { return came(a[0]) < came(b[0]); });

  json out = json::array();
  for (const auto& hops : traces) {
    int64_t handed_on = 0;
    for (const json& hop : hops) {
      json row;
      for (const char* key :
           {"process", "trace", "envelope", "message_id", "other_id", "from", "to", "decision", "outcome"})
        row[key] = text_at(hop, key);
      row["came_us"] = came(hop);
      row["time"] = show_time(came(hop));
      row["wait_ms"] = handed_on == 0 ? 0.0 : ms(std::max<int64_t>(0, came(hop) - handed_on));
      const int64_t ended = number_at(hop, "ended_us");
      row["took_ms"] = ended == 0 ? json() : json(ms(ended - came(hop)));
      out.push_back(std::move(row));
      const int64_t went = number_at(hop, "went_us");
      handed_on = went != 0 ? went : came(hop);
    }
  }
  return {{"id", id}, {"hops", std::move(out)}};
}

std::set<std::string> trace_ids(const Answers& answers) {
  std::set<std::string> out;
  for (const json& hop : all_hops(answers)) out.insert(text_at(hop, "trace"));
  out.erase("");
  return out;
}

std::set<Line> lines(const Answers& answers) {
  std::set<Line> out;
  for (const json& hop : all_hops(answers)) {
    if (const Line line = line_of(hop); !line.first.empty() && !line.second.empty()) out.insert(line);
  }
  return out;
}

std::set<std::string> traces_of(const Line& line, const Answers& answers) {
  std::set<std::string> out;
  for (const json& hop : all_hops(answers)) {
    if (line_of(hop) == line) out.insert(text_at(hop, "trace"));
  }
  return out;
}

std::string hops_text(const json& trace) {
  std::string out;
  std::optional<std::string> current;
  TextTable table({});
  for (const json& hop : trace["hops"]) {
    if (const std::string id = text_at(hop, "trace"); id != current) {
      if (current) out += table.str() + "\n";
      out +=
          fmt::format("trace {}\nfrom  {}\nto    {}\n\n", id, service::printable(text_at(hop, "from"), 200),
                      service::printable(text_at(hop, "to"), 200));
      table = TextTable({"PROCESS", "TIME", "WAIT", "DECISION", "OUTCOME"});
      current = id;
    }
    std::string outcome = text_at(hop, "outcome");
    if (hop["took_ms"].is_number())
      outcome += fmt::format("{}after {:.1f} ms", outcome.empty() ? "" : " ", hop["took_ms"].get<double>());
    table.add({text_at(hop, "process"), text_at(hop, "time"),
               fmt::format("{:.1f} ms", hop["wait_ms"].get<double>()), text_at(hop, "decision"), outcome});
  }
  return current ? out + table.str() : out;
}

}  // namespace stox::ctl
