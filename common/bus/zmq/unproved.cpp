#include "common/bus/zmq/unproved.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstddef>

namespace stox::bus {
namespace {

// The kernel's struct goes on behind the C library's.
struct TcpInfo {
  tcp_info known;
  uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
};
static_assert(offsetof(TcpInfo, bytes_received) == 128);

std::string peer_of(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return {reinterpret_cast<const char*>(&address), size};
}

uint64_t received_by(int descriptor) {
  TcpInfo info{};
  socklen_t size = sizeof info;
  if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.bytes_received;
}

}  // namespace

void Unproved::accepted(int descriptor) {
  all_.push_back({descriptor, peer_of(descriptor)});
  if (all_.size() <= kMost) return;
  break_off(all_.front());
  all_.pop_front();
}

void Unproved::settled(int descriptor) {
  all_.remove_if([descriptor](const One& one) { return one.descriptor == descriptor; });
}

bool Unproved::look() {
  all_.remove_if([](const One& one) {
    if (received_by(one.descriptor) <= kBytes) return false;
    break_off(one);
    return true;
  });
  return !all_.empty();
}

// ZeroMQ then sees its end.
void Unproved::break_off(const One& one) {
  if (!one.peer.empty() && peer_of(one.descriptor) == one.peer) shutdown(one.descriptor, SHUT_RDWR);
}

}  // namespace stox::bus
