// SIP messages for tests: usual ones, to be varied.
#pragma once

#include <string>
#include <string_view>

#include "sip_front/sip/message/parser.h"

namespace stox::sip {

// Text with every "\n" made CRLF.
inline std::string crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

inline std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const auto at = text.find(what);
  if (at != std::string::npos) text.replace(at, what.size(), with);
  return text;
}

inline const std::string kHello = crlf(
    "MESSAGE sip:ann*x.test@gw.test SIP/2.0\n"
    "Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK776sgdkse;rport\n"
    "Max-Forwards: 70\n"
    "From: \"Bob \\\"the\\\" B\" <sip:bob@sip.test>;tag=49583\n"
    "To: <sip:ann*x.test@gw.test>\n"
    "Call-ID: asd88asd77a@192.0.2.7\n"
    "CSeq: 1 MESSAGE\n"
    "Content-Type: text/plain\n"
    "Content-Length: 5\n"
    "\n"
    "hello");

// A parsed copy of a datagram, with the bytes it points into.
struct Datagram {
  explicit Datagram(std::string text) : bytes(std::move(text)), parsed(parse_datagram(bytes, message)) {}
  Datagram(const Datagram&) = delete;
  Datagram& operator=(const Datagram&) = delete;

  std::string bytes;
  Message message;
  Parsed parsed;
};

}  // namespace stox::sip
