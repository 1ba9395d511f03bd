#include "ctl/tap_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/service/log.h"
#include "ctl/text_table.h"

namespace stox::ctl {

using nlohmann::json;

TapView::TapView(std::string from, std::string to, unsigned count)
    : from_(ascii_lower(from)), to_(ascii_lower(to)), count_(count) {}

void TapView::add(const std::string& process, json event, int64_t came) {
  event["process"] = process;
  event["time"] = show_time(number_at(event, "time_us"));
  pending_.push_back({std::move(event), came});
}

// A message is chosen by any of its events, and from then on all of them are shown: each process has its own
// address of a user.
bool TapView::chosen(const json& event) {
  std::string trace = text_at(event, "trace");
  if (trace.empty()) trace = fmt::format("refused {}", ++refusals_);
  const auto holds = [&](const char* key, const std::string& part) {
    return ascii_lower(text_at(event, key)).find(part) != std::string::npos;
  };
  if (origins_.count(trace) == 0) {
    if (!holds("from", from_) || !holds("to", to_)) return false;
    origins_[trace] = text_at(event, "process");
  }
  const bool ended = !text_at(event, "outcome").empty() && origins_[trace] == text_at(event, "process");
  if (ended || text_at(event, "kind") == "refused") ended_.insert(trace);
  return true;
}

std::vector<json> TapView::take(int64_t came_by) {
  std::stable_sort(pending_.begin(), pending_.end(), [](const Pending& a, const Pending& b) {
    return number_at(a.event, "time_us") < number_at(b.event, "time_us");
  });
  const auto end = std::find_if(pending_.rbegin(), pending_.rend(), [&](const Pending& one) {
                     return one.came <= came_by;
                   }).base();
  std::vector<json> out;
  auto taken = pending_.begin();
  for (; taken != end && !done(); ++taken) {
    if (chosen(taken->event)) out.push_back(std::move(taken->event));
  }
  pending_.erase(pending_.begin(), taken);
  return out;
}

std::string tap_text(const json& event) {
  const auto shown = [&](const char* key, std::size_t max) {
    return service::printable(text_at(event, key), max);
  };
  std::string out =
      fmt::format("{}  {}  {}  {} -> {}: {}", text_at(event, "time"), text_at(event, "process"),
                  text_at(event, "kind") == "refused" ? "refused" : short_id(text_at(event, "trace")),
                  shown("from", 100), shown("to", 100), shown("decision", 200));
  if (const std::string outcome = shown("outcome", 200); !outcome.empty()) out += "; " + outcome;
  out += '\n';
  std::string_view rest =
      event.contains("body") ? event["body"].get_ref<const std::string&>() : std::string_view();
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) out += "    " + service::printable(line, 1000) + "\n";
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

}  // namespace stox::ctl
