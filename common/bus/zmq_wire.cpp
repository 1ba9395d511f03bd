#include "common/bus/zmq_wire.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <unordered_map>
#include <utility>
#include <zmq.hpp>

namespace stox::bus {
namespace {

constexpr int kHighWater = 256;  // batches
constexpr std::string_view kIpc = "ipc://";

void set_up(zmq::socket_t& socket) {
  socket.set(zmq::sockopt::sndhwm, kHighWater);
  socket.set(zmq::sockopt::rcvhwm, kHighWater);
  socket.set(zmq::sockopt::linger, 200);
  socket.set(zmq::sockopt::reconnect_ivl, 100);
  socket.set(zmq::sockopt::reconnect_ivl_max, 2000);
  // Below our own heartbeats: a connection whose other host has vanished is closed and made anew. By the
  // kernel, because ZeroMQ 4.3's heartbeats abort the process (!_io_error) when a connection breaks whose
  // input waits for us at the high-water mark.
  socket.set(zmq::sockopt::tcp_maxrt, 3000);
  socket.set(zmq::sockopt::tcp_keepalive, 1);
  socket.set(zmq::sockopt::tcp_keepalive_idle, 1);
  socket.set(zmq::sockopt::tcp_keepalive_intvl, 1);
  socket.set(zmq::sockopt::tcp_keepalive_cnt, 3);
}

class Message {
 public:
  Message() { zmq_msg_init(&message_); }
  ~Message() { zmq_msg_close(&message_); }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  bool receive(zmq::socket_t& socket) { return zmq_msg_recv(&message_, socket.handle(), ZMQ_DONTWAIT) >= 0; }
  std::string_view bytes() {
    return {static_cast<const char*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
  }
  bool more() { return zmq_msg_more(&message_) != 0; }
  int source_descriptor() { return zmq_msg_get(&message_, ZMQ_SRCFD); }

 private:
  zmq_msg_t message_;
};

bool has_input(zmq::socket_t& socket) {
  int events = 0;
  std::size_t size = sizeof events;
  return zmq_getsockopt(socket.handle(), ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN) != 0;
}

int descriptor(zmq::socket_t& socket) { return socket.get(zmq::sockopt::fd); }

// ZeroMQ's news about connections of one socket.
class Monitor {
 public:
  Monitor(zmq::context_t& context, zmq::socket_t& socket, int events, const std::string& name)
      : watched_(socket), socket_(context, zmq::socket_type::pair) {
    const std::string address = "inproc://monitor-" + name;
    if (zmq_socket_monitor(socket.handle(), address.c_str(), events) != 0) throw zmq::error_t();
    socket_.set(zmq::sockopt::linger, 0);
    socket_.connect(address);
  }
  // Stopped and read empty: ZeroMQ leaks news that are on their way when their reader goes.
  ~Monitor() {
    zmq_socket_monitor(watched_.handle(), nullptr, 0);
    for (Message rest; rest.receive(socket_);) continue;
  }
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;
  zmq::socket_t& socket() { return socket_; }

  // The next event and its value (a descriptor), if there is one.
  bool next(int* event, int* value) {
    Message first;
    if (!first.receive(socket_)) return false;
    uint16_t number = 0;
    uint32_t argument = 0;
    if (first.bytes().size() >= 6) {
      std::memcpy(&number, first.bytes().data(), 2);
      std::memcpy(&argument, first.bytes().data() + 2, 4);
    }
    Message address;
    if (first.more()) address.receive(socket_);
    *event = number;
    *value = static_cast<int>(argument);
    return true;
  }

 private:
  zmq::socket_t& watched_;
  zmq::socket_t socket_;
};

// Calls back when ZeroMQ's descriptor says that there may be news. It is edge-triggered: whoever is called
// must look at ZMQ_EVENTS until it is empty, and also after each send.
class Readiness {
 public:
  Readiness(net::Loop& loop, zmq::socket_t& socket, std::function<void()> ready)
      : descriptor_(loop.io(), descriptor(socket)), ready_(std::move(ready)) {
    arm();
  }
  ~Readiness() { descriptor_.release(); }  // the descriptor is ZeroMQ's
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

  void arm() {
    if (std::exchange(armed_, true)) return;
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [this](const asio::error_code& failure) {
                             if (failure) return;
                             armed_ = false;
                             ready_();
                           });
  }

