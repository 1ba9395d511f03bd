// Between message stanzas and what travels over the bus.
#pragma once

#include <string_view>

#include "proto/message.pb.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"

namespace stox::worker {

// Slices of the message. The id is left empty.
void to_stanza(const pb::XmppMessage&, xmpp::Stanza*, xmpp::MessageContent*);
xmpp::File to_file(const pb::XmppFile&);  // slices
// The body without the addresses of its files, which stand at its end.
std::string_view words_beside_files(const pb::XmppMessage&);
std::string_view name_of(pb::XmppMessage::State);  // the element's; empty for none
// All but the addresses and what it wants to hear of itself.
void from_stanza(const xmpp::Stanza&, const xmpp::MessageContent&, pb::XmppMessage*);

}  // namespace stox::worker
