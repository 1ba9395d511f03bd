#include "common/bus/memory/memory_wire.h"

#include <algorithm>

namespace stox::bus {
namespace {
constexpr std::size_t kCapacity = 256;  // frames in a pipe, as ZeroMQ's high-water mark
}

class MemoryBus::NodeWire final : public Wire {
 public:
  NodeWire(MemoryBus& bus, std::string name) : bus_(bus), name_(std::move(name)) {}
  bool send(Pipe pipe, std::string_view bytes) override {
    const auto peer = peers.find(pipe);
    if (peer == peers.end()) return false;
    Channel& c = bus_.channel(name_, peer->second);
    if (!c.connected || c.frames.size() >= kCapacity) return false;
    c.frames.emplace_back(bytes);
    return true;
  }
  std::map<Pipe, std::string> peers;

 private:
  MemoryBus& bus_;
  std::string name_;
};

struct MemoryBus::Node {
  Node(MemoryBus& bus, const std::string& name) : wire(bus, name) {}
  WireUser& user() { return edge ? static_cast<WireUser&>(*edge) : *mapper; }
  NodeWire wire;
  std::unique_ptr<Edge> edge;
  std::unique_ptr<MapperNode> mapper;
  bool asleep = false;
};

MemoryBus::MemoryBus(std::vector<std::string> mappers, std::vector<std::string> expected)
    : mapper_names_(std::move(mappers)), expected_(std::move(expected)) {}

MemoryBus::~MemoryBus() = default;

Edge& MemoryBus::start_edge(EdgeOptions options, EdgeUser& user) {
  const std::string name = options.name;
  if (options.epoch == 0) options.epoch = next_epoch_++;
  auto node = std::make_unique<Node>(*this, name);
  for (std::size_t i = 0; i < mapper_names_.size(); ++i)
    node->wire.peers[static_cast<Pipe>(i)] = mapper_names_[i];
  node->edge = std::make_unique<Edge>(std::move(options), mapper_names_.size(), node->wire, clock_, user);
  nodes_[name] = std::move(node);
  for (const std::string& mapper : mapper_names_) {
    if (nodes_.contains(mapper)) connect(name, mapper);
  }
  return edge(name);
}

MapperNode& MemoryBus::start_mapper(const std::string& name, MapperUser& user, uint64_t shared) {
  auto node = std::make_unique<Node>(*this, name);
  node->mapper = std::make_unique<MapperNode>(MapperOptions{name, next_epoch_++, expected_, shared},
                                              node->wire, clock_, user);
  nodes_[name] = std::move(node);
  for (const auto& [other, n] : nodes_) {
    if (n->edge) connect(other, name);
  }
  return mapper(name);
}

Edge& MemoryBus::edge(const std::string& name) { return *nodes_.at(name)->edge; }
MapperNode& MemoryBus::mapper(const std::string& name) { return *nodes_.at(name)->mapper; }

Pipe MemoryBus::pipe_on(const std::string& node, const std::string& peer) {
  for (const auto& [pipe, name] : nodes_.at(node)->wire.peers) {
    if (name == peer) return pipe;
  }
  return 0;
}

void MemoryBus::connect(const std::string& edge, const std::string& mapper) {
  auto& peers = nodes_.at(mapper)->wire.peers;
  std::erase_if(peers, [&](const auto& p) { return p.second == edge; });
  peers[next_pipe_++] = edge;
  for (Channel* c : {&channel(edge, mapper), &channel(mapper, edge)}) {
    *c = Channel{};
    c->connected = true;
  }
  nodes_.at(edge)->edge->opened(pipe_on(edge, mapper));
}

void MemoryBus::kill(const std::string& name, bool silently, bool unsent) {
  nodes_.erase(name);
  for (auto& [ends, c] : channels_) {
    if (ends.second == name) {
      c = Channel{};
    } else if (ends.first == name && c.connected) {
      if (unsent) c.frames.clear();
      c.closing = !silently;
      c.connected = !silently;
    }
  }
}

void MemoryBus::cut(const std::string& edge, const std::string& mapper) {
  for (Channel* c : {&channel(edge, mapper), &channel(mapper, edge)}) {
    c->frames.clear();
    c->closing = true;
  }
  run();
}

void MemoryBus::join(const std::string& edge, const std::string& mapper) { connect(edge, mapper); }

void MemoryBus::sleep(const std::string& name) { nodes_.at(name)->asleep = true; }
void MemoryBus::wake(const std::string& name) { nodes_.at(name)->asleep = false; }
void MemoryBus::hold(const std::string& from, const std::string& to) { channel(from, to).held = true; }
void MemoryBus::release(const std::string& from, const std::string& to) { channel(from, to).held = false; }

std::size_t MemoryBus::lose(const std::string& from, const std::string& to) {
  const std::size_t n = channel(from, to).frames.size();
  channel(from, to).frames.clear();
  return n;
}

void MemoryBus::inject(const std::string& from, const std::string& to, std::string_view frame) {
  channel(from, to).frames.emplace_back(frame);
}

bool MemoryBus::deliver(const std::string& from, const std::string& to, Channel& c) {
  const auto node = nodes_.find(to);
  if (node == nodes_.end() || node->second->asleep || c.held) return false;
  bool moved = false;
  const Pipe pipe = pipe_on(to, from);
  while (!c.frames.empty()) {
    const std::string frame = std::move(c.frames.front());
    c.frames.pop_front();
    node->second->user().frame(pipe, frame);
    moved = true;
  }
  if (c.closing) {
    c.closing = c.connected = false;
    node->second->user().closed(pipe);
    moved = true;
  }
  return moved;
}

void MemoryBus::run() {
  for (auto& [name, node] : nodes_) {
    if (node->asleep) continue;
    node->edge ? node->edge->turn() : node->mapper->turn();
  }
  bool moved = true;
  while (moved) {
    moved = false;
    for (auto& [name, node] : nodes_) {
      if (node->asleep) continue;
      if (node->edge) {
        node->edge->flush();
      } else {
        node->mapper->flush();
      }
    }
    for (auto& [ends, c] : channels_) moved = deliver(ends.first, ends.second, c) || moved;
  }
}

void MemoryBus::advance(Duration d) {
  const Duration step = std::chrono::milliseconds(100);
  run();
  for (; d > Duration{0}; d -= step) {
    clock_.advance(std::min(d, step));
    run();
  }
}

}  // namespace stox::bus
