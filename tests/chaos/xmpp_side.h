// The XMPP server of a run: each worker of the gateway has a port of its own to connect to. A stanza that
// comes is written down before the ping behind it is answered. Messages of its own users go to the worker
// that their conversation is at, which changes only when nothing of the conversation is under way; a ping
// behind them proves that they were taken in.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/chaos/ledger.h"
#include "tests/support/ends/component_stream.h"
#include "tests/support/ends/words.h"

namespace stox::chaos {

class XmppSide {
 public:
  // Listens on one address for each worker; throws std::runtime_error when it cannot.
  XmppSide(ends::Names, const std::vector<sockaddr_in>& here, uint32_t conversations, Ledger&);
  ~XmppSide();
  XmppSide(const XmppSide&) = delete;
  XmppSide& operator=(const XmppSide&) = delete;

  std::size_t workers() const { return workers_.size(); }
  int listener(std::size_t worker) const { return workers_[worker].listener; }
  int descriptor(std::size_t worker) const;  // -1: nothing to be read now
  bool wants_to_write(std::size_t worker) const;
  bool ready() const;  // all workers are connected

  void accept(std::size_t worker);
  void read(std::size_t worker);
  void cut(std::size_t worker) { end_stream(worker); }
  void stall(std::size_t worker, double seconds);  // reads nothing for so long

  bool can_send(uint32_t conversation) const;
  void message(uint32_t conversation);  // only if it can
  void turn();                          // pings, and what is given up
  void flush();
  bool owed() const;  // there are messages that someone must still say something of

 private:
  struct Worker {
    int listener = -1;
    std::unique_ptr<ends::ComponentStream> stream;
    std::deque<uint64_t> unproved;                    // written, no ping behind them was answered
    std::deque<std::pair<uint64_t, uint64_t>> pings;  // number of a ping, last message before it
    uint64_t last_written = 0;
    int64_t stalled_until_us = 0;
  };
  struct Conversation {
    uint8_t worker = 0;
    uint16_t pending = 0;      // under way, from a stream that is still up
    uint16_t left_behind = 0;  // under way, their stream has ended
  };

  bool up(std::size_t worker) const;
  ends::ComponentStream& any_stream(std::size_t else_worker);
  void stanza(std::size_t worker, const ends::ReadStanza&);
  void proved(Worker&, uint64_t ping);
  void end_stream(std::size_t worker);
  void settle(uint64_t number);

  ends::Names names_;
  Ledger& ledger_;
  std::vector<Worker> workers_;
  std::vector<Conversation> conversations_;
  std::deque<uint64_t> waiting_;  // in the order in which they were sent; settled ones leave from the front
  std::minstd_rand random_;
  uint64_t pings_ = 0;
  int64_t pinged_us_ = 0;
};

}  // namespace stox::chaos
