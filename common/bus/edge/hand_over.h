// Hand-overs between workers: what arrived at one of them and is waited for by another. In order per stream,
// again every second until acknowledged, each handed on once. A receiver that stays silent for kMemory, or
// for kMaxWaiting of them, gets no more of that stream, and the user hears of it: what came later must not
// arrive as if nothing were missing before it.
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
  static constexpr std::size_t kMaxWaiting = 20'000;  // for one receiver, of one stream

  // `send`: passes an item towards the named worker.
  using Send = std::function<void(const std::string& to, const pb::Item&)>;
  // The clock must outlive it.
  HandOvers(std::string name, uint64_t epoch, const Clock& clock, Send send)
      : name_(std::move(name)), epoch_(epoch), clock_(clock), send_(std::move(send)) {}

  // To another worker's process, by the epoch that it began with. The stream and what is handed over are the
  // caller's. False: too many wait already; it gets no more of this stream, from this one on (said once, as
  // EdgeUser::hand_overs_lost).
  [[nodiscard]] bool put(const std::string& to, uint64_t to_epoch, pb::HandOver);
  std::size_t waiting() const;  // not acknowledged
  uint64_t given_up() const { return given_up_; }

 private:
  friend class Edge;  // brings what comes, and time

  void acknowledged(const pb::HandOverAck&);
  // Acknowledges in any case; true: it is the next of its stream and is to be handed on.
  bool arrived(const pb::HandOver&);
  // False: one that was silent for too long gets no more.
  [[nodiscard]] bool turn();

  struct Outgoing {
    uint64_t next = 0;  // 0: none yet
    Time sent_at{}, heard_at{};
    bool is_broken = false;
    std::deque<pb::HandOver> waiting;
  };
  struct Incoming {
    uint64_t last = 0;
    Time at{};
  };
  using Key = std::tuple<std::string, uint64_t, uint64_t>;  // (the other one, its epoch, stream)
  void give_up(Outgoing&);

  std::string name_;
  uint64_t epoch_;
  const Clock& clock_;
  Send send_;
  uint64_t given_up_ = 0;
  uint64_t series_ = 0;  // of numbers: rises when a stream has been forgotten
  std::map<Key, Outgoing> outgoing_;
  std::map<Key, Incoming> incoming_;
};

}  // namespace stox::bus
