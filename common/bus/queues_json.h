// The figures of this process's end of the bus as the control socket gives them (`stoxctl queues`).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "common/bus/edge.h"
#include "common/bus/mapper_node.h"

namespace stox::bus {

// {"epoch","links":[{"peer","peer_epoch","up","sent","received","queued","resent","dropped","oldest_age_ms"}],
//  "in_flight":{"count","limit","oldest_age_ms"}}
nlohmann::json queues_json(const Edge&);
nlohmann::json queues_json(const MapperNode&);  // without in_flight

}  // namespace stox::bus
