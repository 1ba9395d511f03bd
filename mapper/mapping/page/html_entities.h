// Named characters of HTML: &euro; and the like.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace stox::mapping {

// The character of a name without & and semicolon; nothing if HTML has no such name.
std::optional<uint32_t> named_entity(std::string_view name);

}  // namespace stox::mapping
