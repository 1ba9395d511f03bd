// What a message says, from one side's form into the other's (RFC 7572 sections 4 and 5): addresses, text,
// subject, thread, language, time; what became of an earlier message (RFC 5438, XEP-0184, XEP-0333) and
// typing (RFC 3994, XEP-0085). Pure: what it is told in, what it makes out, nothing remembered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mapper/mapping/address/addresses.h"
#include "proto/delivery.pb.h"
#include "proto/message.pb.h"

namespace stox::mapping {

struct ContentSettings {
  std::string message_type = "chat";     // of stanzas to XMPP; or "normal"
  std::size_t max_text_bytes = 60'000;   // towards SIP; longer: policy-violation
  bool split = false;                    // towards SIP: numbered parts, each of one small request
  bool resource_in_from = false;         // towards SIP: of every sender, as RFC 7572 has it
  bool thread_as_call_id = false;        // towards SIP: the letter of RFC 7572
  bool names = true;                     // both ways: display names and nicknames
  std::string correction_prefix = "* ";  // SIP cannot edit: what a correction begins with (XEP-0308)
};

// Fills `out` from `in`. Nothing returned: send it. An outcome, in the sender's words: it ends here.
// `now_s` is Unix time: a message that is a minute old gets its time (XEP-0203).
std::optional<pb::Outcome> to_xmpp(const pb::SipMessage& in, pb::XmppMessage& out, const Addresses&,
                                   const ContentSettings&, int64_t now_s);
// What a stanza wants to hear of itself goes as message/cpim with plain text behind it (RFC 5438, RFC 3862).
std::optional<pb::Outcome> to_sip(const pb::XmppMessage& in, pb::SipMessage& out, const Addresses&,
                                  const ContentSettings&, int64_t now_s);

// Call-ID for a thread: itself where callid's grammar (RFC 3261 25.1) and 128 bytes allow, else a hash of it.
std::string call_id_of_thread(std::string_view thread);

}  // namespace stox::mapping
