// The fronts that hold dialogs about presence: those that are there, and those that have gone and may be back
// soon with what they had. Free of I/O.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "proto/control.pb.h"

namespace stox::worker {

class Fronts {
 public:
  static constexpr Duration kBackWithin = std::chrono::seconds(60);

  explicit Fronts(const Clock& clock) : clock_(clock) {}  // must outlive it

  // Whenever the members of the bus have changed: all there are.
  void update(const std::vector<pb::Member>&);

  std::vector<std::string> all() const;
  // Takes those out that have gone; none while no front is there, as it looks for a moment when a mapper
  // dies.
  void leave_those_there(std::vector<std::string>* names) const;
  // The one that has what a user asks of a SIP user; every worker finds the same. Empty: there is none.
  std::string of(std::string_view pair) const;

 private:
  bool counts(Time gone_at) const { return gone_at == kNever || clock_.now() - gone_at < kBackWithin; }

  const Clock& clock_;
  std::map<std::string, Time> gone_at_;  // by name; kNever: it is there
};

}  // namespace stox::worker
