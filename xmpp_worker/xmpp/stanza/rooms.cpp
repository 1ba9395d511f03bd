#include "xmpp_worker/xmpp/stanza/rooms.h"

#include "common/base/hash.h"
#include "common/base/text.h"
#include "common/base/timestamp.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::xmpp {

namespace {

void read_item(const Element& item, RoomPresence& out) {
  out.affiliation = item.attribute("affiliation");
  out.role = item.attribute("role");
  out.new_nick = item.attribute("nick");
  out.reason = trim(item.child("reason", ns::kMucUser).text());
  out.actor_nick = item.child("actor", ns::kMucUser).attribute("nick");
}

void read_status(const Element& status, RoomPresence& out) {
  const auto code = parse_number(status.attribute("code"), 100, 999);
  if (!code || out.codes.size() >= RoomPresence::kMaxCodes) return;
  out.codes.push_back(static_cast<int>(*code));
  if (*code == 110) out.is_own = true;
}

}  // namespace

RoomPresence read_room_presence(const Element& presence) {
  RoomPresence out;
  out.is_available = presence.attribute("type").empty();
  const Element x = presence.child("x", ns::kMucUser);
  read_item(x.child("item", ns::kMucUser), out);
  for (Element each = x.first_child(); each; each = each.next()) {
    if (each.is("status", ns::kMucUser)) read_status(each, out);
  }
  if (const Element destroy = x.child("destroy", ns::kMucUser)) {
    out.is_destroyed = true;
    out.other_room = destroy.attribute("jid");
    out.reason = trim(destroy.child("reason", ns::kMucUser).text());
  }
  return out;
}

std::optional<RoomInvitation> read_room_invitation(const Stanza& message) {
  if (message.is_error() || message.from.empty()) return std::nullopt;
  std::optional<RoomInvitation> direct;
  for (Element x = message.element.first_child(); x; x = x.next()) {
    if (x.is("x", ns::kConference) && !x.attribute("jid").empty())
      direct = {x.attribute("jid"), message.from, trim(x.attribute("reason")), x.attribute("password"),
                false};
    const Element invite = x.is("x", ns::kMucUser) ? x.child("invite", ns::kMucUser) : Element();
    // Servers add the direct form to a mediated one, for old clients; who invites is only here.
    if (invite) {
      return RoomInvitation{bare_of(message.from), invite.attribute("from"),
                            trim(invite.child("reason", ns::kMucUser).text()),
                            x.child("password", ns::kMucUser).text(), true};
    }
  }
  return direct;
}

RoomMessage read_room_message(const Stanza& message) {
  RoomMessage out;
  const std::string_view room = bare_of(message.from);
  // What an occupant's client says of these is no word of the room.
  for (Element each = message.element.first_child(); each; each = each.next()) {
    if (each.is("stanza-id", ns::kStanzaIds) && each.attribute("by") == room)
      out.stanza_id = each.attribute("id");
    if (each.is("delay", ns::kDelay) && bare_of(each.attribute("from")) == room)
      out.delay_s = parse_timestamp(each.attribute("stamp")).value_or(0);
  }
  const Element subject = message.element.content_child("subject");
  const Element body = message.element.content_child("body");
  out.subject = subject.text();
  out.body = body.text();
  out.is_subject = subject && !body;
  return out;
}

uint64_t mark_of(const Stanza& stanza, const RoomMessage& message) {
  if (!message.stanza_id.empty()) return hash64(message.stanza_id);
  return hash64(message.body, hash64(message.subject, hash64(stanza.id, hash64(stanza.from, 1))));
}

