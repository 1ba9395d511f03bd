// The bus in memory, for tests: edges and mappers in one process, a clock moved by hand, processes that die,
// sleep and come back, frames that are held or lost. Nothing happens but in run() and advance().
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/bus/edge/edge.h"
#include "common/bus/mapper/mapper_node.h"
#include "common/bus/wire/wire.h"

namespace stox::bus {

class MemoryBus {
 public:
  // `mappers`: names of those that may exist; edges have a pipe to each. `expected`: the configured edges.
  MemoryBus(std::vector<std::string> mappers, std::vector<std::string> expected);
  ~MemoryBus();

  ManualClock& clock() { return clock_; }

  // Starts a process (again): a new object with a new epoch, or the one given. The user must outlive it.
  Edge& start_edge(EdgeOptions, EdgeUser&);
  MapperNode& start_mapper(const std::string& name, MapperUser&, uint64_t shared = 0);
  Edge& edge(const std::string& name);
  MapperNode& mapper(const std::string& name);

  // What it has written still arrives, then the others see the connection close, unless `silently`. `unsent`:
  // what it had written is lost as well.
  void kill(const std::string& name, bool silently = false, bool unsent = false);
  void sleep(const std::string& name);  // it does not run; frames wait for it
  void wake(const std::string& name);
  void hold(const std::string& from, const std::string& to);     // frames wait in the pipe
  void release(const std::string& from, const std::string& to);  // and go on
  std::size_t lose(const std::string& from,
                   const std::string& to);  // frames held in this pipe vanish; how many
  void inject(const std::string& from, const std::string& to,
              std::string_view frame);  // as if `from` had sent it
  void cut(const std::string& edge,
           const std::string& mapper);  // the connection closes, frames in it are lost
  void join(const std::string& edge, const std::string& mapper);  // and stands again

  // Turns and delivers until nothing moves.
  void run();
  // In steps of at most 100 ms, running at each.
  void advance(Duration);

 private:
  struct Channel;
  struct Node;
  class NodeWire;

  Channel& channel(const std::string& from, const std::string& to) { return channels_[{from, to}]; }
  bool deliver(const std::string& from, const std::string& to, Channel&);
  Pipe pipe_on(const std::string& node, const std::string& peer);
  void disconnect(const std::string& edge, const std::string& mapper);
  void connect(const std::string& edge, const std::string& mapper);

  struct Channel {
    std::deque<std::string> frames;
    bool connected = false;
    bool held = false;
    bool closing = false;  // the writer has gone: closed once it is empty
  };

  ManualClock clock_;
  std::vector<std::string> mapper_names_, expected_;
  uint64_t next_epoch_ = 1;
  Pipe next_pipe_ = 100;
  std::map<std::string, std::unique_ptr<Node>> nodes_;
  std::map<std::pair<std::string, std::string>, Channel> channels_;
};

}  // namespace stox::bus
