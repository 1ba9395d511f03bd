// Base64 (RFC 4648 4) as SASL carries it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace stox::xmpp {

std::string to_base64(std::string_view bytes);
// Padded, without white space.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace stox::xmpp
