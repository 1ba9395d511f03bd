// What the body of a MESSAGE says. To a person: the text of text/plain and text/html, of what a CPIM or
// multipart body holds (RFC 3862, RFC 5621), in UTF-8 that XML can carry, and files (file_body.h). Or about
// typing and old messages.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "mapper/mapping/page/file_body.h"
#include "mapper/mapping/page/status_body.h"
#include "proto/message.pb.h"

namespace stox::mapping {

struct SipText {
  enum class Kind { kNothing, kTyping, kNotification, kWords };
  Kind kind = Kind::kNothing;
  std::string text;                   // kWords; empty: there are only files
  std::vector<pb::XmppFile> files;    // kWords
  std::string subject;                // of a CPIM; empty = none
  std::string language;               // of the part that was chosen; empty = none
  int64_t date_s = 0;                 // DateTime of a CPIM, Unix time; 0 = none
  std::string reply_to;               // of a CPIM: the Message-ID of what it answers; empty = none
  pb::Wants wants;                    // of a CPIM (RFC 5438 6.3)
  Composing typing;                   // kTyping
  std::vector<pb::Receipt> receipts;  // kNotification; at least one
};

// The type counts before the length: what is not understood is refused, empty or not.
tl::expected<SipText, SipRefusal> text_of(const pb::SipMessage&);

}  // namespace stox::mapping
