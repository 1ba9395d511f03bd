// Accepts TCP connections at one address. Several processes may listen at the same one (SO_REUSEPORT): each
// connection goes to one of them.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/net/loop.h"

namespace stox::xmpp {

class Listener {
 public:
  // A descriptor, which is the callee's from then on, and who connected.
  using Accepted = std::function<void(int descriptor, const std::string& ip, uint16_t port)>;

  // "::" takes IPv4 connections, too. The loop must outlive it.
  static Result<std::unique_ptr<Listener>> create(net::Loop&, const std::string& address, uint16_t port,
                                                  Accepted);
  ~Listener();

 private:
  struct Acceptor;
  explicit Listener(std::shared_ptr<Acceptor>);
  static void wait(const std::shared_ptr<Acceptor>&);
  static void accept(const std::shared_ptr<Acceptor>&);

  std::shared_ptr<Acceptor> acceptor_;  // shared with handlers
};

}  // namespace stox::xmpp
