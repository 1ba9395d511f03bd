#include "ctl/queues.h"

#include <algorithm>

#include "ctl/text_table.h"

namespace stox::ctl {
namespace {

using nlohmann::json;
using Answers = std::vector<std::pair<std::string, json>>;

const json& list_at(const json& object, const char* key) {
  static const json kNone = json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : kNone;
}

json value_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() ? *found : json();
}

const json* answer_of(const Answers& answers, const std::string& name) {
  const auto found =
      std::find_if(answers.begin(), answers.end(), [&](const auto& one) { return one.first == name; });
  return found == answers.end() ? nullptr : &found->second;
}

// An epoch that is not told (null) is no reason to doubt.
bool same_epoch(const json& one, const json& other) {
  return one.is_null() || other.is_null() || one == other;
}

// The other end of `link`, which `answer` of the process `name` holds; null if there is none of this session.
const json* other_end(const Answers& answers, const std::string& name, const json& answer, const json& link) {
  const json* peer = answer_of(answers, text_at(link, "peer"));
  if (peer == nullptr || !same_epoch(value_at(*peer, "epoch"), value_at(link, "peer_epoch"))) return nullptr;
  for (const json& back : list_at(*peer, "links")) {
    if (text_at(back, "peer") == name && same_epoch(value_at(answer, "epoch"), value_at(back, "peer_epoch")))
      return &back;
  }
  return nullptr;
}

json row(const std::string& from, const std::string& to, const json* sender, const json* receiver) {
  json out = {{"from", from}, {"to", to}};
  for (const char* key : {"sent", "resent", "dropped", "oldest_age_ms"})
    out[key] = sender != nullptr ? value_at(*sender, key) : json();
  out["received"] = receiver != nullptr ? value_at(*receiver, "received") : json();
  out["depth"] = json();
  if (out["sent"].is_number() && out["received"].is_number()) {
    // The ends were not asked at the same instant: what arrived in between is no negative depth.
    out["depth"] = std::max<int64_t>(0, number_at(out, "sent") - number_at(out, "received"));
    if (out["depth"] == 0) out["oldest_age_ms"] = 0;  // the sender learns of what arrived by heartbeat only
  }
  return out;
}

}  // namespace

json merge_queues(const Answers& answers) {
  json links = json::array();
  json in_flight = json::array(), hand_overs = json::array();
  for (const auto& [name, answer] : answers) {
    for (const json& link : list_at(answer, "links")) {
      const std::string peer = text_at(link, "peer");
      if (peer.empty()) continue;  // has not said hello
      const json* other = other_end(answers, name, answer, link);
      links.push_back(row(name, peer, &link, other));
      if (answer_of(answers, peer) == nullptr) links.push_back(row(peer, name, nullptr, &link));
    }
    if (const json own = value_at(answer, "in_flight"); own.is_object()) {
      in_flight.push_back({{"process", name},
                           {"count", value_at(own, "count")},
                           {"limit", value_at(own, "limit")},
                           {"oldest_age_ms", value_at(own, "oldest_age_ms")}});
    }
    const json between = value_at(answer, "hand_overs");
    if (number_at(between, "waiting") + number_at(between, "given_up") > 0) {
      hand_overs.push_back({{"process", name},
                            {"waiting", value_at(between, "waiting")},
                            {"given_up", value_at(between, "given_up")}});
    }
  }
  return {{"links", std::move(links)},
          {"in_flight", std::move(in_flight)},
          {"hand_overs", std::move(hand_overs)}};
}

std::string queues_text(const json& queues) {
  const auto age = [](const json& object) {
    return value_at(object, "oldest_age_ms").is_number()
               ? show_duration(number_at(object, "oldest_age_ms") * 1000)
               : "";
  };
  TextTable links({"FROM", "TO", "SENT", "RECEIVED", "DEPTH", "RESENT", "DROPPED", "OLDEST"});
  for (const json& link : queues["links"]) {
    links.add({text_at(link, "from"), text_at(link, "to"), show(link, "sent"), show(link, "received"),
               show(link, "depth"), show(link, "resent"), show(link, "dropped"), age(link)});
  }
  TextTable edges({"PROCESS", "IN FLIGHT", "LIMIT", "OLDEST"});
  for (const json& edge : queues["in_flight"])
    edges.add({text_at(edge, "process"), show(edge, "count"), show(edge, "limit"), age(edge)});
  std::string out = links.str() + "\n" + edges.str();
  if (queues["hand_overs"].empty()) return out;
  TextTable hand_overs({"PROCESS", "ANSWERS FOR OTHER WORKERS", "GIVEN UP"});
  for (const json& each : queues["hand_overs"])
    hand_overs.add({text_at(each, "process"), show(each, "waiting"), show(each, "given_up")});
  return out + "\n" + hand_overs.str();
}

}  // namespace stox::ctl
