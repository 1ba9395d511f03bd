#include "common/bus/zmq/zmq_socket.h"

#include <cstring>
#include <utility>

#include "common/bus/wire/wire.h"

namespace stox::bus {
namespace {

constexpr int kHighWater = 256;  // batches

}  // namespace

void set_up(zmq::socket_t& socket, const std::string& endpoint) {
  socket.set(zmq::sockopt::sndhwm, kHighWater);
  socket.set(zmq::sockopt::rcvhwm, kHighWater);
  // Without it one frame, before any handshake, may take all memory there is. The connection is closed.
  socket.set(zmq::sockopt::maxmsgsize, static_cast<int64_t>(kMaxFrameBytes));
  socket.set(zmq::sockopt::linger, 200);
  socket.set(zmq::sockopt::reconnect_ivl, 100);
  socket.set(zmq::sockopt::reconnect_ivl_max, 2000);
  // The kernel's own patience with a host that is away is minutes, and grows while that comes back.
  socket.set(zmq::sockopt::connect_timeout, 3000);
  // Below our own heartbeats: a connection whose other host has vanished is closed and made anew. By the
  // kernel, because ZeroMQ 4.3's heartbeats abort the process (!_io_error) when a connection breaks whose
  // input waits for us at the high-water mark.
  socket.set(zmq::sockopt::tcp_maxrt, 3000);
  socket.set(zmq::sockopt::tcp_keepalive, 1);
  socket.set(zmq::sockopt::tcp_keepalive_idle, 1);
  socket.set(zmq::sockopt::tcp_keepalive_intvl, 1);
  socket.set(zmq::sockopt::tcp_keepalive_cnt, 3);
  socket.set(zmq::sockopt::ipv6, endpoint.find('[') != std::string::npos);
}

bool has_input(zmq::socket_t& socket) {
  int events = 0;
  std::size_t size = sizeof events;
  return zmq_getsockopt(socket.handle(), ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN) != 0;
}

Monitor::Monitor(zmq::context_t& context, zmq::socket_t& socket, int events)
    : watched_(socket), socket_(context, zmq::socket_type::pair) {
  static uint64_t count = 0;  // names are one set per process
  const std::string address = "inproc://monitor-" + std::to_string(++count);
  if (zmq_socket_monitor(socket.handle(), address.c_str(), events) != 0) throw zmq::error_t();
  socket_.set(zmq::sockopt::linger, 0);
  socket_.connect(address);
}

// Stopped and read empty: ZeroMQ leaks news that are on their way when their reader goes.
Monitor::~Monitor() {
  zmq_socket_monitor(watched_.handle(), nullptr, 0);
  for (Message rest; rest.receive(socket_);) continue;
}

bool Monitor::next(int* event, uint32_t* value) {
  Message first;
  if (!first.receive(socket_)) return false;
  uint16_t number = 0;
  *value = 0;
  if (first.bytes().size() >= 6) {
    std::memcpy(&number, first.bytes().data(), 2);
    std::memcpy(value, first.bytes().data() + 2, 4);
  }
  Message address;
  if (first.more()) address.receive(socket_);
  *event = number;
  return true;
}

}  // namespace stox::bus
