#include "xmpp_worker/xmpp/stanza/presence.h"

#include <algorithm>
#include <array>
#include <string>

#include "common/base/text.h"
#include "common/base/timestamp.h"
#include "xmpp_worker/xmpp/stanza/capabilities.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::xmpp {
namespace {

constexpr std::array<std::string_view, 4> kShows = {"away", "chat", "dnd", "xa"};

int read_priority(std::string_view text) {
  text = trim(text);
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  const int value = static_cast<int>(parse_number(text, 0, is_negative ? 128 : 127).value_or(0));
  return is_negative ? -value : value;
}

}  // namespace

PresenceContent read_presence(const Element& presence) {
  PresenceContent out;
  for (Element each = presence.first_child(); each; each = each.next()) {
    if (each.is("delay", ns::kDelay)) {
      out.since_s = parse_timestamp(each.attribute("stamp")).value_or(0);
    } else if (!is_content_namespace(each.ns())) {
      continue;
    } else if (each.name() == "show") {
      const auto known = std::find(kShows.begin(), kShows.end(), trim(each.text()));
      if (known != kShows.end()) out.show = *known;
    } else if (each.name() == "status") {
      if (!each.text().empty() && out.statuses.size() < kMaxStatuses)
        out.statuses.push_back({each.attribute("lang", ns::kXml), each.text()});
    } else if (each.name() == "priority") {
      out.priority = read_priority(each.text());
    }
  }
  return out;
}

void write_presence(XmlWriter& xml, const Stanza& stanza, const PresenceContent& content) {
  xml.open("presence").attribute("from", stanza.from).attribute("to", stanza.to);
  xml.attribute_unless_empty("type", stanza.type);
  if (!content.show.empty()) xml.leaf("show", content.show);
  for (const LangText& each : content.statuses)
    xml.open("status").attribute_unless_empty("xml:lang", each.lang).text(each.text).close();
  if (content.priority != 0) xml.leaf("priority", std::to_string(content.priority));
  if (content.since_s != 0)
    xml.open("delay", ns::kDelay).attribute("stamp", format_timestamp(content.since_s)).close();
  if (!content.caps_version.empty()) {
    xml.open("c", ns::kCaps).attribute("hash", "sha-1").attribute("node", kCapsNode);
    xml.attribute("ver", content.caps_version).close();
  }
  xml.close();
}

}  // namespace stox::xmpp
