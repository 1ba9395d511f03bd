// Date and time as XMPP (XEP-0082) and CPIM write it: RFC 3339.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace stox {

// To the second. Nothing when it is none, or before 1970.
std::optional<int64_t> parse_timestamp(std::string_view);
std::string format_timestamp(int64_t unix_s);

}  // namespace stox
