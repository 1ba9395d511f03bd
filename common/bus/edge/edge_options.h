// What an edge is: its name, its role, its bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/base/clock.h"
#include "common/bus/edge/body.h"
#include "proto/control.pb.h"

namespace stox::bus {

struct EdgeOptions {
  std::string name;           // SECTION or SECTION@INSTANCE
  pb::Role role = pb::FRONT;  // FRONT or WORKER
  uint64_t epoch = 0;         // new at each start; 0: taken from the clock
  std::size_t max_in_flight = 4096;
  std::size_t max_memory = 262'144;  // ids remembered as target
  Duration pace = std::chrono::milliseconds(2);
  bool resend_on_doubt = false;  // whatever the kind of body
  uint64_t shared = 0;           // digest of the keys that all processes must have alike; 0: not compared
  BodyKinds bodies = {};         // that this edge speaks; it refuses others
};

}  // namespace stox::bus