 private:
  asio::posix::stream_descriptor descriptor_;
  std::function<void()> ready_;
  bool armed_ = false;
};

// --- edge
// -------------------------------------------------------------------------------------------------------

class ZmqEdgeOnLoop final : public ZmqEdge, private Wire {
 public:
  ZmqEdgeOnLoop(net::Loop& loop, EdgeOptions options, const std::vector<std::string>& mappers, EdgeUser& user)
      : loop_(loop),
        pace_(options.pace),
        edge_(options, mappers.size(), *this, loop.clock(), user),
        alarm_(loop, [this] { pump(); }),
        end_of_turn_(loop, [this] { send_and_look(); }),
        first_turn_(loop, [this] {
          for (Pipe i = 0; i < pipes_.size(); ++i) news(i);
        }) {
    const std::string id = edge_.name() + "#" + std::to_string(edge_.epoch());
    for (std::size_t i = 0; i < mappers.size(); ++i) {
      auto pipe = std::make_unique<MapperPipe>(context_);
      set_up(pipe->socket);
      pipe->socket.set(zmq::sockopt::routing_id, id);
      pipe->socket.set(zmq::sockopt::immediate, true);
      pipe->monitor = std::make_unique<Monitor>(
          context_, pipe->socket, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED, std::to_string(i));
      pipe->socket.connect(mappers[i]);
      pipe->readable = std::make_unique<Readiness>(loop, pipe->socket, [this] { readable(); });
      pipe->news = std::make_unique<Readiness>(loop, pipe->monitor->socket(),
                                               [this, i] { news(static_cast<Pipe>(i)); });
      pipes_.push_back(std::move(pipe));
    }
    edge_.on_queued([this] { end_of_turn_.ask(); });
    first_turn_.ask();
  }

  Edge& edge() override { return edge_; }

 private:
  struct MapperPipe {
    explicit MapperPipe(zmq::context_t& context) : socket(context, zmq::socket_type::dealer) {}
    zmq::socket_t socket;
    std::unique_ptr<Monitor> monitor;
    std::unique_ptr<Readiness> readable, news;
  };

  bool send(Pipe pipe, std::string_view bytes) override {
    return zmq_send(pipes_[pipe]->socket.handle(), bytes.data(), bytes.size(), ZMQ_DONTWAIT) >= 0;
  }

  // The first wakeup comes at once, the next not earlier than pace after it.
  void readable() {
    if (loop_.now() >= last_pump_ + pace_) return pump();
    alarm_.set(std::min(alarm_.at(), last_pump_ + pace_));
  }

  void pump() {
    last_pump_ = loop_.now();
    const Time turn = edge_.turn();
    bool more = true;
    Time flush = kNever;
    while (more) {
      for (Pipe i = 0; i < pipes_.size(); ++i) {
        for (Message message; message.receive(pipes_[i]->socket);) edge_.frame(i, message.bytes());
      }
      flush = edge_.flush();
      more = input_waits();
    }
    for (const auto& pipe : pipes_) pipe->readable->arm();
    alarm_.set(std::min(turn, flush));
  }

  void send_and_look() {
    const Time flush = edge_.flush();
    alarm_.set(std::min(alarm_.at(), flush));
    if (input_waits()) readable();
  }

  bool input_waits() {
    return std::any_of(pipes_.begin(), pipes_.end(), [](const auto& p) { return has_input(p->socket); });
  }

  void news(Pipe i) {
    int event = 0;
    int value = 0;
    while (pipes_[i]->monitor->next(&event, &value)) {
      if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) edge_.opened(i);
      if (event == ZMQ_EVENT_DISCONNECTED) edge_.closed(i);
    }
    pipes_[i]->news->arm();
    pump();
  }

  net::Loop& loop_;
  Duration pace_;
  zmq::context_t context_{1};
  std::vector<std::unique_ptr<MapperPipe>> pipes_;
  Edge edge_;
  Time last_pump_{};
  net::Alarm alarm_;
  net::EndOfTurn end_of_turn_;
  net::EndOfTurn first_turn_;  // a descriptor says nothing before its socket was read for the first time
};

// --- mapper
// -----------------------------------------------------------------------------------------------------

class ZmqMapperOnLoop final : public ZmqMapper, private Wire {
 public:
  ZmqMapperOnLoop(net::Loop& loop, MapperOptions options, const std::string& bind, MapperUser& user)
      : node_(std::move(options), *this, loop.clock(), user),
        alarm_(loop, [this] { pump(); }),
        end_of_turn_(loop, [this] { pump(); }),
        first_turn_(loop, [this] { news(); }) {
    set_up(socket_);
    socket_.set(zmq::sockopt::router_mandatory, true);
    socket_.set(zmq::sockopt::router_handover, true);
    monitor_ = std::make_unique<Monitor>(context_, socket_, ZMQ_EVENT_DISCONNECTED, "router");
    socket_.bind(bind);
    readable_ = std::make_unique<Readiness>(loop, socket_, [this] { pump(); });
    news_ = std::make_unique<Readiness>(loop, monitor_->socket(), [this] { news(); });
    node_.on_queued([this] { end_of_turn_.ask(); });
    first_turn_.ask();
  }

