// Between presence stanzas and what travels over the bus.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "proto/presence.pb.h"
#include "xmpp_worker/xmpp/stanza/presence.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"

namespace stox::worker {

constexpr std::size_t kMaxStatus = 1000;  // bytes of a text; what is longer is cut

// What a presence stanza of this type says; nothing for a type that there is not (RFC 6121 4.7.1).
std::optional<pb::Presence::Kind> presence_kind(std::string_view type);
// The same the other way round. Nothing for a kind that is never written to XMPP.
std::optional<std::string_view> presence_type(const pb::Presence&);

// All but the addresses.
void from_presence(const xmpp::Stanza&, pb::Presence::Kind, pb::Presence*);
// All but the type and the version of our features; slices of the presence. What began more than a minute
// before `now_s` (Unix time) is stamped.
xmpp::PresenceContent to_presence(const pb::Presence&, int64_t now_s);

}  // namespace stox::worker
