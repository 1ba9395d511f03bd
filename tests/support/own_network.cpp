// Linked into each program of unit tests: it runs in a network namespace of its own, where this is allowed.
// Ports that it has just let go, or shares as the S2S listeners do, are then nobody else's while tests run
// side by side.
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace {

bool bring_loopback_up() {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  const bool done = socket >= 0 && ioctl(socket, SIOCSIFFLAGS, &request) == 0;
  if (socket >= 0) close(socket);
  return done;
}

[[gnu::constructor]] void enter_own_network() {
  const int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (before < 0) return;
  if (unshare(CLONE_NEWNET) == 0 && !bring_loopback_up() && setns(before, CLONE_NEWNET) != 0) _exit(1);
  close(before);
}

}  // namespace
