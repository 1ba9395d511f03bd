// MIME as SIP bodies and CPIM use it: media types, header blocks, multipart bodies (RFC 2045, 2046, 2183).
// All slices are of the text that was read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"

namespace stox::mapping {

struct MediaType {
  std::string type;                                         // "text/plain", lower case
  std::vector<std::pair<std::string, std::string>> params;  // names in lower case

  std::string_view param(std::string_view lower_name) const;  // empty = none given
};
std::optional<MediaType> parse_media_type(std::string_view content_type);

// A header block and what follows it.
struct Entity {
  std::string content_type, disposition, encoding, transfer_encoding, id, language;  // empty = absent
  std::string_view body;
};
// Headers may be folded; they end at an empty line, or the text is all headers.
Result<Entity> parse_entity(std::string_view text);

// The entities of a multipart body, at most `max`. Preamble and epilogue do not count.
Result<std::vector<Entity>> split_multipart(std::string_view body, std::string_view boundary,
                                            std::size_t max);

// A body without its Content-Transfer-Encoding (RFC 2045 6); nothing when the encoding is not known, or the
// body is not in it.
std::optional<std::string> decode_transfer(std::string_view encoding, std::string_view body);

// What is to be done with a body that has this Content-Disposition (RFC 3261 20.11: what is not known must be
// understood unless it says otherwise).
enum class Disposition { kShow, kMaySkip, kUnknown };
Disposition disposition_of(std::string_view content_disposition);

}  // namespace stox::mapping