namespace {

XmlWriter& open_presence(XmlWriter& xml, std::string_view from, std::string_view to, std::string_view id) {
  return xml.open("presence").attribute("from", from).attribute("to", to).attribute_unless_empty("id", id);
}

XmlWriter& open_message(XmlWriter& xml, std::string_view from, std::string_view to, std::string_view id,
                        const char* type = "") {
  xml.open("message").attribute("from", from).attribute("to", to).attribute("id", id);
  return xml.attribute_unless_empty("type", type);
}

void write_question(XmlWriter& xml, std::string_view from, std::string_view to, std::string_view id,
                    std::string_view ns) {
  xml.open("iq").attribute("from", from).attribute("to", to).attribute("id", id).attribute("type", "get");
  xml.open("query", ns).close().close();
}

}  // namespace

void write_join(XmlWriter& xml, std::string_view from, std::string_view occupant, std::string_view id,
                std::string_view password, std::optional<int64_t> history_since_s) {
  open_presence(xml, from, occupant, id).open("x", ns::kMuc);
  if (!password.empty()) xml.leaf("password", password);
  xml.open("history");
  if (history_since_s) {
    xml.attribute("since", format_timestamp(*history_since_s));
  } else {
    xml.attribute("maxstanzas", "0");
  }
  xml.close().close().close();
}

void write_nick_change(XmlWriter& xml, std::string_view from, std::string_view occupant,
                       std::string_view id) {
  open_presence(xml, from, occupant, id).close();
}

void write_leave(XmlWriter& xml, std::string_view from, std::string_view occupant, std::string_view status) {
  open_presence(xml, from, occupant, {}).attribute("type", "unavailable");
  if (!status.empty()) xml.leaf("status", status);
  xml.close();
}

void write_room_subject(XmlWriter& xml, std::string_view from, std::string_view room, std::string_view id,
                        std::string_view subject) {
  open_message(xml, from, room, id, "groupchat").leaf("subject", subject).close();
}

void write_room_invite(XmlWriter& xml, std::string_view from, std::string_view room, std::string_view id,
                       std::string_view invitee, std::string_view reason) {
  open_message(xml, from, room, id).open("x", ns::kMucUser).open("invite").attribute("to", invitee);
  if (!reason.empty()) xml.leaf("reason", reason);
  xml.close().close().close();
}

void write_room_defaults(XmlWriter& xml, std::string_view from, std::string_view room, std::string_view id) {
  xml.open("iq").attribute("from", from).attribute("to", room).attribute("id", id).attribute("type", "set");
  xml.open("query", ns::kMucOwner).open("x", ns::kForms).attribute("type", "submit").close().close().close();
}

void write_members_question(XmlWriter& xml, std::string_view from, std::string_view room,
                            std::string_view id) {
  write_question(xml, from, room, id, ns::kDiscoItems);
}

std::vector<std::string_view> read_members(const Element& iq) {
  std::vector<std::string_view> out;
  const Element query = iq.child("query", ns::kDiscoItems);
  for (Element each = query.first_child(); each && out.size() < kMaxMembers; each = each.next()) {
    if (!each.is("item", ns::kDiscoItems)) continue;
    // Only the address is sure to be the nick.
    const std::string_view nick = resource_of(each.attribute("jid"));
    const std::string_view name = nick.empty() ? trim(each.attribute("name")) : nick;
    if (!name.empty()) out.push_back(name);
  }
  return out;
}

void write_room_question(XmlWriter& xml, std::string_view from, std::string_view domain,
                         std::string_view id) {
  write_question(xml, from, domain, id, ns::kDiscoInfo);
}

bool is_room_service(const Element& iq) {
  bool has_identity = false, has_feature = false;
  const Element query = iq.child("query", ns::kDiscoInfo);
  for (Element each = query.first_child(); each; each = each.next()) {
    if (each.is("identity", ns::kDiscoInfo) && each.attribute("category") == "conference" &&
        each.attribute("type") == "text")
      has_identity = true;
    if (each.is("feature", ns::kDiscoInfo) && each.attribute("var") == ns::kMuc) has_feature = true;
  }
  return has_identity && has_feature;
}

}  // namespace stox::xmpp
