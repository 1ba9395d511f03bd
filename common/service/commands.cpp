#include "common/service/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "common/service/json_text.h"
#include "common/service/metrics.h"

namespace stox::service {
namespace {

using nlohmann::json;

std::string text_at(const json& request, const char* key) {
  const auto found = request.find(key);
  return found != request.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> texts_at(const json& request, const char* key) {
  std::vector<std::string> out;
  for (const json& one : request.value(key, json::array())) {
    if (one.is_string()) out.push_back(one.get<std::string>());
  }
  return out;
}

json failure(const std::string& text) { return {{"ok", false}, {"error", text}}; }

json hop_json(const TraceHop& hop) {
  return {{"trace", to_hex(hop.trace_id)},
          {"envelope", hop.envelope},
          {"message_id", hop.message_id},
          {"other_id", hop.other_id},
          {"room", hop.room},
          {"from", hop.from},
          {"to", hop.to},
          {"decision", hop.decision},
          {"outcome", hop.outcome},
          {"came_us", hop.came_us},
          {"went_us", hop.went_us},
          {"ended_us", hop.ended_us}};
}

json message_json(const TraceHop& hop) {
  return {{"trace", to_hex(hop.trace_id)},
          {"envelope", hop.envelope},
          {"message_id", hop.message_id},
          {"from", hop.from},
          {"to", hop.to},
          {"ending", name_of(hop.ending)},
          {"outcome", hop.outcome},
          {"came_us", hop.came_us},
          {"ended_us", hop.ended_us}};
}

// Whether an address has this domain, as its own or behind a separator: not only a part of one.
bool has_domain(std::string_view address, std::string_view domain) {
  const auto is_of_name = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.';
  };
  for (std::size_t at = address.find(domain); at != std::string_view::npos;
       at = address.find(domain, at + 1)) {
    const std::size_t end = at + domain.size();
    if ((at == 0 || !is_of_name(address[at - 1])) && (end == address.size() || !is_of_name(address[end])))
      return true;
  }
  return false;
}

constexpr int64_t kMaxListed = 1000;

}  // namespace

Commands::Commands(const Context& context, Process& process, Actions actions, Time started)
    : context_(context),
      process_(process),
      actions_(std::move(actions)),
      started_(started),
      since_(started),
      usual_level_(context.log.level()),
      level_ends_(context.loop, [this] { reset_level(usual_level_); }),
      history_(started),
      tap_(context.loop, context.trace) {}

void Commands::answer(const json& request, const Reply& reply) {
  const std::string command = text_at(request, "command");
  if (command == "status") return reply(status());
  if (command == "trace") return reply(trace(request));
  if (command == "tap") return tap_.answer(request, reply);
  if (command == "loglevel") return reply(set_level(request));
  if (command == "history")
    return reply({{"ok", true}, {"step_ms", to_ms(History::kStep)}, {"points", history_.columns()}});
  if (command == "inflight") return reply({{"ok", true}, {"inflight", process_.inflight()}});
  if (command == "streams") return reply(streams(request));
  if (command == "peers") return reply({{"ok", true}, {"peers", process_.known_peers()}});
  if (command == "forget_peers")
    return reply({{"ok", true}, {"forgotten", process_.forget_peers(text_at(request, "peer"))}});
  if (command == "presence")
    return reply({{"ok", true}, {"presence", process_.presence(texts_at(request, "user"))}});
  if (command == "forget_presence") {
    const std::vector<std::string> user = texts_at(request, "user");
    if (user.empty()) return reply(failure("forget_presence needs \"user\", a list of ways to write one"));
    return reply({{"ok", true}, {"forgotten", process_.forget_presence(user)}});
  }
  if (command == "rooms") return reply({{"ok", true}, {"rooms", process_.rooms(texts_at(request, "user"))}});
  if (command == "leave_room") {
    const std::vector<std::string> user = texts_at(request, "user");
    const std::string room = text_at(request, "room");
    if (user.empty() || room.empty())
      return reply(failure("leave_room needs \"user\", a list of ways to write one, and \"room\""));
    return reply({{"ok", true}, {"left", process_.leave_room(user, room)}});
  }
  if (command == "drain" || command == "resume") {
    process_.accept_new(command == "resume");
    return reply(status());
  }
  if (command == "reload") {
    const Reloaded done = actions_.reload();
    return reply({{"ok", true}, {"taken", done.taken}, {"waiting", done.waiting}, {"error", done.error}});
  }
  if (command == "restart") {
    actions_.restart();
    return reply(status());
  }
  if (command == "failed") return reply(failed());
  if (command == "forget_failed") return reply(forget_failed());
  if (command == "messages") return reply(messages(request));
  if (command == "retry") {
    const auto trace = process_.retry(text_at(request, "id"), request.value("again", json()) == true);
    return reply(trace ? json{{"ok", true}, {"trace", *trace}} : failure(trace.error().text));
  }
  if (command == "others") return reply(others());
  if (command == "relay") return relay(request, reply);
  if (command == "queues") {
    json out = process_.queues();
    out["ok"] = true;
    out["name"] = context_.identity.full;
    return reply(out);
  }
  if (command == "send") {
    for (const char* key : {"from", "to", "text"}) {
      if (text_at(request, key).empty()) return reply(failure(fmt::format("send needs \"{}\", a text", key)));
    }
    return process_.send(request, reply);
  }
  reply(failure(fmt::format(
      "unknown command \"{}\"; known: status, queues, history, streams, inflight, messages, failed, "
      "forget_failed, retry, drain, resume, reload, restart, peers, forget_peers, presence, "
      "forget_presence, rooms, leave_room, trace, tap, "
      "send, loglevel",
      printable(command, 40))));
}

void Commands::add_to_history() {
  history_.add(context_.loop.now(), context_.loop.clock().wall_us(), context_.trace.messages(),
               History::load_of(process_.queues()));
}

void Commands::state_is(const Status& now) {
  if (now.state == state_ && now.reason.empty() != has_reason_) return;
  state_ = now.state;
  has_reason_ = !now.reason.empty();
  since_ = context_.loop.now();
}

json Commands::status() {
  const Status now = actions_.status();
  state_is(now);
  json out = process_.peers();
  out["ok"] = true;
  out["name"] = context_.identity.full;
  out["role"] = role_name(context_.identity.role);
  out["state"] = state_name(now.state);
  out["reason"] = now.reason;
  out["state_ms"] = to_ms(context_.loop.now() - since_);
  out["pid"] = getpid();
  out["version"] = STOX_VERSION;
  out["uptime_ms"] = to_ms(context_.loop.now() - started_);
  if (!restart_pending_.empty()) out["restart_pending"] = restart_pending_;
  if (!warnings_.empty()) out["warnings"] = warnings_;
  if (context_.identity.role != Role::kMapper) out["messages"] = messages_json();
  if (const json queues = process_.queues(); queues.contains("in_flight"))
    out["in_flight"] = queues["in_flight"];
  return out;
}

json Commands::messages_json() const {
  const MessageFigures& figures = context_.trace.messages();
  json out = {{"per_second", figures.rate(to_us(context_.loop.now()) / 1'000'000)}};
  double seconds = 0;
  for (const Ending ending :
       {Ending::kDelivered, Ending::kPassedOn, Ending::kRefused, Ending::kRefusedHere, Ending::kGivenUp}) {
    out[name_of(ending)] = figures.of(ending).count;
    seconds += figures.of(ending).seconds;
  }
  out["seconds"] = seconds;
  return out;
}

json Commands::streams(const json& request) {
  const std::string action = text_at(request, "action"), domain = text_at(request, "domain");
  if (action.empty()) return {{"ok", true}, {"streams", process_.streams()}};
  if ((action != "close" && action != "reconnect") || domain.empty())
    return failure("streams takes the action close or reconnect, and a domain");
  return {{"ok", true}, {"count", process_.close_streams(domain, action == "reconnect")}};
}

json Commands::others() const {
  json list = json::array();
  for (const std::string& name : process_.others()) list.push_back({{"name", name}});
  return {{"ok", true}, {"others", std::move(list)}};
}

void Commands::relay(const json& request, const Reply& reply) {
  const std::string to = text_at(request, "to");
  const auto what = request.find("request");
  if (to.empty() || what == request.end() || !what->is_object())
    return reply(failure("relay needs \"to\", a process, and \"request\", an object"));
  const auto answered = [reply, to, by = context_.identity.full](const std::string& text) {
    json answer = parse_json(text);
    if (answer.is_object()) return reply(answer);
    answer = failure(fmt::format("{} does not see {}: it does not run, or nothing leads to its host", by,
                                 printable(to, 80)));
    answer["unreachable"] = true;
    reply(answer);
  };
  process_.ask(to, what->dump(-1, ' ', false, json::error_handler_t::replace), answered);
}

json Commands::failed() const {
  const auto refused = context_.trace.last(kMaxListed, [this](const TraceHop& hop) {
    return hop.came_in && hop.ended_us > forgotten_us_ &&
           (hop.ending == Ending::kRefused || hop.ending == Ending::kRefusedHere);
  });
  json rows = json::array();
  for (const TraceHop* hop : refused) rows.push_back(message_json(*hop));
  return {{"ok", true}, {"failed", process_.failed()}, {"refused", std::move(rows)}};
}

json Commands::forget_failed() {
  const std::size_t refused = failed()["refused"].size();
  forgotten_us_ = context_.loop.clock().wall_us();
  return {{"ok", true}, {"forgotten", process_.forget_failed() + refused}};
}

json Commands::messages(const json& request) const {
  const std::string domain = ascii_lower(text_at(request, "domain"));
  const bool only_failed = request.value("failed", json()) == true;
  std::vector<std::string> users = texts_at(request, "users");
  for (std::string& user : users) user = ascii_lower(user);
  const auto last = request.find("last");
  const int64_t wanted =
      last != request.end() && last->is_number_integer() ? last->get<int64_t>() : kMaxListed;
  const auto max = static_cast<std::size_t>(std::clamp<int64_t>(wanted, 0, kMaxListed));
  const auto chosen = [&](const TraceHop& hop) {
    if (!hop.came_in || (only_failed && !is_failure(hop.ending))) return false;
    const std::string from = ascii_lower(hop.from), to = ascii_lower(hop.to);
    const auto has = [&](const std::string& user) {
      return from.find(user) != std::string::npos || to.find(user) != std::string::npos;
    };
    return (users.empty() || std::any_of(users.begin(), users.end(), has)) &&
           (domain.empty() || has_domain(from, domain) || has_domain(to, domain));
  };
  json rows = json::array();
  for (const TraceHop* hop : context_.trace.last(max, chosen)) rows.push_back(message_json(*hop));
  return {{"ok", true}, {"messages", std::move(rows)}};
}

json Commands::trace(const json& request) const {
  json hops = json::array();
  for (const TraceHop* hop : context_.trace.find(text_at(request, "id"))) hops.push_back(hop_json(*hop));
  return {{"ok", true}, {"hops", std::move(hops)}};
}

json Commands::set_level(const json& request) {
  const auto level = parse_level(text_at(request, "level"));
  if (!level) return failure(level.error().text);
  const auto for_s = request.find("for_s");
  const int64_t seconds = for_s != request.end() && for_s->is_number_integer() ? for_s->get<int64_t>() : 0;
  if (seconds < 0 || seconds > 86'400) return failure("for_s must be from 0 to 86400, a day");
  const Level before = context_.log.level();
  if (seconds > 0) {
    level_ends_.set(context_.loop.now() + std::chrono::seconds(seconds));
    context_.log.set_level(*level);
  } else {
    reset_level(*level);
  }
  return {{"ok", true}, {"was", level_name(before)}};
}

void Commands::reset_level(Level level) {
  level_ends_.set(kNever);
  usual_level_ = level;
  context_.log.set_level(level);
}

}  // namespace stox::service
