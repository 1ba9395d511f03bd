// A text in numbered parts, each short enough for one SIP request: "(1/3) ...".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace stox::mapping {

// Of at most `room` bytes each, with the number. Never inside a grapheme (UAX #29), rather behind a space or
// a line; one part, without a number, where the text fits. Empty: it cannot be done, as a grapheme is longer
// than that, or more than 999 parts were needed. The text must be UTF-8.
std::vector<std::string> split_text(std::string_view text, std::size_t room);

}  // namespace stox::mapping
