// Who may see whom, and in which state a user is, in the words of the other side (RFC 8048): addresses
// change, kinds and states stay. A device is the resource of a JID and the `gr` of an addr-spec.
#pragma once

#include <optional>

#include "mapper/mapping/address/addresses.h"
#include "proto/control.pb.h"
#include "proto/presence.pb.h"

namespace stox::mapping {

// `out` is the other side's. An outcome, in the words of the side that `in` came from: it ends here, for an
// address has no counterpart. Text that could stand in no document of either side is left out, and long text
// is cut.
std::optional<pb::Outcome> presence_to_xmpp(const pb::Presence& in, pb::Presence& out, const Addresses&);
std::optional<pb::Outcome> presence_to_sip(const pb::Presence& in, pb::Presence& out, const Addresses&);

}  // namespace stox::mapping
