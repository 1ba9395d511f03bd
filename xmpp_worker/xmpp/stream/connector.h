// Connects to the first of several addresses that answers ("happy eyeballs", RFC 8305): the next one is tried
// when the one before has failed or has been silent for a quarter of a second.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/net/loop.h"
#include "common/net/resolver.h"

namespace stox::xmpp {

// Of both families in turn, IPv6 first (RFC 8305 4).
std::vector<std::string> interleaved(const std::vector<std::string>& ips);

class Connector {
 public:
  // A descriptor, which is the callee's from then on, and its ADDRESS:PORT; or -1 and why.
  using Done = std::function<void(int descriptor, const std::string& text)>;

  explicit Connector(net::Loop&);
  ~Connector();

  // At most `within`. Gives up what was under way. `done` comes from the loop, never from inside the call,
  // and not after cancel() or destruction.
  void connect(std::vector<net::Address>, Duration within, Done done);
  void cancel();

 private:
  struct Race;
  static void start_next(const std::shared_ptr<Race>&);
  static void finish(const std::shared_ptr<Race>&, int descriptor, std::string text);

  net::Loop& loop_;
  std::shared_ptr<Race> race_;  // shared with handlers, which may run after it has been given up
};

}  // namespace stox::xmpp
