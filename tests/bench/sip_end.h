// The SIP end of a run: a UDP socket that sends MESSAGE requests, repeats them by RFC 3261 Timer E, takes the
// answers, and answers requests itself with 200.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/bench/tally.h"
#include "tests/support/ends/datagrams.h"
#include "tests/support/ends/repeats.h"
#include "tests/support/ends/words.h"

namespace stox::bench {

using ends::Names;

class SipEnd {
 public:
  // Binds the socket; throws std::runtime_error when it cannot. `front`: where requests go.
  SipEnd(Names, const sockaddr_in& here, const sockaddr_in& front, std::size_t body_bytes);

  int descriptor() const { return socket_.descriptor(); }
  void begin(Tally* tally);       // what comes is counted there from now on; null: nowhere
  void message(uint64_t number);  // queues a request
  void read();                    // all that has come
  void repeat();                  // queues again what has had no answer for 500 ms, then 1 s, 2 s, 4 s, ...
  void flush() { socket_.flush(); }

 private:
  void write_request(uint64_t number, std::string& out) const;
  void response(std::string_view);
  void request(std::string_view, const sockaddr_in& from);

  Names names_;
  std::string here_;  // host:port
  sockaddr_in front_;
  std::size_t body_bytes_;
  ends::Datagrams socket_;
  Tally* tally_ = nullptr;
  uint64_t run_ = 0;  // tells the branches of one run from those of another
  ends::Repeats repeats_;
};

}  // namespace stox::bench
