#include "ctl/site.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "common/base/clock.h"
#include "ctl/messages.h"
#include "ctl/queues.h"
#include "ctl/status.h"
#include "ctl/text_table.h"
#include "ctl/trace_view.h"

namespace stox::ctl {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxTraces = 20;    // that one id may stand for
constexpr std::size_t kMaxHearers = 200;  // as many phones may be in a room

void add_rows(const json& answer, const char* key, const std::string& process, json* rows) {
  for (json row : answer.value(key, json::array())) {
    row["process"] = process;
    rows->push_back(std::move(row));
  }
}

// Those that a name means, all without one. Nothing if there is none of this name, which is complained of.
std::vector<Known> choose(std::vector<Known> known, const std::string& name, Found* out) {
  if (name.empty()) return known;
  auto found = named(known, name);
  if (found) return std::move(*found);
  out->complaints.push_back(found.error().text);
  out->code = kUsage;
  return {};
}

Found wrong(ExitCode code, std::string complaint) { return {json::object(), code, {std::move(complaint)}}; }

}  // namespace

Named gather(const std::vector<Known>& known, const json& request, Found* found) {
  Named out;
  const std::vector<Answer> answers = ask_all(paths_of(known), request);
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (const std::string why = answers[i].error(); !why.empty()) {
      found->complaints.push_back(fmt::format("{}: {}", known[i].name, why));
      found->code = std::max(found->code, answers[i].reached() ? kTrouble : kUnreachable);
    } else {
      out.emplace_back(known[i].name, answers[i].value);
    }
  }
  return out;
}

json gather_rows(const std::vector<Known>& known, const json& request, const char* key, Found* found) {
  json out = json::array();
  for (const auto& [process, answer] : gather(known, request, found)) add_rows(answer, key, process, &out);
  return out;
}

std::vector<Known> edges_of(const service::Config& config) {
  std::vector<Known> out = known_processes(config);
  std::erase_if(out, [](const Known& one) { return one.role == service::Role::kMapper; });
  return out;
}

std::vector<Known> of_role(const service::Config& config, service::Role role) {
  std::vector<Known> out = known_processes(config);
  std::erase_if(out, [role](const Known& one) { return one.role != role; });
  return out;
}

Found find_status(const service::Config& config) {
  const std::vector<Known> known = known_processes(config);
  Found out;
  out.value = status_json(known, ask_all(paths_of(known), {{"command", "status"}}));
  add_failed_starts(&out.value, config.runtime, SystemClock().wall_us());
  out.code = status_code(out.value);
  return out;
}

Found find_queues(const service::Config& config) {
  Found out;
  out.value = merge_queues(gather(known_processes(config), {{"command", "queues"}}, &out));
  return out;
}

Found find_history(const service::Config& config, const std::string& name) {
  Found out;
  const std::vector<Known> known = choose(known_processes(config), name, &out);
  json rows = json::array();
  json step;
  for (const auto& [process, answer] : gather(known, {{"command", "history"}}, &out)) {
    const auto one = std::find_if(known.begin(), known.end(),
                                  [&, &name_of = process](const Known& k) { return k.name == name_of; });
    json row = answer.value("points", json::object());
    row["name"] = process;
    row["role"] = service::role_name(one->role);
    step = answer.value("step_ms", json());
    rows.push_back(std::move(row));
  }
  out.value = {{"step_ms", step}, {"processes", std::move(rows)}};
  return out;
}

Found find_inflight(const service::Config& config, const std::string& name_or_id) {
  Found out;
  std::vector<Known> known = known_processes(config);
  const bool by_id = looks_like_id(name_or_id) && !named(known, name_or_id);
  known = choose(std::move(known), by_id ? "" : name_or_id, &out);
  const json rows = gather_rows(known, {{"command", "inflight"}}, "inflight", &out);
  out.value = {{"in_flight", by_id ? with_id(rows, name_or_id) : rows}};
  return out;
}

Found find_failed(const service::Config& config, const std::string& name) {
  Found out;
  json failed = json::array(), refused = json::array();
  for (const auto& [process, answer] :
       gather(choose(edges_of(config), name, &out), {{"command", "failed"}}, &out)) {
    add_rows(answer, "failed", process, &failed);
    add_rows(answer, "refused", process, &refused);
  }
  out.value = {{"failed", std::move(failed)}, {"refused", std::move(refused)}};
  return out;
}

Found find_streams(const service::Config& config) {
  Found out;
  const std::vector<Known> workers = of_role(config, service::Role::kXmppWorker);
  out.value = {{"streams", gather_rows(workers, {{"command", "streams"}}, "streams", &out)}};
  return out;
}

