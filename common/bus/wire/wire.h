// What lies under the bus: frames between one process and its peers. ZeroMQ (zmq_wire.h) carries them between
// processes, memory (memory_wire.h) between objects of a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace stox::bus {

// No larger frame is taken from anybody.
constexpr std::size_t kMaxFrameBytes = 16 * 1024 * 1024;

// A peer as this end sees it. On an edge: one per mapper, for good. On a mapper: one per connection of an
// edge.
using Pipe = uint32_t;

class WireUser {
 public:
  virtual ~WireUser() = default;
  virtual void opened(Pipe) = 0;                         // an edge's connection to a mapper stands
  virtual void frame(Pipe, std::string_view bytes) = 0;  // the bytes live during the call
  virtual void closed(Pipe) = 0;                         // the connection is known to be gone
};

class Wire {
 public:
  virtual ~Wire() = default;
  // False: the pipe is full or not there; nothing was taken.
  virtual bool send(Pipe, std::string_view bytes) = 0;
};

}  // namespace stox::bus
