// What is said in a room (XEP-0045), as a SIP user who is in it gets it: from the room's own address, so that
// a phone shows one conversation, and with the speaker's name in front of the words.
#pragma once

#include <string>
#include <string_view>

#include "proto/message.pb.h"

namespace stox::mapping {

bool is_said_in_room(const pb::XmppMessage&);

// Of such a message: the speaker's nickname as one line, "?" if nothing of it can be shown. Empty: it is the
// room itself that speaks.
std::string speaker_of(const pb::XmppMessage&);

// The speaker as From of a message/cpim (RFC 3862 3.1); `uri` is his address on SIP.
std::string speaker_address(std::string_view speaker, std::string_view uri);

}  // namespace stox::mapping
