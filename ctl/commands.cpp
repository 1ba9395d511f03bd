#include "ctl/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/base/clock.h"
#include "common/service/log.h"
#include "ctl/control_client.h"
#include "ctl/history.h"
#include "ctl/messages.h"
#include "ctl/output.h"
#include "ctl/presence.h"
#include "ctl/processes.h"
#include "ctl/queues.h"
#include "ctl/reload.h"
#include "ctl/rooms.h"
#include "ctl/send.h"
#include "ctl/site.h"
#include "ctl/status.h"
#include "ctl/streams.h"
#include "ctl/text_table.h"
#include "ctl/top.h"
#include "ctl/trace_view.h"

namespace stox::ctl {
namespace {

using nlohmann::json;

void print(const Options& options, const json& value, const std::string& text) {
  if (options.json) return print_json(value);
  print_text(text);
}

// A list without a row says `none`, but not of those that could not be asked.
void print_list(const Options& options, const json& value, ExitCode code, bool empty, const char* none,
                const std::string& text) {
  print(options, value, !empty ? text : code == kUnreachable ? "" : none);
}

// Says what was complained of, and returns the code.
ExitCode told(const Found& found) {
  for (const std::string& complaint : found.complaints) complain(complaint);
  return found.code;
}

ExitCode show_found(const Options& options, const Found& found, const std::string& text) {
  told(found);
  if (found.code != kUsage) print(options, found.value, text);
  return found.code;
}

// As print_list(), of the rows under `key`.
ExitCode show_list(const Options& options, const Found& found, const char* key, const char* none,
                   const std::string& text) {
  told(found);
  if (found.code != kUsage)
    print_list(options, found.value, found.code, found.value[key].empty(), none, text);
  return found.code;
}

ExitCode show_forgotten(const Options& options, const Found& found) {
  return show_found(options, found, fmt::format("{} forgotten\n", number_at(found.value, "forgotten")));
}

}  // namespace

ExitCode status(const Options& options, const ScreenOptions& watch) {
  for (unsigned round = 1;; ++round) {
    const json found = find_status(options.config).value;
    if (watch.on && !options.json) show_screen(status_text(found));
    if (watch.on && options.json) print_json_line(found);
    if (!watch.on) print(options, found, status_text(found));
    if (!watch.on || round == watch.rounds) return status_code(found);
    std::this_thread::sleep_for(std::chrono::seconds(watch.every_s));
  }
}

ExitCode top(const Options& options, const ScreenOptions& watch) {
  using Clock = std::chrono::steady_clock;
  const auto look = [&] {
    // Of those that do not answer the status says why.
    return json{{"status", find_status(options.config).value}, {"queues", find_queues(options.config).value}};
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
    const json found = find_status(options.config).value;
    const bool ready = all_ready(found);
    if (ready || std::chrono::steady_clock::now() >= deadline) {
      if (!ready || options.json) print(options, found, status_text(found));
      return ready ? kFine : kTrouble;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

ExitCode queues(const Options& options) {
  const Found found = find_queues(options.config);
  return show_found(options, found, queues_text(found.value));
}

ExitCode history(const Options& options, const std::string& name) {
  const Found found = find_history(options.config, name);
  return show_found(options, found, found.code == kUsage ? "" : history_text(found.value));
}

ExitCode inflight(const Options& options, const std::string& name_or_id) {
  const Found found = find_inflight(options.config, name_or_id);
  TextTable table({"PROCESS", "ID", "TRACE", "FROM", "TO", "STAGE", "ATTEMPTS", "AGE"});
  for (const json& row : found.value["in_flight"]) {
    table.add({text_at(row, "process"), text_at(row, "id"), short_id(text_at(row, "trace")),
               text_at(row, "from"), text_at(row, "to"), text_at(row, "stage"), show(row, "attempts"),
               show_duration(number_at(row, "age_ms") * 1000)});
  }
  const bool one = looks_like_id(name_or_id);
  return show_list(options, found, "in_flight",
                   one ? "no such message is in flight\n" : "nothing is in flight\n", table.str());
}

ExitCode failed(const Options& options, const std::string& name) {
  const Found found = find_failed(options.config, name);
  const json &failed = found.value["failed"], &refused = found.value["refused"];
  const bool nothing_known = failed.empty() && refused.empty() && found.code == kUnreachable;
  return show_found(options, found, nothing_known ? "" : failed_text(failed, refused));
}

ExitCode purge_failed(const Options& options) {
  return show_forgotten(options, purge_failed(options.config));
}

ExitCode retry(const Options& options, const std::string& id, bool again) {
  const Found found = retry(options.config, id, again);
  if (found.code != kFine) return told(found);
  const std::string trace = short_id(text_at(found.value, "trace"));
  return show_found(options, {found.value, kFine, {}},
                    fmt::format("sent once more; `stoxctl trace {}` shows what becomes of it\n", trace));
}

ExitCode messages(const Options& options, const MessageOptions& wanted) {
  const Found found = find_messages(options.config, wanted);
  return show_list(options, found, "messages", "no such message is remembered\n",
                   messages_text(found.value["messages"]));
}

ExitCode reload(const Options& options) {
  const Found found = reload(options.config);
  const json& rows = found.value["processes"];
  return show_found(options, found, rows.empty() ? "" : reload_text(rows));
}

ExitCode accept_new(const Options& options, const std::string& name, bool on) {
  const Found found = accept_new(options.config, name, on);
  std::string text;
  for (const json& row : found.value["changed"]) {
    const std::string process = text_at(row, "process");
    text += on ? fmt::format("{} takes new messages again\n", process)
               : fmt::format("{} takes nothing new: {}; `stoxctl resume {}` ends that\n", process,
                             service::printable(text_at(row, "reason"), 200), process);
  }
  return show_found(options, found, text);
}

ExitCode streams(const Options& options, const std::string& action, const std::string& domain) {
  if (action.empty()) {
    const Found found = find_streams(options.config);
    return show_list(options, found, "streams", "there are no XMPP streams\n",
                     streams_text(found.value["streams"]));
  }
  const Found found = close_streams(options.config, action, domain);
  const int64_t count = number_at(found.value, "count");
  return show_found(options, found,
                    count == 0 ? ""
                               : fmt::format("{}: {} stream{} {}\n", domain, count, count == 1 ? "" : "s",
                                             action == "close" ? "closed" : "connecting anew"));
}

ExitCode trace(const Options& options, const std::string& id) {
  const Found found = find_trace(options.config, id);
  if (const auto traces = traces_meant(found.value, id); traces.size() > 1) {
    told(found);
    complain(fmt::format("\"{}\" stands for several traces; give one of these:", id));
    for (const std::string& one : traces) complain("  " + one);
    return kUsage;
  }
  show_found(options, found, hops_text(found.value));
  if (!found.value["hops"].empty()) return kFine;
  complain(fmt::format(
      "no process{} knows \"{}\": each remembers its last 10,000 messages since its start; give an "
      "envelope id, trace id, Call-ID or stanza id",
      found.code == kUnreachable ? " that answered" : "", id));
  return std::max(found.code, kTrouble);
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
  const json hops =
      trace_id.empty() ? json(json::array()) : find_trace(options.config, trace_id).value["hops"];
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
  Found found;
  const json rows = gather_rows(known_processes(options.config), {{"command", "peers"}}, "peers", &found);
  found.value = {{"peers", rows}};
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
  return show_list(options, found, "peers", "nothing is remembered: peers get the plain form\n", table.str());
}

ExitCode forget_peers(const Options& options, const std::string& peer) {
  return show_forgotten(
      options, forget(known_processes(options.config), {{"command", "forget_peers"}, {"peer", peer}}));
}

ExitCode presence(const Options& options, const std::string& user) {
  Found found;
  json request = {{"command", "presence"}};
  if (!user.empty()) request["user"] = ways_for_sip(user, options.config);
  const json rows =
      in_order(gather_rows(of_role(options.config, service::Role::kSipFront), request, "presence", &found));
  found.value = {{"presence", rows}};
  return show_list(
      options, found, "presence",
      user.empty() ? "nobody sees anybody\n" : "this user sees nobody, and nobody sees this user\n",
      presence_text(rows, SystemClock().wall_us()));
}

ExitCode forget_presence(const Options& options, const std::string& user) {
  const json request = {{"command", "forget_presence"}, {"user", ways_for_sip(user, options.config)}};
  return show_forgotten(options, forget(of_role(options.config, service::Role::kSipFront), request));
}

ExitCode rooms(const Options& options, const std::string& user) {
  Found found;
  json request = {{"command", "rooms"}};
  if (!user.empty()) request["user"] = ways_for_xmpp(user, options.config);
  const auto workers = of_role(options.config, service::Role::kXmppWorker);
  const json rows = merge_rooms(gather_rows(workers, request, "rooms", &found));
  found.value = {{"rooms", rows}};
  return show_list(options, found, "rooms",
                   user.empty() ? "no SIP user is in a room\n" : "this user is in no room\n",
                   rooms_text(rows, SystemClock().wall_us()));
}

ExitCode leave_room(const Options& options, const std::string& user, const std::string& room) {
  Found found;
  const json request = {{"command", "leave_room"},
                        {"user", ways_for_xmpp(user, options.config)},
                        {"room", room_jid(room, options.config)}};
  bool left = false;
  for (const auto& [process, answer] :
       gather(of_role(options.config, service::Role::kXmppWorker), request, &found))
    left |= number_at(answer, "left") > 0;  // each of them may have known
  if (!left && found.code == kFine) {
    found.code = kTrouble;
    found.complaints.push_back(
        fmt::format("{} is not in {}; `stoxctl rooms` lists who is where", user, room));
  }
  found.value = {{"left", left}};
  return show_found(options, found, left ? fmt::format("{} has left {}\n", user, room) : "");
}

ExitCode loglevel(const Options& options, const std::string& name, const std::string& level, unsigned for_s) {
  const auto chosen = named(known_processes(options.config), name);
  if (!chosen) {
    complain(chosen.error().text);
    return kUsage;
  }
  Found found;
  json changed = json::array();
  std::string text;
  const json request = {{"command", "loglevel"}, {"level", level}, {"for_s", for_s}};
  for (const auto& [process, answer] : gather(*chosen, request, &found)) {
    const std::string was = text_at(answer, "was");
    changed.push_back({{"process", process}, {"level", level}, {"was", was}, {"for_s", for_s}});
    text += fmt::format("{} logs at {} {} (was {})\n", process, level,
                        for_s > 0 ? fmt::format("for {} s", for_s) : "from now on", was);
  }
  found.value = {{"changed", std::move(changed)}};
  return show_found(options, found, text);
}

}  // namespace stox::ctl
