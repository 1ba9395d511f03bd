// Rooms (XEP-0045) as values: what a room says to an occupant, read from elements, and what an occupant says
// to a room, written to XML. All text is slices, as in stanza.h, and as long as the peer made it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "xmpp_worker/xmpp/stanza/stanza.h"

namespace stox::xmpp {

// Of SIP users in rooms: one for all their phones, so that any worker brings back the same occupant.
constexpr std::string_view kOccupantResource = "sip";

// What the presence of an occupant, room/nick, says. Texts are empty if there is none.
struct RoomPresence {
  static constexpr std::size_t kMaxCodes = 16;  // the others are not read

  bool is_available = false;     // of no type
  bool is_own = false;           // status 110: of who gets it
  bool is_destroyed = false;     // 10.9: the room is
  std::vector<int> codes;        // status codes, 100 to 999
  std::string_view new_nick;     // with status 303
  std::string_view reason;       // of a kick, a ban, a destruction
  std::string_view actor_nick;   // who did it
  std::string_view other_room;   // JID as written: to go to in place of the one that is destroyed
  std::string_view affiliation;  // owner, admin, member, none, outcast; as written
  std::string_view role;         // moderator, participant, visitor, none; as written

  bool has_code(int code) const { return std::find(codes.begin(), codes.end(), code) != codes.end(); }
};

RoomPresence read_room_presence(const Element& presence);

struct RoomInvitation {
  std::string_view room, from;  // JIDs as written; none checked
  std::string_view reason, password;
  bool is_mediated = false;  // the room sends it; else who invites
};

// Mediated (7.8.2) or direct (XEP-0249). Nothing: the message is no invitation.
std::optional<RoomInvitation> read_room_invitation(const Stanza& message);

// What a message of a room has beside its content.
struct RoomMessage {
  std::string_view stanza_id;  // XEP-0359, given by the room; empty = none
  int64_t delay_s = 0;         // XEP-0203 by the room, Unix time: of history; 0 = said just now
  bool is_subject = false;     // it sets the subject (8.1), maybe to nothing
  std::string_view subject, body;
};

RoomMessage read_room_message(const Stanza&);
// The same for one message whenever it comes, in all processes; for two with overwhelming likelihood another.
uint64_t mark_of(const Stanza&, const RoomMessage&);

// `occupant` is room/nick; as the other addresses it is a prepared JID.

// 7.2. Of what was said since then (Unix time) the room sends history; nothing: none of it.
void write_join(XmlWriter&, std::string_view from, std::string_view occupant, std::string_view id,
                std::string_view password, std::optional<int64_t> history_since_s);
// 7.6, to the occupant with the new nick.
void write_nick_change(XmlWriter&, std::string_view from, std::string_view occupant, std::string_view id);
// 7.14. Status: why; empty = not said.
void write_leave(XmlWriter&, std::string_view from, std::string_view occupant, std::string_view status);
// 8.1. An empty subject takes away the one there is.
void write_room_subject(XmlWriter&, std::string_view from, std::string_view room, std::string_view id,
                        std::string_view subject);
// 7.8.2
void write_room_invite(XmlWriter&, std::string_view from, std::string_view room, std::string_view id,
                       std::string_view invitee, std::string_view reason);
// 10.1.2: a room that has just been made, with status 201, opens as its server would have it.
void write_room_defaults(XmlWriter&, std::string_view from, std::string_view room, std::string_view id);

// 6.5: who is in the room.
void write_members_question(XmlWriter&, std::string_view from, std::string_view room, std::string_view id);
constexpr std::size_t kMaxMembers = 200;  // the others are not read
// Nicks, of the answer.
std::vector<std::string_view> read_members(const Element& iq);

// 6.2: whether a domain has rooms.
void write_room_question(XmlWriter&, std::string_view from, std::string_view domain, std::string_view id);
bool is_room_service(const Element& iq);

}  // namespace stox::xmpp
