// The bus on ZeroMQ: the only code that sees it. A ZmqEdge (one DEALER per mapper) or ZmqMapper (one ROUTER)
// owns its sockets and its Edge or MapperNode, and pumps them on the loop: one drain and one flush per
// wakeup. tcp is encrypted by CURVE when there are keys: a mapper lets in only edges whose public key it
// knows, each under its own name; an edge talks only to who has the mappers' secret key.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/bus/edge/edge.h"
#include "common/bus/mapper/mapper_node.h"
#include "common/net/loop.h"

namespace stox::bus {

struct MapperAddresses {
  std::vector<std::string> connect;  // as MapperFinder::look_for; the mappers need not be there yet
  // Keys for tcp, see curve.h; empty: plain.
  std::string secret_key = {};
  std::string mapper_public_key = {};
  std::vector<std::string> dns_servers = {};  // for names, as net::Resolver::Options::servers
};

// Whoever has the secret half of this key may be SECTION and each SECTION@INSTANCE of this role.
struct EdgeKey {
  std::string public_key;
  std::string section;
  pb::Role role = pb::FRONT;
};

struct MapperAddress {
  // ipc://PATH (a socket file left behind by a dead process is replaced, one in use is an error) or
  // tcp://ADDRESS:PORT.
  std::string bind;
  // Keys for tcp; empty: plain.
  std::string secret_key = {};
  std::string public_key = {};          // must belong to it
  std::vector<EdgeKey> edge_keys = {};  // who may connect
};

// One mapper as an edge sees it, for people.
struct MapperState {
  std::string endpoint;
  std::string name;  // empty until it said hello
  bool up = false, ready = false;
  bool leaving = false;              // taken out of the configuration or of DNS; something is in flight by it
  std::string trouble;               // why it is not up, or does not take us
  bool other_configuration = false;  // as LinkFigures
};

class ZmqEdge {
 public:
  // Loop and user must outlive the edge.
  static Result<std::unique_ptr<ZmqEdge>> create(net::Loop&, EdgeOptions, const MapperAddresses&, EdgeUser&);
  virtual ~ZmqEdge() = default;
  virtual Edge& edge() = 0;

  // Other addresses than before: new ones are connected to; those that are no longer there get nothing new,
  // and are let go once what is in flight by them has ended, after a minute at the latest.
  virtual void connect_to(const std::vector<std::string>&) = 0;
  virtual std::vector<MapperState> mappers() const = 0;
  virtual std::string why_no_mapper() const = 0;  // for people, while Edge::has_mapper() is false
};

class ZmqMapper {
 public:
  static Result<std::unique_ptr<ZmqMapper>> create(net::Loop&, MapperOptions, const MapperAddress&,
                                                   MapperUser&);
  virtual ~ZmqMapper() = default;
  virtual MapperNode& node() = 0;

  // Instead of MapperAddress::edge_keys. Who may not be what it is any more is put out.
  virtual void let_in(std::vector<EdgeKey>) = 0;
};

}  // namespace stox::bus
