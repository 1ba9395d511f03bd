// The other workers that are the same domains on XMPP, as the bus knows them: to whom answers are handed
// over, and, of components, on whose connections ours may come (xmpp::Proof).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "proto/control.pb.h"

namespace stox::worker {

class OtherWorkers {
 public:
  OtherWorkers(std::string own_name, std::vector<std::string> serves);

  // True: a component's connection has gone that was there beside ours (`is_up`: ours is).
  bool update(const std::vector<pb::Member>&, bool is_up, Time now);

  // Whether the process that wrote a stanza's id lives, as far as is known.
  bool is_there(std::string_view name, uint64_t epoch) const;
  // Components' connections to the server besides our own.
  const std::vector<uint64_t>& connections() const { return connections_; }
  std::string holder() const;                        // one that has such a connection; empty: none
  uint64_t connection(std::string_view name) const;  // of this worker; never 0
  // Until then the server may send to a connection that went without a word, or to one that is just being
  // made.
  Time unsure_until() const { return std::max(unsure_until_, starting_until_); }

 private:
  bool is_alike(const pb::Member&) const;

  std::string own_name_;
  std::vector<std::string> serves_;
  std::vector<pb::Member> alike_;
  std::vector<uint64_t> connections_;
  Time unsure_until_{}, starting_until_{};
};

}  // namespace stox::worker
