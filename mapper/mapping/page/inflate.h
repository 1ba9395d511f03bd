// Bodies with a Content-Encoding (RFC 3261 20.12, RFC 9110 8.4.1): deflate, that is zlib's form, and gzip.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace stox::mapping {

enum class InflateError { kUnknownCoding, kDamaged, kTooLarge };

// The body as it was; of a body without a coding, or with "identity", a copy. At most `max` bytes come out,
// and no more memory than that is taken.
tl::expected<std::string, InflateError> inflate_body(std::string_view coding, std::string_view body,
                                                     std::size_t max);

}  // namespace stox::mapping
