// The JID under which XMPP users write to a SIP user, from what a person types as SIP address: the one thing
// that a worker says of addresses (jabber:iq:gateway). Messages are mapped by mappers alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/service/config.h"

namespace stox::worker {

// A number without a domain is of tel_domain, or of the one SIP domain that there is. An Error, in words for
// the person who typed it, when it is no SIP address, or one that XMPP users cannot write to. `serves`: our
// domains, prepared.
Result<std::string> contact_address(std::string_view typed, const service::GatewayConfig&,
                                    const std::vector<std::string>& serves);

}  // namespace stox::worker
