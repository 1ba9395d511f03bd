// The JID under which XMPP users write to a SIP user, from what a person types as SIP address: the one thing
// that a worker says of addresses (jabber:iq:gateway). Messages are mapped by mappers alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/service/config.h"

namespace stox::worker {

// Nothing when it is no SIP address, or one that XMPP users cannot write to. `serves`: our domains, prepared.
std::optional<std::string> contact_address(std::string_view typed, const service::GatewayConfig&,
                                           const std::vector<std::string>& serves);

}  // namespace stox::worker
