// What the body of a MESSAGE says to a person: the text of text/plain and text/html, of what a CPIM or
// multipart body holds (RFC 3862, RFC 5621), in UTF-8 that XML can carry.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/result.h"
#include "proto/message.pb.h"

namespace stox::mapping {

struct SipText {
  std::string text;        // empty: there was none
  std::string subject;     // of a CPIM; empty = none
  std::string language;    // of the part that was chosen; empty = none
  int64_t date_s = 0;      // DateTime of a CPIM, Unix time; 0 = none
  bool is_status = false;  // nothing for a person: typing (RFC 3994), or a notification (RFC 5438)
};

struct SipRefusal {
  int status;  // 400: it is broken; 415: it is not understood
  std::string text;
};

tl::expected<SipText, SipRefusal> text_of(const pb::SipMessage&);

}  // namespace stox::mapping
