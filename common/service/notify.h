// What the supervisor is told (sd_notify(3)): nothing without systemd, or when built without libsystemd.
#pragma once

#include <string>

namespace stox::service::notify {

// READY is said when the loop turns, not when peers are reachable: a service manager that waits for READY
// would else kill, again and again, a process whose peer is down. STATUS says what is missing.
void ready();
void status(const std::string& text);
void reloading();
void stopping();
void alive();  // WATCHDOG=1

}  // namespace stox::service::notify
