#include "ctl/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/base/clock.h"
#include "common/service/log.h"
#include "ctl/control_client.h"
#include "ctl/messages.h"
#include "ctl/output.h"
#include "ctl/presence.h"
#include "ctl/processes.h"
#include "ctl/queues.h"
#include "ctl/reload.h"
#include "ctl/send.h"
#include "ctl/status.h"
#include "ctl/streams.h"
#include "ctl/text_table.h"
#include "ctl/top.h"
#include "ctl/trace_view.h"

namespace stox::ctl {
namespace {

using nlohmann::json;
using Named = std::vector<std::pair<std::string, json>>;

void print(const Options& options, const json& value, const std::string& text) {
  if (options.json) return print_json(value);
  print_text(text);
}

// A list without a row says `none`, but not of those that could not be asked.
void print_list(const Options& options, const json& value, ExitCode code, bool empty, const char* none,
                const std::string& text) {
  print(options, value, !empty ? text : code == kUnreachable ? "" : none);
}

// What those that answered said; of the others the reason goes to standard error and `code` becomes
// kUnreachable.
Named gather(const std::vector<Known>& known, const json& request, ExitCode* code) {
  Named out;
  const std::vector<Answer> answers = ask_all(paths_of(known), request);
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (const std::string why = answers[i].error(); !why.empty()) {
      complain(fmt::format("{}: {}", known[i].name, why));
      *code = std::max(*code, answers[i].reached() ? kTrouble : kUnreachable);
    } else {
      out.emplace_back(known[i].name, answers[i].value);
    }
  }
  return out;
}

void add_rows(const json& answer, const char* key, const std::string& process, json* rows) {
  for (json row : answer.value(key, json::array())) {
    row["process"] = process;
    rows->push_back(std::move(row));
  }
}

// What they answer as a list under `key`, each with the name of its process.
json gather_rows(const std::vector<Known>& known, const json& request, const char* key, ExitCode* code) {
  json out = json::array();
  for (const auto& [process, answer] : gather(known, request, code)) add_rows(answer, key, process, &out);
  return out;
}

json ask_status(const Options& options) {
  const std::vector<Known> known = known_processes(options.config);
  json out = status_json(known, ask_all(paths_of(known), {{"command", "status"}}));
  add_failed_starts(&out, options.config.runtime, SystemClock().wall_us());
  return out;
}

// All hops of the messages that the id names: a process may know a message by another of its ids only, so the
// trace ids found are asked for again.
json gather_hops(const Options& options, const std::string& id, ExitCode* code) {
  const std::vector<Known> known = known_processes(options.config);
  const Named first = gather(known, {{"command", "trace"}, {"id", id}}, code);
  Named all;
  for (const std::string& trace : trace_ids(first)) {
    const std::vector<Answer> answers = ask_all(paths_of(known), {{"command", "trace"}, {"id", trace}});
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (answers[i].error().empty()) all.emplace_back(known[i].name, answers[i].value);
    }
  }
  return merge_hops(id, all);
}

// Nothing if there is none of this name, which is said.
std::optional<std::vector<Known>> find(const std::vector<Known>& known, const std::string& name) {
  auto found = named(known, name);
  if (found) return std::move(*found);
  complain(found.error().text);
  return std::nullopt;
}

// As find(); all of them without a name.
std::optional<std::vector<Known>> choose(std::vector<Known> known, const std::string& name) {
  return name.empty() ? std::optional(std::move(known)) : find(known, name);
}

std::vector<Known> edges_of(const Options& options) {
  std::vector<Known> out = known_processes(options.config);
  std::erase_if(out, [](const Known& one) { return one.role == service::Role::kMapper; });
  return out;
}

std::vector<Known> fronts_of(const Options& options) {
  std::vector<Known> out = known_processes(options.config);
  std::erase_if(out, [](const Known& one) { return one.role != service::Role::kSipFront; });
  return out;
}

// Asks them to forget something, and says how many there were.
ExitCode forget(const Options& options, const std::vector<Known>& known, const json& request) {
  ExitCode code = kFine;
  int64_t forgotten = 0;
  for (const auto& [process, answer] : gather(known, request, &code))
    forgotten += number_at(answer, "forgotten");
  print(options, {{"forgotten", forgotten}}, fmt::format("{} forgotten\n", forgotten));
  return code;
}

}  // namespace

ExitCode status(const Options& options, const WatchOptions& watch) {
  for (unsigned round = 1;; ++round) {
    const json found = ask_status(options);
    if (watch.on && !options.json) show_screen(status_text(found));
    if (watch.on && options.json) print_json_line(found);
    if (!watch.on) print(options, found, status_text(found));
    if (!watch.on || round == watch.rounds) return status_code(found);
    std::this_thread::sleep_for(std::chrono::seconds(watch.every_s));
  }
}

