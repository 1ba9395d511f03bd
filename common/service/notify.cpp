#include "common/service/notify.h"

#include "common/base/clock.h"
#include "common/service/log.h"

#ifdef STOX_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

namespace stox::service::notify {
namespace {

void tell([[maybe_unused]] const std::string& state) {
#ifdef STOX_SYSTEMD
  sd_notify(0, state.c_str());
#endif
}

}  // namespace

void ready() { tell("READY=1"); }
void status(const std::string& text) { tell("STATUS=" + printable(text, 200)); }
void reloading() { tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(to_us(SystemClock().now()))); }
void stopping() { tell("STOPPING=1"); }
void alive() { tell("WATCHDOG=1"); }

}  // namespace stox::service::notify
