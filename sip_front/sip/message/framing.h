// Cuts a byte stream (TCP, TLS) into messages: 18.3, keep-alive of RFC 5626 3.5.1. One per connection; it
// keeps only how far it has looked, so that a stream that drips in byte by byte costs no more than one that
// comes whole.
#pragma once

#include <span>

#include "sip_front/sip/message/message.h"
#include "sip_front/sip/message/parser.h"

namespace stox::sip {

class Framing {
 public:
  enum class Kind {
    kMore,     // nothing whole yet; consumed bytes are done with all the same
    kPing,     // CRLF CRLF between messages: to be answered by one CRLF
    kMessage,  // `message` holds it, or what could be read of it if `parsed` is a fault
    kBroken,   // as kMessage with a fault, but where the next message begins cannot be known: close
  };
  struct Cut {
    Kind kind = Kind::kMore;
    std::size_t consumed = 0;  // bytes at the start of the buffer that are done with once `message` is
    Parsed parsed;
  };

  // `max_message`: a message of this many bytes or more is kBroken, 513.
  explicit Framing(std::size_t max_message) : max_message_(max_message) {}

  // `buffer`: all bytes received and not consumed, from where the last cut ended.
  Cut next(std::span<char> buffer, Message& message);
  // Whether a message has begun and not ended.
  bool inside() const { return inside_; }

 private:
  Cut head(std::span<char> buffer, Message& message);

  std::size_t max_message_;
  std::size_t scanned_ = 0;  // no empty line begins before this
  std::size_t needed_ = 0;   // size of the message whose head is here; 0 = not known
  bool inside_ = false;
};

}  // namespace stox::sip
