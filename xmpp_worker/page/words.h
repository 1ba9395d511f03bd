// Between stanzas and what travels over the bus.
#pragma once

#include <string>

#include "proto/delivery.pb.h"
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

pb::StanzaError from_stanza_error(const xmpp::StanzaError&, bool full_jid);
xmpp::StanzaError to_stanza_error(const pb::StanzaError&);
// How a failure is told to who sent the stanza: what SIP said, or the gateway's own failure in words that
// need no knowledge of it (errors: "The gateway's own failures").
xmpp::StanzaError to_stanza_error(const pb::Outcome&);
xmpp::StanzaError to_stanza_error(pb::Reason);

// origin.epoch.number, in the place of what was there.
void write_envelope_name(const std::string& origin, uint64_t epoch, uint64_t number, std::string* out);
// For people: "delivered", "forbidden (auth): not you", "DEADLINE: no answer in time".
std::string describe(const pb::Outcome&);

}  // namespace stox::worker
