// Who may connect to a mapper's encrypted address, and as whom. ZeroMQ asks it for each handshake (ZAP, RFC
// 27 of ZeroMQ) and tells the key with each message from then on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "common/bus/zmq/zmq_socket.h"
#include "common/bus/zmq/zmq_wire.h"

namespace stox::bus {

class Doorkeeper {
 public:
  // `refused` is told the address of who was not let in. One per context; loop and context must outlive it.
  Doorkeeper(net::Loop&, zmq::context_t&, std::vector<EdgeKey>,
             std::function<void(const std::string& address)> refused);

  void let_in(std::vector<EdgeKey> keys) { keys_ = std::move(keys); }
  // Why the owner of this key may not be this process, for people; empty: it may.
  std::string objection(const std::string& public_key, const pb::Member&) const;
  void answer();  // what was asked by now

 private:
  std::vector<std::string> next();
  void answer(const std::vector<std::string>& frames);
  bool knows(const std::string& public_key) const;

  zmq::socket_t socket_;
  std::function<void(const std::string&)> refused_;
  std::vector<EdgeKey> keys_;
  std::unique_ptr<Readiness> readable_;
};

}  // namespace stox::bus
