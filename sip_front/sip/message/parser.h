// The one SIP parser (RFC 3261 sections 7 and 25). It slices the buffer it is given and allocates nothing;
// the only bytes it changes are the line breaks of folded headers, which become spaces. Everything that reads
// a header goes through here, so that nobody sees a message differently.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "common/base/result.h"
#include "sip_front/sip/message/header_value.h"
#include "sip_front/sip/message/message.h"

namespace stox::sip {

constexpr std::size_t kMaxHead = 16 * 1024;  // start line and headers
constexpr std::size_t kMaxHeaderValue = 4096;
constexpr std::size_t kMaxVias = 70;

// Why a message cannot be taken. A request is answered with this status if its top Via could be read, as all
// of its headers that could be read are in the Message; a response is dropped.
struct Fault {
  uint16_t status;
  const char* reason;
};
using Parsed = tl::expected<void, Fault>;

// A datagram: Content-Length may be absent (the body is the rest), bytes behind the body are ignored (18.3).
Parsed parse_datagram(std::span<char> text, Message&);

// Start line and headers of one message up to and with the empty line, which `text` must hold. On success
// size is the size of the head, and body is empty.
Parsed parse_head(std::span<char> text, Message&);

// Of a whole response: who sent the request, by its top Via. Without a host: that is no response.
SentBy sent_by_of(std::string_view response);

}  // namespace stox::sip
