// The XMPP end of a run: the server that the gateway's component connects to. Counts each message before it
// answers the ping behind it, and writes messages of its own. Any password will do.
#pragma once

#include <expat.h>
#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/bench/sip_end.h"
#include "tests/bench/tally.h"

namespace stox::bench {

class XmppEnd {
 public:
  // Listens; throws std::runtime_error when it cannot.
  XmppEnd(Names, const sockaddr_in& here, std::size_t body_bytes);
  ~XmppEnd();
  XmppEnd(const XmppEnd&) = delete;
  XmppEnd& operator=(const XmppEnd&) = delete;

  int listener() const { return listener_; }
  int descriptor() const { return stream_; }  // -1: no stream
  bool ready() const { return ready_; }
  bool wants_to_write() const { return !out_.empty(); }

  void accept();
  void begin(Tally* tally);
  void message(uint64_t number);  // queues a stanza
  void read();
  void flush();

 private:
  static void start_element(void* self, const char* name, const char** attributes);
  static void end_element(void* self, const char* name);
  static void text(void* self, const char* bytes, int length);
  void started(std::string_view name, const char** attributes);
  void ended(std::string_view name);
  void stanza();
  void close();

  Names names_;
  std::size_t body_bytes_;
  int listener_, stream_ = -1;
  XML_Parser parser_ = nullptr;
  Tally* tally_ = nullptr;
  uint64_t run_ = 0;
  bool ready_ = false;
  int depth_ = 0;
  std::string out_;
  struct Stanza {  // the one being read
    std::string name, from, to, id, type, body;
    bool in_body = false, ping = false;
  } current_;
};

}  // namespace stox::bench
