// Order, where several workers are the same domains on XMPP: a server whose stream to one of them has ended
// turns to another, and what it writes there must not overtake what the first still has in hand (its front
// cannot be reached, say, or it is being restarted and has it in its journal). So, for a while after a stream
// came, a conversation's first messages wait until the other workers have said that they have no earlier
// ones. Times go as ages: each worker has its own clock.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "proto/calls.pb.h"

namespace stox::worker {

class MovedStreams {
 public:
  class User {
   public:
    virtual ~User() = default;
    // As in sibling_calls.h.
    virtual void ask_in_hand(const std::string& worker, pb::InHand,
                             std::function<void(const pb::Held&)> reply) = 0;
    virtual void let_go(uint64_t number) = 0;  // as bus::Origin
  };

  // References must outlive it.
  MovedStreams(const Clock& clock, User& user) : clock_(clock), user_(user) {}

  // The other workers of our domains that are there now.
  void set_workers(const std::vector<std::string>& present);
  // `domain` may speak by a stream that was not there before; nothing that it said was taken in yet. Empty:
  // any may.
  void came(std::string_view domain);

  // When the stream came for which a message of this conversation from this domain is to be held: hold()
  // follows, with it and the message's number on the bus. Time{}: it need not wait.
  Time must_wait(std::string_view domain, const std::string& conversation) const;
  void hold(Time came, const std::string& conversation, uint64_t number);

  // When next() has come, and in each wakeup that something was held in.
  void turn();
  Time next() const { return waiting_.empty() ? kNever : ask_at_; }
  std::size_t held() const { return waiting_.size(); }  // conversations

  // The other side: the answer to such a question. `has_in_hand`: something of the conversation that was
  // taken in until then has no outcome yet.
  static pb::Held answer(const pb::InHand& question, Time now,
                         const std::function<bool(const std::string& conversation, Time until)>& has_in_hand);

 private:
  using Key = std::pair<Time, std::string>;  // when the stream came, conversation
  struct Waiting {
    std::vector<uint64_t> numbers;
    std::map<std::string, Time> for_workers;  // that have not said that they have nothing; when asked last
  };

  Time since(std::string_view domain) const;  // Time{}: not so lately that it matters
  void ask(const std::string& worker);
  void answered(const std::string& worker, const std::vector<Key>& asked, const pb::Held&);
  void let_go_of_free();

  const Clock& clock_;
  User& user_;
  std::map<std::string, Time> workers_;               // when each went; kNever: it is there
  std::map<std::string, Time, std::less<>> streams_;  // by domain, the latest
  Time latest_{};                                     // of these
  std::map<Key, Waiting> waiting_;
  std::unordered_map<std::string, Time> free_;  // conversations that need not wait, since that stream came
  Time ask_at_{};
};

}  // namespace stox::worker
