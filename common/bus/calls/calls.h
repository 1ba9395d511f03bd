// One process's part in the questions that processes ask each other over the bus: it asks, hands on, and
// answers. Best effort: an answer that does not come is the asker's time-out. A kind of question besides
// stoxctl's has a typed function of its own, at those who ask it (xmpp_worker/siblings/sibling_calls.h).
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

class Calls {
 public:
  using TextReply = std::function<void(std::string text)>;
  using Reply = std::function<void(pb::Call answer)>;

  // What the process does for it. Must outlive it.
  class Ways {
   public:
    virtual ~Ways() = default;
    // Sends it to the process `to`, or one that is nearer to it. False: there is no way.
    virtual bool pass_on(const std::string& to, const pb::Item&) = 0;
    virtual void asked(const std::string& from, std::string_view text, TextReply) = 0;
    virtual void call_came(const pb::Call&, Reply) = 0;
  };

  // All must outlive it.
  Calls(const std::string& own_name, const Clock& clock, Ways& ways)
      : own_name_(own_name), clock_(clock), ways_(ways) {}

  // What stoxctl asks, of a process of any role, on any host. An empty answer: there is no way to it; none
  // may come at all.
  void ask(const std::string& to, std::string_view text, TextReply);
  // Any other question: pb::Call::what is the caller's, and the answer's its own. An answer with none: there
  // is no way to it; or, if it is from `to`, that does not know this call. None may come at all.
  void call(const std::string& to, pb::Call question, Reply);

  // For the process. One came; `back` sends to where it came from.
  void arrived(const pb::Call&, const std::function<void(const pb::Item&)>& back);
  void turn();  // forgets what nobody answered

 private:
  struct Open {
    Time asked;
    Reply reply;
  };

  void question_came(const pb::Call&, Reply);

  const std::string& own_name_;
  const Clock& clock_;
  Ways& ways_;
  uint64_t last_ = 0;
  std::map<uint64_t, Open> open_;
  // Answers that are given when we are gone ask this.
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace stox::bus
