// RFC 3261 Table 4, RFC 4320.
#pragma once

#include "common/base/clock.h"

namespace stox::sip {

constexpr Duration kT1 = std::chrono::milliseconds(500);  // round trip
constexpr Duration kT2 = std::chrono::seconds(4);         // longest retransmission interval
constexpr Duration kT4 = std::chrono::seconds(5);         // how long a message lives in the network
constexpr Duration kTimerF = 64 * kT1;                    // the client gives up
constexpr Duration kTimerJ = 64 * kT1;                    // the server forgets (UDP)
constexpr Duration kTimerK = kT4;                         // the client forgets (UDP)
// When a client's Timer E has reached T2 (after 0.5, 1, 2 s): not answered by then, a 100 is due.
constexpr Duration kTrying = kT1 + 2 * kT1 + 4 * kT1;

}  // namespace stox::sip
