// stoxctl sip: what the fronts say about their SIP side.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/service/log.h"
#include "ctl/commands.h"
#include "ctl/control_client.h"
#include "ctl/output.h"
#include "ctl/processes.h"
#include "ctl/text_table.h"

namespace stox::ctl {
namespace {

using nlohmann::json;

constexpr std::pair<const char*, const char*> kFigures[] = {
    {"server transactions waiting", "server_transactions_waiting"},
    {"server transactions kept for retransmissions", "server_transactions_completed"},
    {"client transactions", "client_transactions"},
    {"retransmissions absorbed", "retransmissions_absorbed"},
    {"stray responses", "stray_responses"},
    {"not answered", "ignored"},
    {"strangers not answered", "strangers_unanswered"},
    {"connections", "connection_count"},
    {"connections refused", "connections_refused"},
};

std::string front_text(const std::string& name, const json& sip) {
  std::string out = name + "\n";
  for (const json& one : sip.value("listeners", json::array()))
    out += fmt::format("  listens on {}\n", service::printable(text_at(one, "name"), 200));
  for (const auto& [words, key] : kFigures) out += fmt::format("  {:<46}{}\n", words, number_at(sip, key));
  const json refused = sip.value("refused", json::object());
  for (const auto& [reason, count] : refused.items())
    out += fmt::format("  {:<46}{}\n", "refused: " + service::printable(reason, 40), count.dump());
  for (const json& one : sip.value("tls_failures", json::array())) {
    out += fmt::format("  no TLS {}: {} ({} times, last {} ago)\n",
                       service::printable(text_at(one, "peer"), 100),
                       service::printable(text_at(one, "why"), 500), number_at(one, "times"),
                       show_duration(number_at(one, "age_ms") * 1000));
  }
  const json connections = sip.value("connections", json::array());
  if (connections.empty()) return out;
  TextTable table({"  CONNECTION", "PEER", "OPENED BY", "STATE", "TRUSTED", "IDLE"});
  for (const json& one : connections) {
    table.add({"  " + text_at(one, "transport"), text_at(one, "peer"), text_at(one, "opened_by"),
               text_at(one, "state"), one.value("trusted", false) ? "yes" : "no",
               show_duration(number_at(one, "idle_ms") * 1000)});
  }
  return out + table.str();
}

}  // namespace

ExitCode sip(const Options& options) {
  std::vector<Known> fronts = known_processes(options.config);
  std::erase_if(fronts, [](const Known& one) { return one.role != service::Role::kSipFront; });
  const std::vector<Answer> answers = ask_all(paths_of(fronts), {{"command", "status"}});
  ExitCode code = kFine;
  json rows = json::array();
  for (std::size_t i = 0; i < fronts.size(); ++i) {
    if (const std::string why = answers[i].error(); !why.empty()) {
      complain(fmt::format("{}: {}", fronts[i].name, why));
      code = kUnreachable;
      continue;
    }
    json sip = answers[i].value.value("sip", json::object());
    if (!options.json) print_text(front_text(fronts[i].name, sip));
    sip["name"] = fronts[i].name;
    rows.push_back(std::move(sip));
  }
  if (options.json) print_json({{"fronts", rows}});
  return code;
}

}  // namespace stox::ctl
