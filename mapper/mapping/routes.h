// Which edge an envelope goes to, of those that a mapper knows. Pure, and the same in every mapper: they need
// not agree on anything but the members.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/placement.h"
#include "proto/control.pb.h"

namespace stox::mapping {

// Edges that say READY or STARTING take part: one that is (re)connecting holds what it gets. Those that hold
// nothing any more and STANDBY edges, which are about to take over, and then DRAINING ones serve only when
// nothing else is there.
class Routes {
 public:
  Routes() = default;
  explicit Routes(const std::vector<pb::Member>&);  // copies what it needs

  // A worker for a recipient's domain (as in a JID), by place(). Empty: there is none.
  const std::string& worker(std::string_view domain, std::string_view conversation) const;

  // A front for a target URI: always the same one, whatever the URI's parameters (RFC 3428 8: one MESSAGE at
  // a time to a target). Empty: there is none.
  const std::string& front(std::string_view target_uri) const;
  // A front for what two users are to each other: always the same one for both bare addresses, a
  // conversation_key(). One user's are shared out over all fronts. Empty: there is none.
  const std::string& front_of_pair(std::string_view conversation) const;

 private:
  struct Edge : PlacedWorker {
    int rank = 0;  // lower ones first
  };

  std::vector<Edge> workers_, fronts_;
};

}  // namespace stox::mapping
