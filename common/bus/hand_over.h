// Hand-overs between workers: what arrived at one of them and is waited for by another. In order per stream,
// again every second until acknowledged, each handed on once; dropped when the receiver has been replaced by
// a new process or stays silent for kMemory, for then nobody waits for it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "common/base/clock.h"
#include "proto/control.pb.h"

namespace stox::bus {

class HandOvers {
 public:
  // `send`: passes an item towards the named worker.
  using Send = std::function<void(const std::string& to, const pb::Item&)>;
  HandOvers(std::string name, Send send) : name_(std::move(name)), send_(std::move(send)) {}

  void put(const std::string& to, uint64_t stream, std::string_view payload, uint64_t epoch, Time now);
  void acknowledged(const pb::HandOverAck&);
  // Acknowledges in any case; true: it is the next of its stream and is to be handed on.
  bool arrived(const pb::HandOver&);
  void replaced(const std::string& worker);  // by a new process of this name
  void turn(Time now);
  std::size_t unacknowledged() const;

 private:
  struct Outgoing {
    uint64_t next = 1;
    Time sent_at{}, heard_at{};
    std::deque<pb::HandOver> waiting;
  };
  std::string name_;
  Send send_;
  std::map<std::pair<std::string, uint64_t>, Outgoing> outgoing_;                 // (to, stream)
  std::map<std::tuple<std::string, uint64_t, uint64_t>, uint64_t> last_arrived_;  // (from, epoch, stream)
};

}  // namespace stox::bus
