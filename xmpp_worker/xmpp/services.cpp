#include "xmpp_worker/xmpp/services.h"

#include "xmpp_worker/xmpp/names.h"

namespace stox::xmpp {
namespace {

// Of the domain and of its users alike. Only what is there.
constexpr std::string_view kFeatures[] = {ns::kDiscoInfo,    ns::kDiscoItems, ns::kVersion, ns::kPing,
                                          "jid\\20escaping", ns::kReceipts,   ns::kMarkers, ns::kChatStates};

bool is_domain(std::string_view jid) { return jid.find('@') == std::string_view::npos; }

bool write_info(const Stanza& request, const ServiceInfo& info, XmlWriter& xml) {
  open_result(xml, request).open("query", ns::kDiscoInfo).open("identity");
  if (is_domain(request.to)) {
    xml.attribute("category", "gateway").attribute("type", "simple").attribute("name", info.name);
  } else {
    xml.attribute("category", "client").attribute("type", "phone");
  }
  xml.close();
  for (const std::string_view feature : kFeatures) xml.open("feature").attribute("var", feature).close();
  xml.close().close();
  return true;
}

bool write_failure(const Stanza& request, const char* condition, XmlWriter& xml) {
  write_error(xml, request, {"cancel", condition, "", std::string(domain_of(request.to))});
  return true;
}

bool answer_get(const Stanza& request, const ServiceInfo& info, XmlWriter& xml) {
  const Element query = request.element.first_child();
  if (query.is("ping", ns::kPing)) {
    open_result(xml, request).close();
  } else if (query.is("query", ns::kVersion)) {
    open_result(xml, request).open("query", ns::kVersion);
    xml.leaf("name", "stox").leaf("version", info.version).close().close();
  } else if (query.is("query", ns::kDiscoInfo) || query.is("query", ns::kDiscoItems)) {
    if (!query.attribute("node").empty()) return write_failure(request, "item-not-found", xml);
    if (query.ns() == ns::kDiscoInfo) return write_info(request, info, xml);
    open_result(xml, request).open("query", ns::kDiscoItems).close().close();
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
bool answer_presence(const Stanza& presence, XmlWriter& xml) {
  if (presence.type == "subscribe") {
    write_presence(presence, "subscribed", xml);
    return is_domain(presence.to) ? write_presence(presence, {}, xml) : true;
  }
  if (presence.type == "unsubscribe") return write_presence(presence, "unsubscribed", xml);
  if (presence.type == "probe")
    return write_presence(presence, is_domain(presence.to) ? "" : "unavailable", xml);
  return false;
}

}  // namespace

bool answer(const Stanza& stanza, const ServiceInfo& info, XmlWriter& xml) {
  if (stanza.from.empty() || stanza.to.empty()) return false;
  if (stanza.kind == Stanza::Kind::kPresence) return answer_presence(stanza, xml);
  if (stanza.kind != Stanza::Kind::kIq) return false;
  if (stanza.type == "get") return answer_get(stanza, info, xml);
  if (stanza.type == "set") return write_failure(stanza, "service-unavailable", xml);
  return false;
}

}  // namespace stox::xmpp
