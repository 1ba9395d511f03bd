// The bus on ZeroMQ: the only code that sees it. A ZmqEdge (one DEALER per mapper) or ZmqMapper (one ROUTER)
// owns its sockets and its Edge or MapperNode, and pumps them on the loop: one drain and one flush per
// wakeup.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/bus/edge.h"
#include "common/bus/mapper_node.h"
#include "common/net/loop.h"

namespace stox::bus {

class ZmqEdge {
 public:
  // `mappers`: endpoints to connect to, ipc://PATH or tcp://ADDRESS:PORT; they need not be there yet. Loop
  // and user must outlive the edge.
  static Result<std::unique_ptr<ZmqEdge>> create(net::Loop&, EdgeOptions,
                                                 const std::vector<std::string>& mappers, EdgeUser&);
  virtual ~ZmqEdge() = default;
  virtual Edge& edge() = 0;
};

class ZmqMapper {
 public:
  // `bind`: ipc://PATH (a socket file left behind by a dead process is replaced, one in use is an error) or
  // tcp://ADDRESS:PORT.
  static Result<std::unique_ptr<ZmqMapper>> create(net::Loop&, MapperOptions, const std::string& bind,
                                                   MapperUser&);
  virtual ~ZmqMapper() = default;
  virtual MapperNode& node() = 0;
};

}  // namespace stox::bus
