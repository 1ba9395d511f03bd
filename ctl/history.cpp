#include "ctl/history.h"

#include <fmt/format.h>

#include <algorithm>

#include "ctl/text_table.h"

namespace stox::ctl {
namespace {

using nlohmann::json;

constexpr std::size_t kPointsOfARow = 30;  // of 10 s

double value_at(const json& process, const char* key, std::size_t i) {
  const auto found = process.find(key);
  if (found == process.end() || !found->is_array() || i >= found->size() || !(*found)[i].is_number())
    return 0;
  return (*found)[i].get<double>();
}

struct Sum {
  double sum = 0, highest = 0;
};

Sum sum_of(const json& process, const char* key, std::size_t from, std::size_t to) {
  Sum out;
  for (std::size_t i = from; i < to; ++i) {
    out.sum += value_at(process, key, i);
    out.highest = std::max(out.highest, value_at(process, key, i));
  }
  return out;
}

std::string ms_text(double ms) { return ms > 0 ? show_duration(static_cast<int64_t>(ms * 1000)) : ""; }

}  // namespace

std::string history_text(const json& history) {
  TextTable table(
      {"PROCESS", "UNTIL", "MESSAGES/S", "FAILED/S", "MEAN", "P95", "ITEMS/S", "QUEUED", "IN FLIGHT"});
  for (const json& process : history["processes"]) {
    const bool edge = text_at(process, "role") != "mapper";
    const std::size_t points = process.value("at_s", json::array()).size();
    // Whole rows from the newest point backwards: the first one may be shorter.
    for (std::size_t from = 0, to = 0; from < points; from = to) {
      to = from == 0 && points % kPointsOfARow != 0 ? points % kPointsOfARow : from + kPointsOfARow;
      const auto rate = [&](const char* key) {
        return fmt::format("{:.1f}", sum_of(process, key, from, to).sum / static_cast<double>(to - from));
      };
      double took = 0;
      for (std::size_t i = from; i < to; ++i)
        took += value_at(process, "mean_ms", i) * value_at(process, "per_second", i);
      const double ended = sum_of(process, "per_second", from, to).sum;
      table.add({text_at(process, "name"),
                 show_time(static_cast<int64_t>(value_at(process, "at_s", to - 1)) * 1'000'000).substr(11, 8),
                 edge ? rate("per_second") : "", edge ? rate("failed_per_second") : "",
                 ms_text(ended > 0 ? took / ended : 0), ms_text(sum_of(process, "p95_ms", from, to).highest),
                 rate("items_per_second"), fmt::format("{:.0f}", sum_of(process, "queued", from, to).highest),
                 edge ? fmt::format("{:.0f}", sum_of(process, "in_flight", from, to).highest) : ""});
    }
  }
  return table.str();
}

}  // namespace stox::ctl
