// Where the mappers are: addresses as they stand, and names that are looked up again and again, because what
// they stand for changes (a headless service of Kubernetes, SRV records).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/loop.h"
#include "common/net/resolver.h"

namespace stox::bus {

class MapperFinder {
 public:
  struct Times {
    Duration again = std::chrono::seconds(5);  // DNS answers from its cache while it may
    Duration again_if_none = std::chrono::seconds(1);
  };
  // `resolver` may be null if there are no names. `changed`: endpoints() or trouble() is another. Everything
  // must outlive the finder.
  MapperFinder(net::Loop&, net::Resolver* resolver, std::function<void()> changed, Times);
  MapperFinder(net::Loop& loop, net::Resolver* resolver, std::function<void()> changed)
      : MapperFinder(loop, resolver, std::move(changed), Times()) {}

  // ipc://PATH, tcp://ADDRESS:PORT, tcp://NAME:PORT (each of its addresses; of IPv4 and IPv6 one family, so
  // that a mapper with both is met once), tcp://_SERVICE._PROTOCOL.NAME (each address of each SRV record).
  // What is known of names that stay is kept.
  void look_for(const std::vector<std::string>& connect);

  // In a stable order, none twice. A name that cannot be looked up now stands for what it stood for before.
  const std::vector<std::string>& endpoints() const { return endpoints_; }
  // Of a name that stands for nothing, and why; empty: none.
  std::string trouble() const;

 private:
  struct Name {
    std::vector<std::string> endpoints;
    std::string trouble;
    bool asked = false;  // an answer is on its way
  };
  struct Gathering;  // the addresses of SRV targets

  void look();
  void ask(const std::string& connect);
  void ask_service(const std::string& connect, const std::string& service);
  void found(const std::string& connect, net::Resolved<std::vector<std::string>>);
  void update();

  net::Resolver* resolver_;
  std::function<void()> changed_;
  Times times_;
  net::Loop& loop_;
  std::vector<std::string> connect_, endpoints_;
  std::map<std::string, Name> names_;  // by what stands in connect_
  net::Alarm alarm_;
  // Answers that come when we are gone ask this.
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace stox::bus
