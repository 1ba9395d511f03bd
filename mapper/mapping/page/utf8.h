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
// Bytes in a charset (its name in lower case, as IANA or iconv know it), as UTF-8. Phones write wrong labels,
// so UTF-8 is taken for what it is where the label is us-ascii, not known, or does not fit; a pair of
// surrogates that are encoded one by one (CESU-8) is joined. Without a label, what is not UTF-8 is
// windows-1252. ISO-8859-1 is read as windows-1252, which differs only where it has control characters. Half
// a surrogate pair is U+FFFD.
tl::expected<std::string, CharsetError> to_utf8(std::string_view bytes, std::string_view charset);

// The text of a header: encoded words (RFC 2047) decoded, other bytes as without a label; one line of at most
// `max` bytes, as XML may hold it. Takes at most a few kB of `raw` in.
std::string header_text(std::string_view raw, std::size_t max);

}  // namespace stox::mapping
