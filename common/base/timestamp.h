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

// Whether a clock may be right that says a message is of this time (Unix time): phones that never saw a time
// server say 1970 or 2000. Neither before this software nor more than a day ahead of `now_s`.
bool is_possible_time(int64_t unix_s, int64_t now_s);

}  // namespace stox