// A process may know a message by another of its ids only, so the trace ids found are asked for again. What
// was said in a room is shown to all who hear it there.
Found find_trace(const service::Config& config, const std::string& id) {
  Found out;
  const std::vector<Known> known = known_processes(config);
  const auto ask = [&known](const std::string& about, Found* found) {
    return gather(known, {{"command", "trace"}, {"id", about}}, found);
  };
  Named all;
  Found ignored;  // who does not answer is complained of once
  std::set<std::string> asked;
  const auto add = [&](const std::set<std::string>& traces, std::size_t most, const char* complaint) {
    for (const std::string& trace : traces) {
      if (asked.contains(trace)) continue;
      if (asked.size() >= most) {
        out.complaints.push_back(fmt::format(fmt::runtime(complaint), most));
        return;
      }
      asked.insert(trace);
      for (auto& one : ask(trace, &ignored)) all.push_back(std::move(one));
    }
  };
  add(trace_ids(ask(id, &out)), kMaxTraces, "more than {} messages have this id; a trace id has one");
  for (const Line& line : lines(all))
    add(traces_of(line, ask(line.second, &ignored)), kMaxTraces + kMaxHearers,
        "more than {} messages are of what this room said");
  out.value = merge_hops(id, all);
  return out;
}

Found find_messages(const service::Config& config, const MessageOptions& wanted) {
  Found out;
  json question = {{"command", "messages"}, {"failed", wanted.failed}, {"last", wanted.last}};
  if (!wanted.domain.empty()) question["domain"] = wanted.domain;
  if (!wanted.user.empty()) question["users"] = ways_to_write(wanted.user, config);
  out.value = {{"messages", latest(gather_rows(edges_of(config), question, "messages", &out), wanted.last)}};
  return out;
}

Found accept_new(const service::Config& config, const std::string& name, bool on) {
  Found out;
  const std::vector<Known> chosen = choose(known_processes(config), name, &out);
  json changed = json::array();
  for (const auto& [process, answer] : gather(chosen, {{"command", on ? "resume" : "drain"}}, &out)) {
    changed.push_back(
        {{"process", process}, {"state", text_at(answer, "state")}, {"reason", text_at(answer, "reason")}});
  }
  out.value = {{"changed", std::move(changed)}};
  return out;
}

// By its envelope's id or, as long as there is only one, by its trace.
Found retry(const service::Config& config, const std::string& id, bool again) {
  const std::vector<Known> edges = edges_of(config);
  Found out;
  const json found = with_id(gather_rows(edges, {{"command", "failed"}}, "failed", &out), id);
  if (found.size() > 1) {
    out.complaints.push_back(fmt::format("\"{}\" stands for several messages; give one of these ids:", id));
    for (const json& one : found) out.complaints.push_back("  " + text_at(one, "id"));
    out.code = kUsage;
    return out;
  }
  const std::string name = found.empty() ? id.substr(0, id.find('.')) : text_at(found[0], "process");
  const auto edge =
      std::find_if(edges.begin(), edges.end(), [&](const Known& one) { return one.name == name; });
  if (edge == edges.end()) {
    out.complaints.push_back(
        fmt::format("\"{}\" is no id of what was given up here; `stoxctl failed` lists that", id));
    out.code = out.code == kUnreachable ? kUnreachable : kUsage;
    return out;
  }
  const json question = {
      {"command", "retry"}, {"id", found.empty() ? id : text_at(found[0], "id")}, {"again", again}};
  const Answer answer = ask_all({edge->place()}, question)[0];
  if (!answer.error().empty())
    return wrong(answer.reached() ? kTrouble : kUnreachable, fmt::format("{}: {}", name, answer.error()));
  out.value = {{"ok", true}, {"process", name}, {"trace", text_at(answer.value, "trace")}};
  out.code = kFine;
  return out;
}

Found reload(const service::Config& config) {
  Found out;
  json rows = json::array();
  for (auto& [process, answer] : gather(known_processes(config), {{"command", "reload"}}, &out)) {
    if (!text_at(answer, "error").empty()) out.code = std::max(out.code, kTrouble);
    rows.push_back({{"process", process},
                    {"taken", answer.value("taken", json::array())},
                    {"waiting", answer.value("waiting", json::array())},
                    {"error", text_at(answer, "error")}});
  }
  out.value = {{"processes", std::move(rows)}};
  return out;
}

Found forget(const std::vector<Known>& known, const json& request) {
  Found out;
  int64_t forgotten = 0;
  for (const auto& [process, answer] : gather(known, request, &out))
    forgotten += number_at(answer, "forgotten");
  out.value = {{"forgotten", forgotten}};
  return out;
}

Found purge_failed(const service::Config& config) {
  return forget(edges_of(config), {{"command", "forget_failed"}});
}

Found close_streams(const service::Config& config, const std::string& action, const std::string& domain) {
  Found out;
  const json request = {{"command", "streams"}, {"action", action}, {"domain", domain}};
  int64_t count = 0;
  for (const auto& [process, answer] : gather(of_role(config, service::Role::kXmppWorker), request, &out))
    count += number_at(answer, "count");
  out.value = {{"count", count}};
  if (count > 0) return out;
  out.code = std::max(out.code, kTrouble);
  out.complaints.push_back(
      action == "close" ? fmt::format("no worker has a stream with {}", domain)
                        : fmt::format("no worker is named {0}, is connected as {0} or has a stream with "
                                      "{0}; `stoxctl streams` lists them",
                                      domain));
  return out;
}

}  // namespace stox::ctl