  MapperNode& node() override { return node_; }

 private:
  struct Peer {
    std::string routing_id;
    int descriptor = -1;
  };

  bool send(Pipe pipe, std::string_view bytes) override {
    const auto peer = peers_.find(pipe);
    if (peer == peers_.end()) return false;
    const std::string& id = peer->second.routing_id;
    // With ROUTER_MANDATORY the first frame already tells a full or vanished pipe; the second then follows
    // it.
    if (zmq_send(socket_.handle(), id.data(), id.size(), ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) return false;
    return zmq_send(socket_.handle(), bytes.data(), bytes.size(), ZMQ_DONTWAIT) >= 0;
  }

  void pump() {
    const Time turn = node_.turn();
    do {
      receive();
      node_.flush();
    } while (has_input(socket_));
    readable_->arm();
    alarm_.set(turn);
  }

  void receive() {
    while (true) {
      Message id;
      if (!id.receive(socket_)) return;
      Message body;
      if (!id.more() || !body.receive(socket_)) continue;
      const bool one_frame = !body.more();
      for (Message rest; !one_frame && rest.receive(socket_) && rest.more();) continue;
      if (one_frame) node_.frame(pipe_of(std::string(id.bytes()), body.source_descriptor()), body.bytes());
    }
  }

  Pipe pipe_of(const std::string& routing_id, int source) {
    const auto [it, fresh] = pipes_.try_emplace(routing_id, next_pipe_);
    if (fresh) peers_[next_pipe_++] = {routing_id, source};
    peers_[it->second].descriptor = source;
    return it->second;
  }

  void news() {
    int event = 0;
    int value = 0;
    while (monitor_->next(&event, &value)) {
      if (event != ZMQ_EVENT_DISCONNECTED) continue;
      const auto gone = std::find_if(peers_.begin(), peers_.end(),
                                     [value](const auto& p) { return p.second.descriptor == value; });
      if (gone == peers_.end()) continue;
      const Pipe pipe = gone->first;
      pipes_.erase(gone->second.routing_id);
      peers_.erase(gone);
      node_.closed(pipe);  // if it is a newer connection on the same descriptor, its next frame is met with
                           // HelloWanted
    }
  }

  zmq::context_t context_{1};
  zmq::socket_t socket_{context_, zmq::socket_type::router};
  std::unique_ptr<Monitor> monitor_;
  std::unordered_map<std::string, Pipe> pipes_;
  std::unordered_map<Pipe, Peer> peers_;
  Pipe next_pipe_ = 1;
  MapperNode node_;
  std::unique_ptr<Readiness> readable_, news_;
  net::Alarm alarm_;
  net::EndOfTurn end_of_turn_;
  net::EndOfTurn first_turn_;  // a descriptor says nothing before its socket was read for the first time
};

// ZeroMQ takes the name of a socket in use away from its owner; that is never meant.
Result<void> nobody_listens(const std::string& endpoint) {
  if (!endpoint.starts_with(kIpc)) return {};
  const std::string path = endpoint.substr(kIpc.size());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return error("bind " + endpoint + ": the path is too long for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return error("bind " + endpoint + ": " + std::strerror(errno));
  const bool taken = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(probe);
  if (taken)
    return error("bind " + endpoint + ": another process listens there; is this mapper running twice?");
  return {};
}

}  // namespace

Result<std::unique_ptr<ZmqEdge>> ZmqEdge::create(net::Loop& loop, EdgeOptions options,
                                                 const std::vector<std::string>& mappers, EdgeUser& user) {
  try {
    return std::make_unique<ZmqEdgeOnLoop>(loop, std::move(options), mappers, user);
  } catch (const zmq::error_t& failure) {
    return error(std::string("bus: cannot connect to the mappers: ") + failure.what());
  }
}

Result<std::unique_ptr<ZmqMapper>> ZmqMapper::create(net::Loop& loop, MapperOptions options,
                                                     const std::string& bind, MapperUser& user) {
  if (auto free = nobody_listens(bind); !free) return tl::make_unexpected(free.error());
  try {
    auto mapper = std::make_unique<ZmqMapperOnLoop>(loop, std::move(options), bind, user);
    // Whoever may write here can speak for any edge.
    if (bind.starts_with(kIpc)) chmod(bind.c_str() + kIpc.size(), 0660);
    return mapper;
  } catch (const zmq::error_t& failure) {
    return error("bus: cannot bind " + bind + ": " + failure.what());
  }
}

}  // namespace stox::bus