ExitCode top(const Options& options, const WatchOptions& watch) {
  using Clock = std::chrono::steady_clock;
  const auto look = [&] {
    const std::vector<Known> known = known_processes(options.config);
    const std::vector<Answer> answers = ask_all(paths_of(known), {{"command", "queues"}});
    Named reached;  // of the others the status says why
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (answers[i].error().empty()) reached.emplace_back(known[i].name, answers[i].value);
    }
    return json{{"status", ask_status(options)}, {"queues", merge_queues(reached)}};
  };
  json before = look();
  auto then = Clock::now();
  for (unsigned round = 1;; ++round) {
    std::this_thread::sleep_for(std::chrono::seconds(watch.every_s));
    json after = look();
    const auto now = Clock::now();
    const json shown = top_json(before, after, std::chrono::duration<double>(now - then).count());
    options.json ? print_json_line(shown) : show_screen(top_text(shown));
    if (round == watch.rounds) return status_code(after["status"]);
    before = std::move(after);
    then = now;
  }
}

ExitCode wait_ready(const Options& options, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    const json found = ask_status(options);
    const bool ready = all_ready(found);
    if (ready || std::chrono::steady_clock::now() >= deadline) {
      if (!ready || options.json) print(options, found, status_text(found));
      return ready ? kFine : kTrouble;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

ExitCode queues(const Options& options) {
  ExitCode code = kFine;
  const json merged = merge_queues(gather(known_processes(options.config), {{"command", "queues"}}, &code));
  print(options, merged, queues_text(merged));
  return code;
}

ExitCode inflight(const Options& options, const std::string& name_or_id) {
  std::vector<Known> known = known_processes(options.config);
  const bool by_id = looks_like_id(name_or_id) && !named(known, name_or_id);
  const auto chosen = choose(std::move(known), by_id ? "" : name_or_id);
  if (!chosen) return kUsage;
  ExitCode code = kFine;
  json rows = gather_rows(*chosen, {{"command", "inflight"}}, "inflight", &code);
  if (by_id) rows = with_id(rows, name_or_id);
  TextTable table({"PROCESS", "ID", "TRACE", "FROM", "TO", "STAGE", "ATTEMPTS", "AGE"});
  for (const json& row : rows) {
    table.add({text_at(row, "process"), text_at(row, "id"), short_id(text_at(row, "trace")),
               text_at(row, "from"), text_at(row, "to"), text_at(row, "stage"), show(row, "attempts"),
               show_duration(number_at(row, "age_ms") * 1000)});
  }
  print_list(options, {{"in_flight", rows}}, code, rows.empty(),
             by_id ? "no such message is in flight\n" : "nothing is in flight\n", table.str());
  return code;
}

ExitCode failed(const Options& options, const std::string& name) {
  const auto known = choose(edges_of(options), name);
  if (!known) return kUsage;
  ExitCode code = kFine;
  json failed = json::array(), refused = json::array();
  for (const auto& [process, answer] : gather(*known, {{"command", "failed"}}, &code)) {
    add_rows(answer, "failed", process, &failed);
    add_rows(answer, "refused", process, &refused);
  }
  const std::string text = failed_text(failed, refused);
  print(options, {{"failed", failed}, {"refused", refused}},
        failed.empty() && refused.empty() && code == kUnreachable ? "" : text);
  return code;
}

ExitCode purge_failed(const Options& options) {
  ExitCode code = kFine;
  int64_t forgotten = 0;
  for (const auto& [process, answer] : gather(edges_of(options), {{"command", "forget_failed"}}, &code))
    forgotten += number_at(answer, "forgotten");
  print(options, {{"forgotten", forgotten}}, fmt::format("{} forgotten\n", forgotten));
  return code;
}

// By its envelope's id or, as long as there is only one, by its trace.
ExitCode retry(const Options& options, const std::string& id, bool again) {
  const std::vector<Known> edges = edges_of(options);
  ExitCode code = kFine;
  const json found = with_id(gather_rows(edges, {{"command", "failed"}}, "failed", &code), id);
  if (found.size() > 1) {
    complain(fmt::format("\"{}\" stands for several messages; give one of these ids:", id));
    for (const json& one : found) complain("  " + text_at(one, "id"));
    return kUsage;
  }
  const std::string name = found.empty() ? id.substr(0, id.find('.')) : text_at(found[0], "process");
  const auto edge =
      std::find_if(edges.begin(), edges.end(), [&](const Known& one) { return one.name == name; });
  if (edge == edges.end()) {
    complain(fmt::format("\"{}\" is no id of what was given up here; `stoxctl failed` lists that", id));
    return code == kUnreachable ? kUnreachable : kUsage;
  }
  const json question = {
      {"command", "retry"}, {"id", found.empty() ? id : text_at(found[0], "id")}, {"again", again}};
  const Answer answer = ask_all({edge->place()}, question)[0];
  if (!answer.error().empty()) {
    complain(fmt::format("{}: {}", name, answer.error()));
    return answer.reached() ? kTrouble : kUnreachable;
  }
  const std::string trace = text_at(answer.value, "trace");
  print(options, {{"ok", true}, {"process", name}, {"trace", trace}},
        fmt::format("sent once more; `stoxctl trace {}` shows what becomes of it\n", short_id(trace)));
  return kFine;
}

ExitCode messages(const Options& options, const MessageOptions& wanted) {
  json question = {{"command", "messages"}, {"failed", wanted.failed}, {"last", wanted.last}};
  if (!wanted.domain.empty()) question["domain"] = wanted.domain;
  if (!wanted.user.empty()) question["users"] = ways_to_write(wanted.user, options.config);
  ExitCode code = kFine;
  json rows = latest(gather_rows(edges_of(options), question, "messages", &code), wanted.last);
  print_list(options, {{"messages", rows}}, code, rows.empty(), "no such message is remembered\n",
             messages_text(rows));
  return code;
}

ExitCode reload(const Options& options) {
  ExitCode code = kFine;
  json rows = json::array();
  for (auto& [process, answer] : gather(known_processes(options.config), {{"command", "reload"}}, &code)) {
    if (!text_at(answer, "error").empty()) code = std::max(code, kTrouble);
    rows.push_back({{"process", process},
                    {"taken", answer.value("taken", json::array())},
                    {"waiting", answer.value("waiting", json::array())},
                    {"error", text_at(answer, "error")}});
  }
  print(options, {{"processes", rows}}, rows.empty() ? "" : reload_text(rows));
  return code;
}

ExitCode accept_new(const Options& options, const std::string& name, bool on) {
  const auto chosen = find(known_processes(options.config), name);
  if (!chosen) return kUsage;
  ExitCode code = kFine;
  json changed = json::array();
  for (const auto& [process, answer] : gather(*chosen, {{"command", on ? "resume" : "drain"}}, &code)) {
    changed.push_back(
        {{"process", process}, {"state", text_at(answer, "state")}, {"reason", text_at(answer, "reason")}});
    if (options.json) continue;
    if (on) {
      print_text(fmt::format("{} takes new messages again\n", process));
    } else {
      print_text(fmt::format("{} takes nothing new: {}; `stoxctl resume {}` ends that\n", process,
                             service::printable(text_at(answer, "reason"), 200), process));
    }
  }
  if (options.json) print_json({{"changed", std::move(changed)}});
  return code;
}

ExitCode streams(const Options& options, const std::string& action, const std::string& domain) {
  std::vector<Known> workers = known_processes(options.config);
  std::erase_if(workers, [](const Known& one) { return one.role != service::Role::kXmppWorker; });
  ExitCode code = kFine;
  json rows = json::array();
  int64_t count = 0;
  for (const auto& [process, answer] :
       gather(workers, {{"command", "streams"}, {"action", action}, {"domain", domain}}, &code)) {
    count += number_at(answer, "count");
    for (json row : answer.value("streams", json::array())) {
      row["process"] = process;
      rows.push_back(std::move(row));
    }
  }
  if (action.empty()) {
    print_list(options, {{"streams", rows}}, code, rows.empty(), "there are no XMPP streams\n",
               streams_text(rows));
    return code;
  }
  if (options.json) print_json({{"count", count}});
  if (count == 0) {
    complain(action == "close"
                 ? fmt::format("no worker has a stream with {}", domain)
                 : fmt::format("no worker is named {0}, is connected as {0} or has a stream with {0}"
                               "; `stoxctl streams` lists them",
                               domain));
    return std::max(code, kTrouble);
  }
  if (!options.json)
    print_text(fmt::format("{}: {} {}\n", domain, action == "close" ? "closed" : "connecting anew", count));
  return code;
}

ExitCode trace(const Options& options, const std::string& id) {
  ExitCode code = kFine;
  const json found = gather_hops(options, id, &code);
  if (const auto traces = traces_meant(found, id); traces.size() > 1) {
    complain(fmt::format("\"{}\" stands for several traces; give one of these:", id));
    for (const std::string& one : traces) complain("  " + one);
    return kUsage;
  }
  print(options, found, hops_text(found));
  if (!found["hops"].empty()) return kFine;
  complain(fmt::format(
      "no process{} knows \"{}\": each remembers its last 10,000 messages since its start; give an "
      "envelope id, trace id, Call-ID or stanza id",
      code == kUnreachable ? " that answered" : "", id));
  return std::max(code, kTrouble);
}

ExitCode send(const Options& options, const std::string& from, const std::string& to, const std::string& text,
              std::chrono::milliseconds timeout) {
  const auto role = edge_role(from, to);
  if (!role) {
    complain(role.error().text);
    return kUsage;
  }
  std::vector<Known> edges = known_processes(options.config);
  std::erase_if(edges, [&](const Known& one) { return one.role != *role; });
  const std::vector<Answer> statuses = ask_all(paths_of(edges), {{"command", "status"}});
  const Known* edge = choose_edge(edges, statuses, options.config, to);
  if (edge == nullptr) {
    complain(fmt::format("no {} can be reached to send by", service::role_name(*role)));
    for (std::size_t i = 0; i < edges.size(); ++i)
      complain(fmt::format("{}: {}", edges[i].name, statuses[i].error()));
    return kUnreachable;
  }
  const Answer answer =
      ask_all({edge->place()}, {{"command", "send"}, {"from", from}, {"to", to}, {"text", text}}, timeout)[0];
  if (!answer.reached()) {
    complain(fmt::format("{}: {}", edge->name, answer.unreachable));
    return kUnreachable;
  }
  const bool delivered = answer.error().empty();
  const std::string trace_id = text_at(answer.value, "trace");
  ExitCode ignored = kFine;
  const json hops = trace_id.empty() ? json(json::array()) : gather_hops(options, trace_id, &ignored)["hops"];
  const std::string outcome = text_at(answer.value, "outcome");
  if (options.json) {
    print_json({{"ok", delivered},
                {"process", edge->name},
                {"trace", trace_id},
                {"outcome", outcome},
                {"error", answer.error()},
                {"hops", hops}});
    return delivered ? kFine : kTrouble;
  }
  const bool says_more = !delivered && answer.error() != outcome;
  const std::string why = outcome.empty() || !says_more ? outcome : outcome + ", " + answer.error();
  print_text(fmt::format("{}: {}\n\n{}", delivered ? "delivered" : "not delivered",
                         service::printable(why.empty() ? answer.error() : why, 500),
                         hops_text({{"hops", hops}})));
  return delivered ? kFine : kTrouble;
}

ExitCode peers(const Options& options) {
  ExitCode code = kFine;
  const json rows = gather_rows(known_processes(options.config), {{"command", "peers"}}, "peers", &code);
  TextTable table({"PROCESS", "PEER", "TAKES", "REFUSES", "FORGOTTEN IN"});
  const auto words = [](const json& row, const char* key) {
    std::string out;
    for (const json& word : row.value(key, json::array())) {
      if (word.is_string()) out += (out.empty() ? "" : ", ") + word.get<std::string>();
    }
    return out;
  };
  for (const json& row : rows) {
    const std::string towards = text_at(row, "towards");
    table.add({text_at(row, "process"), text_at(row, "peer") + (towards.empty() ? "" : " to " + towards),
               words(row, "takes"), words(row, "refuses"),
               show_duration(number_at(row, "forgotten_in_ms") * 1000)});
  }
  print_list(options, {{"peers", rows}}, code, rows.empty(),
             "nothing is remembered: peers get the plain form\n", table.str());
  return code;
}

ExitCode forget_peers(const Options& options, const std::string& peer) {
  return forget(options, known_processes(options.config), {{"command", "forget_peers"}, {"peer", peer}});
}

ExitCode presence(const Options& options, const std::string& user) {
  ExitCode code = kFine;
  json request = {{"command", "presence"}};
  if (!user.empty()) request["user"] = ways_for_sip(user, options.config);
  const json rows = in_order(gather_rows(fronts_of(options), request, "presence", &code));
  print_list(options, {{"presence", rows}}, code, rows.empty(),
             user.empty() ? "nobody sees anybody\n" : "this user sees nobody, and nobody sees this user\n",
             presence_text(rows, SystemClock().wall_us()));
  return code;
}

ExitCode forget_presence(const Options& options, const std::string& user) {
  const json request = {{"command", "forget_presence"}, {"user", ways_for_sip(user, options.config)}};
  return forget(options, fronts_of(options), request);
}

ExitCode loglevel(const Options& options, const std::string& name, const std::string& level, unsigned for_s) {
  const auto chosen = find(known_processes(options.config), name);
  if (!chosen) return kUsage;
  ExitCode code = kFine;
  json changed = json::array();
  const json request = {{"command", "loglevel"}, {"level", level}, {"for_s", for_s}};
  for (const auto& [process, answer] : gather(*chosen, request, &code)) {
    changed.push_back(
        {{"process", process}, {"level", level}, {"was", text_at(answer, "was")}, {"for_s", for_s}});
    if (!options.json) {
      print_text(fmt::format("{} logs at {} {} (was {})\n", process, level,
                             for_s > 0 ? fmt::format("for {} s", for_s) : "from now on",
                             text_at(answer, "was")));
    }
  }
  if (options.json) print_json({{"changed", std::move(changed)}});
  return code;
}

}  // namespace stox::ctl
