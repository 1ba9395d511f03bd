#include "mapper/mapping/page/utf8.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "common/base/text.h"
#include "mapper/mapping/page/mime.h"

namespace stox::mapping {
namespace {

using Utf8 = tl::expected<std::string, CharsetError>;

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// RFC 2781. An even number of bytes.
std::string from_utf16(std::string_view bytes, bool little) {
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

// CESU-8, as Java writes it: each half of a surrogate pair as a sequence of its own.
std::string join_surrogates(std::string_view bytes) {
  const auto half = [&](std::size_t at, unsigned char low, unsigned char high) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    if (at + 3 > bytes.size() || byte(at) != 0xed || byte(at + 1) < low || byte(at + 1) > high) return 0u;
    return 0xd000u | (byte(at + 1) & 0x3fu) << 6 | (byte(at + 2) & 0x3fu);
  };
  std::string out;
  for (std::size_t i = 0; i < bytes.size();) {
    const uint32_t high = half(i, 0xa0, 0xaf);
    const uint32_t low = high != 0 ? half(i + 3, 0xb0, 0xbf) : 0;
    if (low != 0) {
      append_utf8(out, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
      i += 6;
    } else if (high != 0 || half(i, 0xb0, 0xbf) != 0) {
      append_utf8(out, 0xfffd);
      i += 3;
    } else {
      out += bytes[i++];
    }
  }
  return out;
}

// What is UTF-8 whatever its label says, without a byte order mark.
std::optional<std::string> as_utf8(std::string_view bytes) {
  std::string joined;
  if (!is_utf8(bytes)) {
    joined = join_surrogates(bytes);
    if (!is_utf8(joined)) return std::nullopt;
    bytes = joined;
  }
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  return std::string(bytes);
}

std::string from_windows_1252(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) append_utf8(out, windows_1252(static_cast<unsigned char>(c)));
  return out;
}

// What iconv calls it. Mail and chat mean the larger set where a name stands for a smaller one.
std::string iconv_name(std::string_view charset) {
  static constexpr std::pair<std::string_view, const char*> kMeant[] = {{"gb2312", "GB18030"},
                                                                        {"gbk", "GB18030"},
                                                                        {"x-gbk", "GB18030"},
                                                                        {"euc-kr", "UHC"},
                                                                        {"ks_c_5601-1987", "UHC"},
                                                                        {"shift_jis", "CP932"},
                                                                        {"sjis", "CP932"},
                                                                        {"x-sjis", "CP932"},
                                                                        {"iso-8859-8-i", "ISO-8859-8"},
                                                                        {"iso-8859-8-e", "ISO-8859-8"},
                                                                        {"utf-32", "UTF-32BE"}};
  for (const auto& [name, meant] : kMeant) {
    if (charset == name) return meant;
  }
  if (charset.starts_with("x-")) charset.remove_prefix(2);
  return std::string(charset);
}

Utf8 from_iconv(std::string_view bytes, std::string_view charset) {
  static constexpr CharClass kNameChars("-_.:+()");  // no slash: iconv takes what follows for options
  if (charset.size() > 64 || !kNameChars.has_all(charset) ||
      is_one_of(charset, {"char", "wchar_t", "internal"}))
    return tl::make_unexpected(CharsetError::kUnknown);
  const iconv_t converter = iconv_open("UTF-8", iconv_name(charset).c_str());
  if (converter == reinterpret_cast<iconv_t>(-1)) return tl::make_unexpected(CharsetError::kUnknown);
  std::string out;
  std::array<char, 4096> some{};
  char* in = const_cast<char*>(bytes.data());
  std::size_t left = bytes.size();
  bool failed = false;
  for (bool ended = false; !ended && !failed;) {
    char* to = some.data();
    std::size_t room = some.size();
    ended = left == 0;  // then a last call gives what it has kept
    const std::size_t before = left;
    const std::size_t result = iconv(converter, ended ? nullptr : &in, ended ? nullptr : &left, &to, &room);
    out.append(some.data(), some.size() - room);
    const bool full = result == static_cast<std::size_t>(-1) && errno == E2BIG;
    failed = result == static_cast<std::size_t>(-1) && (!full || (left == before && room == some.size()));
  }
  iconv_close(converter);
  if (failed || !is_utf8(out)) return tl::make_unexpected(CharsetError::kUndecodable);
  return out;
}

Utf8 from_label(std::string_view bytes, std::string_view charset) {
  if (is_one_of(charset, {"iso-8859-1", "iso_8859-1", "latin1", "l1", "windows-1252", "cp1252"}))
    return from_windows_1252(bytes);
  if (is_one_of(charset, {"utf-16", "utf-16be", "utf-16le", "ucs-2", "iso-10646-ucs-2"})) {
    bool little = charset == "utf-16le";
    if (bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff")) {
      little = bytes[0] == '\xff';
      bytes.remove_prefix(2);
    }
    if (bytes.size() % 2 != 0) return tl::make_unexpected(CharsetError::kUndecodable);
    return from_utf16(bytes, little);
  }
  return from_iconv(bytes, charset);
}

// =?CHARSET?B or Q?TEXT?= at the beginning of a header's text; takes it away.
struct EncodedWord {
  std::string charset;
  std::string bytes;
};
std::optional<EncodedWord> take_encoded_word(std::string_view& text) {
  if (!text.starts_with("=?")) return std::nullopt;
  const auto coding = text.find('?', 2);
  if (coding == std::string_view::npos || coding + 3 > text.size() || text[coding + 2] != '?')
    return std::nullopt;
  const auto end = text.find("?=", coding + 3);
  if (end == std::string_view::npos) return std::nullopt;
  std::string word(text.substr(coding + 3, end - coding - 3));
  const bool quoted = text[coding + 1] == 'Q' || text[coding + 1] == 'q';
  if (!quoted && text[coding + 1] != 'B' && text[coding + 1] != 'b') return std::nullopt;
  if (quoted) std::replace(word.begin(), word.end(), '_', ' ');
  auto bytes = decode_transfer(quoted ? "quoted-printable" : "base64", word);
  if (!bytes) return std::nullopt;
  const std::string_view charset = text.substr(2, coding - 2);
  text.remove_prefix(end + 2);
  return EncodedWord{ascii_lower(charset.substr(0, charset.find('*'))), std::move(*bytes)};  // RFC 2231 5
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

Utf8 to_utf8(std::string_view bytes, std::string_view charset) {
  if (charset.empty()) {
    auto utf8 = as_utf8(bytes);
    return utf8 ? std::move(*utf8) : from_windows_1252(bytes);
  }
  const bool is_plain = is_one_of(charset, {"utf-8", "utf8", "us-ascii", "ascii", "ansi_x3.4-1968"});
  Utf8 text = is_plain ? tl::make_unexpected(CharsetError::kUndecodable) : from_label(bytes, charset);
  if (text) return text;
  if (auto utf8 = as_utf8(bytes)) return std::move(*utf8);
  return text;
}

std::string header_text(std::string_view raw, std::size_t max) {
  std::size_t taken = std::min<std::size_t>(raw.size(), 4096);
  while (taken > 0 && taken < raw.size() && (static_cast<unsigned char>(raw[taken]) & 0xc0) == 0x80) --taken;
  raw = raw.substr(0, taken);
  std::string out;
  const auto add = [&out](std::string_view bytes, std::string_view charset) {
    const auto text = to_utf8(bytes, charset);
    out += text ? *text : from_windows_1252(bytes);
  };
  EncodedWord word;  // of which more may follow: a character may begin in one and end in the next
  while (!raw.empty()) {
    std::string_view rest = raw;
    if (!word.charset.empty()) rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n"), rest.size()));
    if (auto next = take_encoded_word(rest)) {
      if (next->charset == word.charset) {
        word.bytes += next->bytes;
      } else {
        add(word.bytes, word.charset);
        word = std::move(*next);
      }
      raw = rest;
      continue;
    }
    add(word.bytes, word.charset);
    word = {};
    const auto end = std::min(raw.find("=?", 1), raw.size());
    add(raw.substr(0, end), {});
    raw.remove_prefix(end);
  }
  add(word.bytes, word.charset);
  return std::string(trim(one_line(xml_legal(out), max)));
}

}  // namespace stox::mapping
