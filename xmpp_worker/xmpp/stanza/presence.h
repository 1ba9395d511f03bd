// Presence (RFC 6121 4.7) as values: what a stanza says of its sender's state, read from an element, written
// to XML. All text is slices, as in stanza.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "xmpp_worker/xmpp/stanza/stanza.h"

namespace stox::xmpp {

struct PresenceContent {
  std::string_view show;           // away, chat, dnd or xa; empty = none of them
  std::vector<LangText> statuses;  // none of them empty
  int priority = 0;                // -128 to 127
  int64_t since_s = 0;             // XEP-0203, Unix time; 0 = now
  std::string_view caps_version;   // XEP-0115, of our own features; written only; empty = none
};

constexpr std::size_t kMaxStatuses = 16;  // the others are not read

PresenceContent read_presence(const Element& presence);
// Of the stanza from, to and type count.
void write_presence(XmlWriter&, const Stanza&, const PresenceContent&);

}  // namespace stox::xmpp
