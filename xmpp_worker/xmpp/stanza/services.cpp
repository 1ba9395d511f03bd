#include "xmpp_worker/xmpp/stanza/services.h"

#include <iterator>
#include <string>
#include <vector>

#include "xmpp_worker/xmpp/stanza/capabilities.h"
#include "xmpp_worker/xmpp/stanza/rooms.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::xmpp {
namespace {

constexpr std::string_view kNoGroupChats = "This is a SIP user, for whom there are no group chats";
constexpr std::string_view kNoRoom = "This is a SIP user, not a room";
constexpr std::string_view kNoCalls = "This is a SIP user, who can be written to but not called from here";

// Of the domain and of its users alike. Only what is there.
constexpr std::string_view kFeatures[] = {ns::kDiscoInfo,    ns::kDiscoItems, ns::kVersion, ns::kPing,
                                          "jid\\20escaping", ns::kReceipts,   ns::kMarkers, ns::kChatStates};

constexpr const char* kUserCategory = "client";
constexpr const char* kUserType = "phone";

bool is_domain(std::string_view jid) { return jid.find('@') == std::string_view::npos; }

std::vector<std::string_view> features_of(bool of_domain, const ServiceInfo& info) {
  std::vector<std::string_view> out(std::begin(kFeatures), std::end(kFeatures));
  if (of_domain) out.push_back(ns::kLast);
  if (of_domain && info.contact) out.push_back(ns::kGateway);
  if (!of_domain && info.name_of) out.insert(out.end(), {ns::kVcardTemp, ns::kVcard4});
  return out;
}

bool write_info(const Stanza& request, std::string_view node, const ServiceInfo& info, XmlWriter& xml) {
  open_result(xml, request).open("query", ns::kDiscoInfo).attribute_unless_empty("node", node);
  xml.open("identity");
  if (is_domain(request.to)) {
    xml.attribute("category", "gateway").attribute("type", "simple").attribute("name", info.name);
  } else {
    xml.attribute("category", kUserCategory).attribute("type", kUserType);
  }
  xml.close();
  for (const std::string_view feature : features_of(is_domain(request.to), info))
    xml.open("feature").attribute("var", feature).close();
  xml.close().close();
  return true;
}

// XEP-0115: a user with these features, as our presence names it.
bool is_user_version(const Stanza& request, std::string_view node, const ServiceInfo& info) {
  return !is_domain(request.to) && node == std::string(kCapsNode) + "#" + user_caps_version(info);
}

bool write_failure(const Stanza& request, const char* condition, XmlWriter& xml, std::string_view text = {}) {
  StanzaError error{"cancel", condition, std::string(text)};
  error.by = domain_of(request.to);
  write_error(xml, request, error);
  return true;
}

bool is_about_contacts(const Stanza& request, const ServiceInfo& info) {
  return info.contact && is_domain(request.to) && request.element.first_child().is("query", ns::kGateway);
}

bool answer_set(const Stanza& request, const ServiceInfo& info, XmlWriter& xml) {
  if (request.element.first_child().is("jingle", ns::kJingle))
    return write_failure(request, "service-unavailable", xml, kNoCalls);
  if (!is_about_contacts(request, info)) return write_failure(request, "service-unavailable", xml);
  const auto jid = info.contact(request.element.first_child().child("prompt", ns::kGateway).text());
  if (!jid) return write_failure(request, "jid-malformed", xml, jid.error().text);
  open_result(xml, request).open("query", ns::kGateway);
  // The first is of XEP-0100 since 1.0, the second what older clients look for.
  xml.leaf("jid", *jid).leaf("prompt", *jid).close().close();
  return true;
}

// XEP-0054, XEP-0292, and the nickname of XEP-0172 where clients look for it. False: it asks for something
// else.
bool answer_with_name(const Stanza& request, const ServiceInfo& info, XmlWriter& xml) {
  if (!info.name_of || is_domain(request.to)) return false;
  const Element query = request.element.first_child();
  const Element items = query.child("items", query.ns());
  const bool asks_nick = query.is("pubsub", ns::kPubsub) && items.attribute("node") == ns::kNick;
  const bool asks_card = query.is("vCard", ns::kVcardTemp), asks_card4 = query.is("vcard", ns::kVcard4);
  if (!asks_nick && !asks_card && !asks_card4) return false;
  const std::string name = info.name_of(request.from, request.to);
  open_result(xml, request);
  if (asks_nick) {
    xml.open("pubsub", ns::kPubsub).open("items").attribute("node", ns::kNick);
    xml.open("item").attribute("id", "current").open("nick", ns::kNick).text(name).close().close().close();
  } else if (asks_card) {
    xml.open("vCard", ns::kVcardTemp).leaf("FN", name).leaf("NICKNAME", name);
  } else {
    xml.open("vcard", ns::kVcard4).open("fn").leaf("text", name).close();
    xml.open("nickname").leaf("text", name).close();
  }
  xml.close().close();
  return true;
}

bool answer_get(const Stanza& request, const ServiceInfo& info, XmlWriter& xml) {
  const Element query = request.element.first_child();
  if (answer_with_name(request, info, xml)) return true;
  if (query.is("ping", ns::kPing)) {
    open_result(xml, request).close();
  } else if (query.is("query", ns::kVersion)) {
    open_result(xml, request).open("query", ns::kVersion);
    xml.leaf("name", "stox").leaf("version", info.version).close().close();
  } else if (query.is("query", ns::kDiscoInfo) || query.is("query", ns::kDiscoItems)) {
    const std::string_view node = query.attribute("node");
    const bool is_known =
        node.empty() || (query.ns() == ns::kDiscoInfo && is_user_version(request, node, info));
    if (!is_known) return write_failure(request, "item-not-found", xml);
    if (query.ns() == ns::kDiscoInfo) return write_info(request, node, info, xml);
    open_result(xml, request).open("query", ns::kDiscoItems).close().close();
  } else if (query.is("query", ns::kLast) && is_domain(request.to)) {
    open_result(xml, request).open("query", ns::kLast);
    xml.attribute("seconds", std::to_string(to_ms(info.uptime) / 1000)).close().close();
  } else if (is_about_contacts(request, info)) {
    open_result(xml, request).open("query", ns::kGateway);
    xml.leaf("desc", "Enter the SIP address of the person you would like to write to.");
    xml.leaf("prompt", "SIP address").close().close();
  } else {
    return write_failure(request, "service-unavailable", xml);
  }
  return true;
}

bool write_presence(const Stanza& to, std::string_view type, XmlWriter& xml) {
  xml.open("presence").attribute("from", bare_of(to.to)).attribute("to", bare_of(to.from));
  xml.attribute_unless_empty("type", type).close();
  return true;
}

// Subscriptions are granted and ended as asked (RFC 6121 3.1, 3.3); the domain itself is always there.
bool answer_presence(const Stanza& presence, const ServiceInfo& info, XmlWriter& xml) {
  using Unsupported = ServiceInfo::Unsupported;
  if (asks_to_join(presence)) return write_failure(presence, "not-acceptable", xml, kNoRoom);
  const bool domain = is_domain(presence.to);
  const bool is_there = domain || info.unsupported == Unsupported::kOnline;
  if (presence.type == "subscribe") {
    if (!domain && info.unsupported == Unsupported::kStrict)
      return write_presence(presence, "unsubscribed", xml);
    write_presence(presence, "subscribed", xml);
    return is_there ? write_presence(presence, {}, xml) : true;
  }
  if (presence.type == "unsubscribe") return write_presence(presence, "unsubscribed", xml);
  if (presence.type == "probe") return write_presence(presence, is_there ? "" : "unavailable", xml);
  return false;
}

}  // namespace

