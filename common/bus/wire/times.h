// Times and limits that both ends of the bus share.
#pragma once

#include <cstdint>

#include "common/base/clock.h"

namespace stox::bus {

constexpr uint32_t kSchemaVersion = 1;
constexpr uint32_t kMaxHops = 8;
constexpr Duration kHeartbeat = std::chrono::seconds(1);
constexpr Duration kGone = 3 * kHeartbeat;
// Mappers miss a silent process after kGone, and origins wait for it as long again.
constexpr Duration kOutOfReach = 2 * kGone - kHeartbeat;
constexpr Duration kAttemptTimeout = std::chrono::seconds(5);
constexpr Duration kMemory = std::chrono::seconds(120);
constexpr Duration kRetryWithin = std::chrono::seconds(40);  // of what an operator sends once more
// How long an envelope waits for a mapper or a target to come back before it ends with NO_TARGET.
constexpr Duration kPatience = std::chrono::seconds(10);

}  // namespace stox::bus
