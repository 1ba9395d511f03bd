// Connects to the first of several addresses that answers ("happy eyeballs", RFC 8305): the next one is tried
// when the one before has failed or has been silent for some time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/net/loop.h"
#include "common/net/resolver.h"

namespace stox::net {

// Of both families in turn, IPv6 first (RFC 8305 4).
std::vector<std::string> interleaved(const std::vector<std::string>& ips);

class Connector {
 public:
  // A descriptor, which is the callee's from then on, and its ADDRESS:PORT; or -1 and why.
  using Done = std::function<void(int descriptor, const std::string& text)>;

  // With `own_port` connections come from that port, if it can be had, and each later one from the port of
  // the one before: a peer that has not heard of the end of that one does so then (RFC 9293 3.5.1). 0: the
  // first comes from any.
  explicit Connector(Loop&, std::optional<uint16_t> own_port = {});
  ~Connector();

  // At most `within`. Gives up what was under way. `done` comes from the loop, never from inside the call,
  // and not after cancel() or destruction.
  void connect(std::vector<Address>, Duration within, Done done);
  // To the addresses of a host, in the order of the answer, each of which has five seconds to itself.
  void connect(Resolver&, const std::string& host, uint16_t port, Done done);
  void cancel();

 private:
  struct Race;

  Loop& loop_;
  std::optional<uint16_t> own_port_;
  std::shared_ptr<Race> race_;  // shared with handlers, which may run after it has been given up
};

}  // namespace stox::net
