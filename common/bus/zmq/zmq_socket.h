// What both ends of the bus need of ZeroMQ: sockets as we want them, messages, news of connections, and a
// descriptor on our loop. Only common/bus sees this.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <zmq.hpp>

#include "common/net/input.h"

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
  // As the doorkeeper gave it to who sent this; empty: none.
  std::string sender_key() {
    const char* key = zmq_msg_gets(&message_, "User-Id");
    return key == nullptr ? "" : key;
  }

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

// Calls back when ZeroMQ's descriptor says that there may be news. It tells only of what comes after the last
// look: whoever is called must read the socket until it is empty, and also after each send.
class Readiness : public net::Input {
 public:
  Readiness(net::Loop& loop, zmq::socket_t& socket, std::function<void()> ready)
      : Input(loop, socket.get(zmq::sockopt::fd), std::move(ready)) {
    wait();
  }
};

}  // namespace stox::bus