bool answer(const Stanza& stanza, const ServiceInfo& info, XmlWriter& xml) {
  if (stanza.from.empty() || stanza.to.empty()) return false;
  if (stanza.kind == Stanza::Kind::kPresence) return answer_presence(stanza, info, xml);
  if (stanza.kind != Stanza::Kind::kIq) return false;
  if (stanza.type == "get") return answer_get(stanza, info, xml);
  if (stanza.type == "set") return answer_set(stanza, info, xml);
  return false;
}

bool asks_to_join(const Stanza& stanza) {
  return stanza.kind == Stanza::Kind::kPresence && stanza.type.empty() && stanza.element.child("x", ns::kMuc);
}

std::string user_caps_version(const ServiceInfo& info) {
  return caps_version(kUserCategory, kUserType, features_of(false, info));
}

bool is_about_features(const Stanza& stanza) {
  if (is_domain(stanza.to)) return false;
  if (stanza.kind == Stanza::Kind::kIq)
    return stanza.type == "get" && stanza.element.first_child().is("query", ns::kDiscoInfo);
  return stanza.kind == Stanza::Kind::kPresence && stanza.type.empty() &&
         stanza.element.child("c", ns::kCaps);
}

std::string_view name_in_vcard(const Stanza& result) {
  const Element card = result.element.child("vCard", ns::kVcardTemp);
  const std::string_view nickname = card.child("NICKNAME", ns::kVcardTemp).text();
  return nickname.empty() ? card.child("FN", ns::kVcardTemp).text() : nickname;
}

void write_vcard_request(XmlWriter& xml, std::string_view from, std::string_view to, std::string_view id) {
  xml.open("iq").attribute("from", from).attribute("to", to).attribute("id", id).attribute("type", "get");
  xml.open("vCard", ns::kVcardTemp).close().close();
}

bool decline_invitation(const Stanza& message, XmlWriter& xml) {
  const auto invitation = read_room_invitation(message);
  if (!invitation) return false;
  if (!invitation->is_mediated) {
    write_error(xml, message, {"cancel", "not-acceptable", std::string(kNoGroupChats), ""});
    return true;
  }
  xml.open("message").attribute("from", message.to).attribute("to", invitation->room);
  xml.open("x", ns::kMucUser).open("decline").attribute_unless_empty("to", invitation->from);
  xml.leaf("reason", kNoGroupChats).close().close().close();
  return true;
}

bool decline_call(const Stanza& message, XmlWriter& xml) {
  const Element proposal = message.element.child("propose", ns::kJingleMessage);
  const Element invitation = message.element.child("invite", ns::kCallInvites);
  if (message.is_error() || message.from.empty() || (!proposal && !invitation)) return false;
  xml.open("message").attribute("from", message.to).attribute("to", message.from).attribute("type", "chat");
  if (proposal) {
    xml.open("reject", ns::kJingleMessage).attribute("id", proposal.attribute("id"));
    xml.open("reason", ns::kJingle)
        .open("unsupported-applications")
        .close()
        .leaf("text", kNoCalls)
        .close()
        .close();
  } else {
    xml.open("reject", ns::kCallInvites).attribute("id", message.id).close();
  }
  xml.open("store", ns::kHints).close().close();
  return true;
}

}  // namespace stox::xmpp
