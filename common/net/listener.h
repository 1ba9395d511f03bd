// Accepts TCP connections at one address.
#pragma once

#include <asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "common/net/acceptor.h"
#include "common/net/resolver.h"

namespace stox::net {

class Listener {
 public:
  // A descriptor, which is the callee's from then on, and who connected, as IPv4 if that is what it is. Or
  // -1: none is left, and whoever connects waits.
  using Accepted = std::function<void(int descriptor, const Address& peer)>;
  struct Options {
    bool with_others = false;  // several processes may listen there: each connection goes to one of them
    bool takes_ipv4 = false;   // "::" takes IPv4 connections, too
  };

  // Port 0: any. Fails with the errno; EINVAL if it is no address. The loop must outlive it. It may be
  // destroyed from inside the call.
  static tl::expected<std::unique_ptr<Listener>, int> create(Loop&, const Address&, Options, Accepted);

  uint16_t port() const { return acceptor_.local().port(); }

 private:
  Listener(Loop&, asio::ip::tcp::acceptor, Accepted);

  Acceptor<asio::ip::tcp> acceptor_;
};

// What in the configuration is to be changed if a process cannot listen.
struct ListenKeys {
  std::string_view port, address;
  std::string_view suspect = {};  // " (who may have the port?)"
};

// "cannot listen on NAME: why; what to do"
std::string describe_listen_failure(std::string_view name, int error_number, const ListenKeys&);

}  // namespace stox::net
