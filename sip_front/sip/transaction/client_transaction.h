// The non-INVITE client transactions of a UAC (RFC 3261 17.1.2, 17.1.3). Free of I/O: responses, failures and
// time come in; requests and results go out by a ClientUser. INVITE transactions would be a second table
// beside this one.
//
//   Trying --1xx--> Proceeding --final--> Completed --Timer K--> gone   (reliable transports: gone at once)
//      \-------------final------------------^
//   Timer E sends again (UDP), Timer F ends Trying and Proceeding.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/deadlines.h"
#include "sip_front/sip/message/flow.h"
#include "sip_front/sip/message/message.h"
#include "sip_front/sip/transaction/table.h"

namespace stox::sip {

class ClientUser {
 public:
  virtual ~ClientUser() = default;
  virtual void send_request(const Flow&, std::string_view bytes) = 0;  // the bytes live during the call
  // Every transaction ends with exactly one of these three, and may start new ones from inside. The message
  // is a final response and lives during the call.
  virtual void responded(uint64_t token, const Message&) = 0;
  virtual void timed_out(uint64_t token) = 0;  // Timer F
  // Connection or ICMP error; `why` is for people and may be empty. Unless it may have arrived, sending it
  // elsewhere makes no duplicate.
  virtual void transport_failed(uint64_t token, bool may_have_arrived, std::string_view why) = 0;
};

class ClientTransactions {
 public:
  struct Request {
    uint64_t token;           // given back with the result
    std::string_view branch;  // of its top Via; unique
    std::string_view sent_by_host;
    uint16_t sent_by_port;
    Method method;
    Flow flow;
  };

  // `seed` for hashes. The user must outlive this.
  ClientTransactions(uint64_t seed, ClientUser& user) : seed_(seed), user_(user) {}

  // Sends `bytes`, which are swapped out: the buffer comes back with old content.
  void start(const Request&, std::string& bytes, Time now);
  // False: the response belongs to no transaction.
  bool receive(const Message& response, Time now);
  void connection_lost(uint32_t connection, bool never_made, std::string_view why);
  // An ICMP error, or our own system, said of a datagram that it did not come there (18.4); UDP only.
  // `datagram`: how it began, empty if nobody knows. That the peer has gone says nothing of what was sent to
  // it before: that is sent again.
  void unreachable(const Endpoint& peer, std::string_view datagram, std::string_view why);

  // Of those with such a token nothing is sent again, what is answered late is swallowed, and the user hears
  // no more.
  void abandon(const std::function<bool(uint64_t token)>& which, Time now);

  void turn(Time now);                               // fires the timers that are due
  Time next_turn() const { return timers_.next(); }  // when there is something to do in turn()

  std::size_t waiting() const { return slots_.size() - completed_; }  // Trying and Proceeding
  uint64_t sent_again() const { return sent_again_; }

 private:
  enum class State : uint8_t { kTrying, kProceeding, kCompleted, kTerminated };
  enum class Timer : uint8_t { kE, kF, kK };
  struct Transaction {
    State state = State::kTerminated;
    Method method;
    uint64_t token, hash;
    uint16_t sent_by_port;
    Flow flow;
    Duration interval;  // Timer E
    bool repeated;      // sent more than once
    uint64_t sent;      // last: the number of this among all that were sent
    std::string branch, sent_by_host, request;
  };
  struct Due {
    Id id;
    Timer timer;
  };

  void fire(Due, Time now);
  void terminate(Id);
  void send(Transaction&);
  template <class Concerned>
  void fail_all(Concerned, bool may_have_arrived, std::string_view why);

  uint64_t seed_;
  ClientUser& user_;
  Slots<Transaction> slots_;
  HashIndex by_branch_;
  Deadlines<Due> timers_;
  std::size_t completed_ = 0;
  uint64_t sent_ = 0, sent_again_ = 0;
};

}  // namespace stox::sip
