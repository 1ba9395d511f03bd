// The XMPP end of a run: the server that the gateway's component connects to. Counts each message before it
// answers the ping behind it, and writes messages of its own. Any password will do.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <optional>

#include "tests/bench/tally.h"
#include "tests/support/ends/component_stream.h"
#include "tests/support/ends/words.h"

namespace stox::bench {

using ends::Names;

class XmppEnd {
 public:
  // Listens; throws std::runtime_error when it cannot.
  XmppEnd(Names, const sockaddr_in& here, std::size_t body_bytes);
  ~XmppEnd();
  XmppEnd(const XmppEnd&) = delete;
  XmppEnd& operator=(const XmppEnd&) = delete;

  int listener() const { return listener_; }
  int descriptor() const { return stream_ ? stream_->descriptor() : -1; }  // -1: no stream
  bool ready() const { return stream_ && stream_->ready(); }
  bool wants_to_write() const { return stream_ && stream_->wants_to_write(); }

  void accept();
  void begin(Tally* tally);
  void message(uint64_t number);  // queues a stanza
  void read();
  void flush();

 private:
  void stanza(const ends::ReadStanza&);

  Names names_;
  std::size_t body_bytes_;
  int listener_;
  std::optional<ends::ComponentStream> stream_;
  Tally* tally_ = nullptr;
  uint64_t run_ = 0;
};

}  // namespace stox::bench
