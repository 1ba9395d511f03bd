// The XMPP users of a run. They are at doors: those that are played are a server's, and each worker of the
// gateway has one of its own to connect to; the others are components of real servers. A stanza that comes is
// written down before the ping behind it is answered, and the gateway's pings come as far as here.
// Messages of played users go to the worker that their conversation is at, which changes only when nothing of
// the conversation is under way. A ping behind messages proves that they were taken in, as long as both went
// the same way: when a connection between a real server and the gateway ends (broken()), what was on it may
// never be read.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/chaos/ledger.h"
#include "tests/support/ends/component_stream.h"
#include "tests/support/ends/words.h"

namespace stox::chaos {

class XmppSide {
 public:
  struct Real {
    std::string domain;
    sockaddr_in address;  // for components
  };
  // Listens on one address for each worker; throws std::runtime_error when it cannot. Doors are numbered,
  // these first.
  XmppSide(const std::vector<sockaddr_in>& here, const std::vector<Real>&, uint32_t conversations, Ledger&);
  ~XmppSide();
  XmppSide(const XmppSide&) = delete;
  XmppSide& operator=(const XmppSide&) = delete;

  std::size_t doors() const { return doors_.size(); }
  int listener(std::size_t door) const { return doors_[door].listener; }
  int descriptor(std::size_t door) const;  // -1: nothing to be read now
  bool wants_to_write(std::size_t door) const;
  bool ready() const;  // all doors are connected

  void accept(std::size_t door);
  void read(std::size_t door);
  void cut(std::size_t door) { end_stream(door); }
  void stall(std::size_t door, double seconds);  // reads nothing for so long
  void broken(std::size_t door);

  // Each sees all that is neither a message to one nor a ping.
  void show_others(std::function<void(const ends::ReadStanza&)> other) {
    others_.push_back(std::move(other));
  }
  // For the users of this conversation: at its door, of a played server at another if that is closed. False:
  // there is none, and it is gone.
  bool write(uint32_t conversation, std::string_view xml);
  uint8_t door(uint32_t conversation) const { return conversations_[conversation].door; }
  uint64_t stream(uint32_t conversation) const;  // which one that is at its door; 0 = none

  bool can_send(uint32_t conversation) const;
  void message(uint32_t conversation);  // only if it can
  void turn();                          // pings, and what is given up
  void flush();
  bool owed() const;  // there are messages that someone must still say something of

 private:
  struct Door {
    int listener = -1;
    Real real{};
    std::unique_ptr<ends::ComponentStream> stream;
    std::deque<uint64_t> unproved;                    // written, no ping behind them was answered
    std::deque<std::pair<uint64_t, uint64_t>> pings;  // number of a ping, last message before it
    uint64_t last_written = 0, streams = 0;
    bool is_new = false;  // its real server's connection has ended, and nothing came back by the next one
    int64_t stalled_until_us = 0, connect_us = 0;
  };
  struct Conversation {
    uint8_t door = 0;
    uint16_t pending = 0;      // under way, from a stream that is still up
    uint16_t left_behind = 0;  // under way, their stream has ended
  };

  bool up(std::size_t door) const;
  bool is_real(std::size_t door) const { return door >= played_; }
  ends::ComponentStream& stream_for(std::size_t door);
  void stanza(std::size_t door, const ends::ReadStanza&);
  void proved(Door&, uint64_t ping);
  void connect(std::size_t door);
  void end_stream(std::size_t door);
  void leave_behind(std::size_t door);
  void settle(uint64_t number);

  Ledger& ledger_;
  std::size_t played_;  // doors that are
  std::vector<Door> doors_;
  std::vector<Conversation> conversations_;
  std::deque<uint64_t> waiting_;  // in the order in which they were sent; settled ones leave from the front
  std::minstd_rand random_;
  uint64_t pings_ = 0;
  int64_t pinged_us_ = 0;
  std::vector<std::function<void(const ends::ReadStanza&)>> others_;
};

}  // namespace stox::chaos
