// What both ends of the bus need of ZeroMQ: sockets as we want them, messages, news of connections, and a
// descriptor on our loop. Only common/bus sees this.
#pragma once

#include <asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <zmq.hpp>

#include "common/net/loop.h"

namespace stox::bus {

constexpr std::string_view kIpc = "ipc://";
constexpr std::string_view kTcp = "tcp://";

// What a socket is given before it connects or binds to `endpoint`.
void set_up(zmq::socket_t&, const std::string& endpoint);

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

bool has_input(zmq::socket_t&);

// ZeroMQ's news about connections of one socket, which must outlive it.
class Monitor {
 public:
  Monitor(zmq::context_t&, zmq::socket_t&, int events);
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;
  zmq::socket_t& socket() { return socket_; }

  // The next event and its value (a descriptor, or what failed), if there is one.
  bool next(int* event, uint32_t* value);

 private:
  zmq::socket_t& watched_;
  zmq::socket_t socket_;
};

// Not to be destroyed from inside its own callback. Calls back when ZeroMQ's descriptor says that there may
// be news. It is edge-triggered: whoever is called must look at ZMQ_EVENTS until it is empty, and also after
// each send.
class Readiness {
 public:
  Readiness(net::Loop&, zmq::socket_t&, std::function<void()> ready);
  ~Readiness();
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

  void arm();

 private:
  asio::posix::stream_descriptor descriptor_;
  std::function<void()> ready_;
  bool armed_ = false;
  // What is ready already cannot be cancelled: it asks this whether we are still there.
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace stox::bus
