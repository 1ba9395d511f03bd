// Receipts without a table: what a receipt is for stands in the id that it brings back. Two kinds of ids,
// both proved by their MAC between the two users (xmpp/stanza_id.h):
//
//   of a stanza that we write for a SIP user   holds the Message-ID and time of the SIP message (RFC 5438)
//   Message-ID for SIP of an XMPP user's       holds that stanza's id and the resource that sent it
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/message.pb.h"
#include "xmpp_worker/xmpp/stanza/stanza_id.h"

namespace stox::worker {

// What the id of a stanza written for this message is made of.
struct IdContent {
  std::string flags;
  std::string payload;
};
IdContent id_content(const pb::XmppMessage&);

// The SIP message that a stanza of ours was written for, as a receipt without a kind; nothing when nobody
// wants to hear of it.
std::optional<pb::Receipt> sip_message_of(const xmpp::StanzaId&);

// The Message-ID for SIP of a stanza with this id from one full JID to another; empty when it would be too
// long to come back.
std::string message_id(xmpp::StanzaIds&, std::string_view stanza_id, const pb::XmppMessage&, bool chat);

// The stanza that such a Message-ID was made of.
struct Asked {
  std::string id;
  std::string from;  // the full JID that sent it, and wants to hear
  bool chat = false, received = false, displayed = false;
};
// `from`, `to`: of the notification, that is the recipient of that stanza and (bare) its sender.
std::optional<Asked> asked_by(xmpp::StanzaIds&, std::string_view message_id, std::string_view from,
                              std::string_view to);

}  // namespace stox::worker
