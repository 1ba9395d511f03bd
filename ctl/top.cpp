#include "ctl/top.h"

#include <fmt/format.h>

#include "ctl/text_table.h"

namespace stox::ctl {
namespace {

using nlohmann::json;

// The row whose `keys` have the same values as in `like`; null if there is none.
const json* find(const json& rows, const json& like, std::initializer_list<const char*> keys) {
  for (const json& row : rows) {
    bool same = true;
    for (const char* key : keys) same = same && row.value(key, json()) == like.value(key, json());
    if (same) return &row;
  }
  return nullptr;
}

double double_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

int64_t ended(const json& messages, bool failed_only) {
  int64_t out =
      number_at(messages, "refused") + number_at(messages, "refused_here") + number_at(messages, "given_up");
  if (!failed_only) out += number_at(messages, "delivered") + number_at(messages, "passed_on");
  return out;
}

// A process that was restarted in between counts from nothing.
double rate(int64_t before, int64_t after, double seconds) {
  return static_cast<double>(after < before ? after : after - before) / seconds;
}

json process_row(const json& process, const json* before, const json& in_flight, double seconds) {
  json row = {{"name", text_at(process, "name")},
              {"role", text_at(process, "role")},
              {"state", text_at(process, "state")}};
  for (const char* key : {"messages_per_second", "failed_per_second", "mean_ms"}) row[key] = json();
  for (const char* key : {"count", "limit", "oldest_age_ms"})
    row[std::string(key) == "count" ? "in_flight" : key] = in_flight.value(key, json());
  if (before == nullptr || !process.contains("messages") || !before->contains("messages")) return row;
  const json &then = (*before)["messages"], &now = process["messages"];
  row["messages_per_second"] = rate(ended(then, false), ended(now, false), seconds);
  row["failed_per_second"] = rate(ended(then, true), ended(now, true), seconds);
  const int64_t count = ended(now, false) - ended(then, false);
  if (count > 0)
    row["mean_ms"] =
        (double_at(now, "seconds") - double_at(then, "seconds")) * 1000 / static_cast<double>(count);
  return row;
}

std::string number_text(const json& row, const char* key) {
  return row[key].is_number() ? fmt::format("{:.1f}", row[key].get<double>()) : "";
}

std::string age_text(const json& row) {
  return row["oldest_age_ms"].is_number() ? show_duration(number_at(row, "oldest_age_ms") * 1000) : "";
}

}  // namespace

json top_json(const json& before, const json& after, double seconds) {
  json processes = json::array(), links = json::array();
  for (const json& process : after["status"]["processes"]) {
    const json* in_flight =
        find(after["queues"]["in_flight"], {{"process", text_at(process, "name")}}, {"process"});
    processes.push_back(process_row(process, find(before["status"]["processes"], process, {"name"}),
                                    in_flight != nullptr ? *in_flight : json::object(), seconds));
  }
  for (const json& link : after["queues"]["links"]) {
    const json* then = find(before["queues"]["links"], link, {"from", "to"});
    const bool known = then != nullptr && (*then)["sent"].is_number() && link["sent"].is_number();
    links.push_back(
        {{"from", link["from"]},
         {"to", link["to"]},
         {"items_per_second",
          known ? json(rate(number_at(*then, "sent"), number_at(link, "sent"), seconds)) : json()},
         {"depth", link["depth"]},
         {"oldest_age_ms", link["oldest_age_ms"]}});
  }
  return {{"processes", std::move(processes)}, {"links", std::move(links)}};
}

std::string top_text(const json& top) {
  TextTable processes({"NAME", "STATE", "MESSAGES/S", "FAILED/S", "MEAN", "IN FLIGHT", "LIMIT", "OLDEST"});
  for (const json& row : top["processes"]) {
    processes.add({text_at(row, "name"), text_at(row, "state"), number_text(row, "messages_per_second"),
                   number_text(row, "failed_per_second"),
                   row["mean_ms"].is_number() ? number_text(row, "mean_ms") + " ms" : "",
                   show(row, "in_flight"), show(row, "limit"), age_text(row)});
  }
  TextTable links({"FROM", "TO", "ITEMS/S", "DEPTH", "OLDEST"});
  for (const json& row : top["links"]) {
    links.add({text_at(row, "from"), text_at(row, "to"), number_text(row, "items_per_second"),
               show(row, "depth"), age_text(row)});
  }
  return processes.str() + "\n" + links.str();
}

}  // namespace stox::ctl
