#include "mapper/mapping/page/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "common/base/text.h"

namespace stox::mapping {
namespace {

constexpr int kZlibForm = MAX_WBITS;
constexpr int kGzipForm = MAX_WBITS + 16;

// Only the wrapper sees zlib.
tl::expected<std::string, InflateError> inflate_form(int form, std::string_view body, std::size_t max) {
  z_stream stream{};
  if (inflateInit2(&stream, form) != Z_OK) return tl::make_unexpected(InflateError::kDamaged);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  std::string out;
  std::array<char, 8192> some{};
  int state = Z_OK;
  while (state == Z_OK && out.size() <= max) {
    stream.next_out = reinterpret_cast<Bytef*>(some.data());
    stream.avail_out = static_cast<uInt>(std::min(some.size(), max + 1 - out.size()));
    const uInt room = stream.avail_out;
    state = inflate(&stream, Z_NO_FLUSH);
    out.append(some.data(), room - stream.avail_out);
  }
  inflateEnd(&stream);
  if (out.size() > max) return tl::make_unexpected(InflateError::kTooLarge);
  if (state != Z_STREAM_END) return tl::make_unexpected(InflateError::kDamaged);
  return out;
}

}  // namespace

tl::expected<std::string, InflateError> inflate_body(std::string_view coding, std::string_view body,
                                                     std::size_t max) {
  const std::string name = ascii_lower(trim(coding));
  if (name.empty() || name == "identity" || body.empty()) return std::string(body);
  if (name == "deflate") return inflate_form(kZlibForm, body, max);
  if (name == "gzip" || name == "x-gzip") return inflate_form(kGzipForm, body, max);
  return tl::make_unexpected(InflateError::kUnknownCoding);
}

}  // namespace stox::mapping
