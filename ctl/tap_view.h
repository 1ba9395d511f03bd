// What `stoxctl tap` shows of the events that processes tell: those of messages that its filters choose, each
// message with all that becomes of it, in the order of time.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace stox::ctl {

class TapView {
 public:
  // `from`, `to`: part of an address, without case; empty = any. `count`: messages after whose end it is
  // done; 0 = none.
  TapView(std::string from, std::string to, unsigned count);

  // An event of a process, as Tap tells it, and when it came here, of any clock that never goes back.
  void add(const std::string& process, nlohmann::json event, int64_t came);
  // What came up to then and was not taken before, in the order of time; with what is older and came later.
  std::vector<nlohmann::json> take(int64_t came_by);
  bool done() const { return count_ != 0 && ended_.size() >= count_; }

 private:
  bool chosen(const nlohmann::json& event);

  std::string from_, to_;
  unsigned count_;
  struct Pending {
    nlohmann::json event;
    int64_t came;
  };
  std::vector<Pending> pending_;
  std::unordered_map<std::string, std::string>
      origins_;                  // of the traces shown: the process that had it first
  std::set<std::string> ended_;  // traces
  unsigned refusals_ = 0;
};

// One line for people, with the body below it.
std::string tap_text(const nlohmann::json& event);

}  // namespace stox::ctl
