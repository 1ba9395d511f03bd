// Text of other charsets as UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace stox::mapping {

void append_utf8(std::string& out, uint32_t code_point);  // at most U+10FFFF, no surrogate

// What a byte means in windows-1252; U+FFFD where it means nothing.
uint32_t windows_1252(unsigned char byte);

enum class CharsetError { kUnknown, kUndecodable };
// Bytes in a charset (lower case), as UTF-8. UTF-8 (also for no charset), US-ASCII, ISO-8859-1 and UTF-16 are
// known; half a surrogate pair becomes U+FFFD.
tl::expected<std::string, CharsetError> to_utf8(std::string_view bytes, std::string_view charset);

}  // namespace stox::mapping
