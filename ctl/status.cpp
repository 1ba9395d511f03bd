#include "ctl/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "common/service/last_words.h"
#include "common/service/log.h"
#include "ctl/text_table.h"

namespace stox::ctl {
namespace {

using nlohmann::json;

// Of a process; failed: those that it could not connect to or that did not reach it, of late.
std::vector<json> peers_of(const json& process, bool failed) {
  std::vector<json> out;
  for (const json& peer : process.value("peers", json::array())) {
    if (peer.is_object() && peer.contains("why") == failed) out.push_back(peer);
  }
  return out;
}

std::string peers_text(const json& process) {
  std::string out;
  for (const json& peer : peers_of(process, false))
    out += (out.empty() ? "" : ", ") + text_at(peer, "name") + " " + text_at(peer, "state");
  return out;
}

std::string failures_text(const json& process) {
  std::string out;
  for (const json& peer : peers_of(process, true)) {
    out += fmt::format("{}: {} {}: {}", text_at(process, "name"), text_at(peer, "state"),
                       service::printable(text_at(peer, "name"), 200),
                       service::printable(text_at(peer, "why"), 500));
    if (const int64_t times = number_at(peer, "times"); times > 0) {
      out += fmt::format(" ({}, last {} ago)", times == 1 ? "once" : fmt::format("{} times", times),
                         show_duration(number_at(peer, "age_ms") * 1000));
    }
    out += "\n";
  }
  return out;
}

bool is_ready(const std::string& state) { return state == "ready" || state == "standby"; }

std::string pending_text(const json& process) {
  std::string keys;
  for (const json& key : process.value("restart_pending", json::array())) {
    if (key.is_string()) keys += (keys.empty() ? "" : ", ") + service::printable(key.get<std::string>(), 200);
  }
  if (keys.empty()) return {};
  return fmt::format("{}: restart pending: {} changed in the file; `stoxctl rolling-restart` brings it\n",
                     text_at(process, "name"), keys);
}

// Each once, with those that say so: most are about the file that all read.
std::string warnings_text(const json& processes) {
  std::map<std::string, std::string> by;
  for (const json& process : processes) {
    for (const json& warning : process.value("warnings", json::array())) {
      if (!warning.is_string()) continue;
      std::string& names = by[warning.get<std::string>()];
      names += (names.empty() ? "" : ", ") + text_at(process, "name");
    }
  }
  std::string out;
  for (const auto& [warning, names] : by)
    out += fmt::format("warning of {}: {}\n", names, service::printable(warning, 500));
  return out;
}

// Messages a second, over the last minute; empty where none come in.
std::string rate_text(const json& process) {
  const auto messages = process.find("messages");
  if (messages == process.end() || !messages->is_object()) return {};
  const auto rate = messages->find("per_second");
  return rate != messages->end() && rate->is_number() ? fmt::format("{:.1f}/s", rate->get<double>()) : "";
}

std::string in_flight_text(const json& process) {
  const auto in_flight = process.find("in_flight");
  if (in_flight == process.end() || !in_flight->is_object()) return {};
  return show(*in_flight, "count") + "/" + show(*in_flight, "limit");
}

// It works, but not with all it should.
bool has_trouble(const json& process) {
  return text_at(process, "state") == "ready" && !text_at(process, "reason").empty();
}

}  // namespace

json status_json(const std::vector<Known>& known, const std::vector<Answer>& answers) {
  json processes = json::array();
  for (std::size_t i = 0; i < known.size(); ++i) {
    json one = answers[i].error().empty()
                   ? answers[i].value
                   : json{{"state", "unreachable"}, {"reason", answers[i].error()}, {"pid", nullptr},
                          {"version", ""},          {"uptime_ms", nullptr},         {"peers", json::array()}};
    one.erase("ok");
    one["name"] = known[i].name;
    one["role"] = service::role_name(known[i].role);
    processes.push_back(std::move(one));
  }
  return {{"processes", std::move(processes)}};
}

void add_failed_starts(json* status, const service::RuntimeConfig& runtime, int64_t now_us) {
  for (json& process : (*status)["processes"]) {
    if (text_at(process, "state") != "unreachable") continue;
    const auto words = service::read_last_words(runtime, text_at(process, "name"));
    if (!words || !text_at(process, "reason").starts_with("not running")) continue;
    const int64_t age_ms = std::max<int64_t>(0, now_us - words->at_us) / 1000;
    process["reason"] =
        fmt::format("not running: it could not start, {} ago: {}", show_duration(age_ms * 1000), words->text);
    process["failed_start"] = {{"text", words->text}, {"time", show_time(words->at_us)}, {"age_ms", age_ms}};
  }
}

ExitCode status_code(const json& status) {
  ExitCode code = kFine;
  for (const json& process : status["processes"]) {
    const std::string state = text_at(process, "state");
    if (state == "unreachable") return kUnreachable;
    if (!is_ready(state) || has_trouble(process)) code = kTrouble;
  }
  return code;
}

bool all_ready(const json& status) {
  const json& all = status["processes"];
  return std::all_of(all.begin(), all.end(), [](const json& one) { return is_ready(text_at(one, "state")); });
}

std::string status_text(const json& status) {
  TextTable table({"NAME", "ROLE", "STATE", "PID", "UPTIME", "VERSION", "RATE", "IN FLIGHT", "PEERS"});
  std::string troubles;
  for (const json& process : status["processes"]) {
    const std::string state = text_at(process, "state");
    const std::string uptime =
        state == "unreachable" ? "" : show_duration(number_at(process, "uptime_ms") * 1000);
    table.add({text_at(process, "name"), text_at(process, "role"), state, show(process, "pid"), uptime,
               text_at(process, "version"), rate_text(process), in_flight_text(process),
               peers_text(process)});
    if (!is_ready(state) || has_trouble(process)) {
      const bool timed = process.contains("state_ms");
      troubles += fmt::format(
          "{} is {}{}: {}\n", text_at(process, "name"), state,
          timed ? fmt::format(", for {} now", show_duration(number_at(process, "state_ms") * 1000)) : "",
          service::printable(text_at(process, "reason"), 500));
    }
    if (const auto gone = process.find("gone"); gone != process.end() && gone->is_array()) {
      for (const json& one : *gone) {
        troubles += fmt::format("{} misses {}, gone for {}\n", text_at(process, "name"), text_at(one, "name"),
                                show_duration(number_at(one, "since_ms") * 1000));
      }
    }
    if (const auto journal = process.find("journal"); journal != process.end() && journal->is_object()) {
      if (const int64_t held = number_at(*journal, "held"); held > 0)
        troubles += fmt::format("{} has {} messages in its journal\n", text_at(process, "name"), held);
    }
    troubles += failures_text(process) + pending_text(process);
  }
  troubles += warnings_text(status["processes"]);
  return table.str() + (troubles.empty() ? "" : "\n" + troubles);
}

}  // namespace stox::ctl
