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

void TapView::add(const std::string& process, json event) {
  event["process"] = process;
  event["time"] = show_time(number_at(event, "time_us"));
  pending_.push_back(std::move(event));
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

std::vector<json> TapView::take(int64_t until_us) {
  std::stable_sort(pending_.begin(), pending_.end(), [](const json& a, const json& b) {
    return number_at(a, "time_us") < number_at(b, "time_us");
  });
  std::vector<json> out;
  std::size_t taken = 0;
  for (; taken < pending_.size() && number_at(pending_[taken], "time_us") <= until_us && !done(); ++taken) {
    if (chosen(pending_[taken])) out.push_back(std::move(pending_[taken]));
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(taken));
  return out;
}

std::string tap_text(const json& event) {
  const auto shown = [&](const char* key, std::size_t max) {
    return service::printable(text_at(event, key), max);
  };
  std::string out =
      fmt::format("{}  {}  {}  {} -> {}: {}", text_at(event, "time"), text_at(event, "process"),
                  text_at(event, "kind") == "refused" ? "refused" : text_at(event, "trace").substr(0, 8),
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
