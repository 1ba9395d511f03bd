#include "common/bus/zmq/queues_json.h"

#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "common/bus/edge/envelope_name.h"

namespace stox::bus {
namespace {

nlohmann::json links_json(const std::vector<LinkFigures>& links) {
  auto out = nlohmann::json::array();
  for (const LinkFigures& link : links) {
    out.push_back({{"peer", link.peer},
                   {"peer_epoch", link.peer_epoch},
                   {"up", link.up},
                   {"sent", link.sent},
                   {"received", link.received},
                   {"queued", link.queued},
                   {"resent", link.resent},
                   {"dropped", link.dropped},
                   {"oldest_age_ms", to_ms(link.oldest)}});
  }
  return out;
}

}  // namespace

nlohmann::json queues_json(const Edge& edge) {
  return {
      {"epoch", edge.epoch()},
      {"links", links_json(edge.links())},
      {"in_flight",
       {{"count", edge.origin().in_flight()},
        {"limit", edge.origin().limit()},
        {"oldest_age_ms", to_ms(edge.origin().oldest_in_flight())}}},
      {"hand_overs", {{"waiting", edge.hand_overs().waiting()}, {"given_up", edge.hand_overs().given_up()}}}};
}

nlohmann::json peers_json(const std::vector<MapperState>& mappers) {
  auto out = nlohmann::json::array();
  for (const MapperState& mapper : mappers) {
    out.push_back({{"name", mapper.name.empty() ? mapper.endpoint : mapper.name},
                   {"kind", "mapper"},
                   {"state", mapper.leaving ? "leaving"
                             : mapper.ready ? "ready"
                             : mapper.up    ? "up"
                                            : "down"}});
    if (!mapper.trouble.empty()) out.back()["reason"] = mapper.trouble;
  }
  return out;
}

nlohmann::json failed_json(const Edge& edge, Time now) {
  auto out = nlohmann::json::array();
  for (const GivenUp& one : edge.origin().given_up()) {
    const pb::EnvelopeId& id = one.envelope.id();
    out.push_back({{"id", envelope_name(id.origin(), id.epoch(), id.number())},
                   {"trace", to_hex(one.envelope.trace_id())},
                   {"conversation", one.envelope.conversation()},
                   {"reason", pb::Reason_Name(one.outcome.reason())},
                   {"text", one.outcome.text()},
                   {"at_us", one.wall_us},
                   {"age_ms", to_ms(now - one.at)},
                   {"doubt", one.is_doubt},
                   {"retried_us", one.retried_us},
                   {"retry", may_retry(one, now)}});
  }
  return out;
}

std::vector<std::string> names_of_others(const Edge& edge) {
  std::vector<std::string> out;
  for (const LinkFigures& link : edge.links()) {
    if (link.up && !link.peer.empty()) out.push_back(link.peer);
  }
  for (const pb::Member& member : edge.members()) {
    if (member.name() != edge.name()) out.push_back(member.name());
  }
  return out;
}

std::vector<std::string> names_of_others(const MapperNode& node) {
  std::vector<std::string> out;
  for (const pb::Member& member : node.members()) out.push_back(member.name());
  return out;
}

nlohmann::json queues_json(const MapperNode& node) {
  return {{"epoch", node.epoch()}, {"links", links_json(node.links())}};
}

}  // namespace stox::bus
