#include "mapper/mapping/utf8.h"

#include <algorithm>

#include "common/base/text.h"

namespace stox::mapping {
namespace {

// RFC 2781: big-endian unless a byte order mark says otherwise.
tl::expected<std::string, CharsetError> from_utf16(std::string_view bytes, bool little) {
  if (bytes.size() % 2 != 0) return tl::make_unexpected(CharsetError::kUndecodable);
  const auto unit = [&](std::size_t i) {
    const auto a = static_cast<unsigned char>(bytes[i]);
    const auto b = static_cast<unsigned char>(bytes[i + 1]);
    return static_cast<uint32_t>(little ? b << 8 | a : a << 8 | b);
  };
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    uint32_t c = unit(i);
    const bool high = c >= 0xd800 && c < 0xdc00;
    const uint32_t next = high && i + 2 < bytes.size() ? unit(i + 2) : 0;
    if (next >= 0xdc00 && next < 0xe000) {
      c = 0x10000 + ((c - 0xd800) << 10) + (next - 0xdc00);
      i += 2;
    } else if (c >= 0xd800 && c < 0xe000) {
      c = 0xfffd;
    }
    append_utf8(out, c);
  }
  return out;
}

}  // namespace

void append_utf8(std::string& out, uint32_t c) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3f)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | (c >> 6));
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | (c >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xf0 | (c >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

uint32_t windows_1252(unsigned char byte) {
  static constexpr uint16_t kHigh[] = {0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
                                       0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd,
                                       0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                       0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178};
  return byte >= 0x80 && byte < 0xa0 ? kHigh[byte - 0x80] : byte;
}

tl::expected<std::string, CharsetError> to_utf8(std::string_view bytes, std::string_view charset) {
  const auto is_one_of = [charset](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), charset) != names.end();
  };
  if (is_one_of({"", "utf-8", "utf8", "us-ascii", "ascii"})) {
    const bool ascii_only = is_one_of({"us-ascii", "ascii"});
    const bool fits = ascii_only ? std::all_of(bytes.begin(), bytes.end(),
                                               [](char c) { return static_cast<unsigned char>(c) < 0x80; })
                                 : is_utf8(bytes);
    if (!fits) return tl::make_unexpected(CharsetError::kUndecodable);
    if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);  // byte order mark
    return std::string(bytes);
  }
  if (is_one_of({"iso-8859-1", "iso_8859-1", "latin1"})) {
    std::string out;
    for (const char c : bytes) append_utf8(out, static_cast<unsigned char>(c));
    return out;
  }
  if (is_one_of({"utf-16", "utf-16be", "utf-16le"})) {
    bool little = charset == "utf-16le";
    if (bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff")) {
      little = bytes[0] == '\xff';
      bytes.remove_prefix(2);
    }
    return from_utf16(bytes, little);
  }
  return tl::make_unexpected(CharsetError::kUnknown);
}

}  // namespace stox::mapping
