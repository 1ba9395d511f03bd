// The figures of this process's end of the bus as the control socket gives them (`stoxctl queues`).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "common/bus/edge/edge.h"
#include "common/bus/mapper/mapper_node.h"
#include "common/bus/zmq/zmq_wire.h"

namespace stox::bus {

// {"epoch","links":[{"peer","peer_epoch","up","sent","received","queued","resent","dropped","oldest_age_ms"}],
//  "in_flight":{"count","limit","oldest_age_ms"}}
nlohmann::json queues_json(const Edge&);
// [{"id","trace","conversation","reason","text","at_us","age_ms","doubt","retried_us","retry"}]; retried_us:
// 0 = never
nlohmann::json failed_json(const Edge&, Time now);
nlohmann::json queues_json(const MapperNode&);  // without in_flight

// [{"name","kind":"mapper","state","reason"?}]: the mappers as an edge sees them; the name is the address
// until a mapper has said its own.
nlohmann::json peers_json(const std::vector<MapperState>&);

// The processes that this one can ask.
std::vector<std::string> names_of_others(const Edge&);
std::vector<std::string> names_of_others(const MapperNode&);

}  // namespace stox::bus
