// Entity capabilities (XEP-0115): the features of an entity as one short word, by which clients know them
// again.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace stox::xmpp {

// Names the program, not the site, so that a client asks once for all SIP users behind all gateways.
constexpr std::string_view kCapsNode = "https://stox.invalid";

// The version (5.1) of an entity with one identity, without name and language, and these features. They are
// ours: none of them has a '<', and none stands twice.
std::string caps_version(std::string_view category, std::string_view type,
                         std::vector<std::string_view> features);

}  // namespace stox::xmpp
