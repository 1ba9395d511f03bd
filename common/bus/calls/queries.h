// One process's part in questions of stoxctl's that pass over the bus: it asks, hands on, and answers. Best
// effort: an answer that does not come is the asker's time-out.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "proto/control.pb.h"

namespace stox::bus {

class Queries {
 public:
  using Reply = std::function<void(std::string text)>;  // an empty text: nobody there to ask

  // What the process does for it. Must outlive it.
  class Ways {
   public:
    virtual ~Ways() = default;
    // Sends it to the process `to`, or one that is nearer to it. False: there is no way.
    virtual bool pass_on(const std::string& to, const pb::Item&) = 0;
    virtual void asked(const std::string& from, std::string_view text, Reply) = 0;
  };

  Queries(const std::string& own_name, Ways& ways) : own_name_(own_name), ways_(ways) {}

  void ask(const std::string& to, std::string_view text, Reply, Time now);
  // A query came; `back` sends to where it came from.
  void arrived(const pb::Query&, const std::function<void(const pb::Item&)>& back);
  void turn(Time now);  // forgets what nobody answered

 private:
  struct Open {
    Time asked;
    Reply reply;
  };

  const std::string& own_name_;
  Ways& ways_;
  uint64_t last_ = 0;
  std::map<uint64_t, Open> open_;
  // Answers that are given when we are gone ask this.
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace stox::bus
