#include "common/base/text.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace stox {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// How many of its first bytes are ASCII from the space on, as most text is; in steps of eight.
std::size_t plain_bytes(std::string_view text) {
  std::size_t at = 0;
  for (uint64_t eight = 0; text.size() - at >= sizeof eight; at += sizeof eight) {
    std::memcpy(&eight, text.data() + at, sizeof eight);
    if (((eight | (eight - 0x2020202020202020u)) & 0x8080808080808080u) != 0) break;
  }
  return at;
}

// Length of the UTF-8 sequence at the start of `s`, 0 if there is no valid one.
std::size_t sequence_length(std::string_view s) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char b = byte(0);
  if (b < 0x80) return 1;
  const std::size_t n = b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : 2;
  if (b < 0xc2 || b > 0xf4 || s.size() < n) return 0;
  for (std::size_t i = 1; i < n; ++i) {
    if (!is_continuation(s[i])) return 0;
  }
  const unsigned char second = byte(1);
  if ((b == 0xe0 && second < 0xa0) || (b == 0xed && second > 0x9f)) return 0;
  if ((b == 0xf0 && second < 0x90) || (b == 0xf4 && second > 0x8f)) return 0;
  return n;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    if (uint64_t eight = 0; bytes.size() >= sizeof eight) {  // most text is ASCII
      std::memcpy(&eight, bytes.data(), sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        bytes.remove_prefix(sizeof eight);
        continue;
      }
    }
    const std::size_t n = sequence_length(bytes);
    if (n == 0) return false;
    bytes.remove_prefix(n);
  }
  return true;
}

std::string ascii_lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

bool ascii_iequal(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string percent_encode(std::string_view bytes, bool (*keep)(unsigned char)) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    const auto b = static_cast<unsigned char>(c);
    if (keep(b)) {
      out += c;
    } else {
      out += {'%', kHex[b >> 4], kHex[b & 15]};
    }
  }
  return out;
}

std::optional<uint64_t> parse_number(std::string_view text, uint64_t low, uint64_t high) {
  uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || value < low || value > high)
    return std::nullopt;
  return value;
}

std::string to_hex(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out(bytes.size() * 2, '\0');
  auto to = out.begin();
  for (const char c : bytes) {
    *to++ = kHex[static_cast<unsigned char>(c) >> 4];
    *to++ = kHex[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::string one_line(std::string_view text, std::size_t max) {
  if (text.size() > max) {
    while (max > 0 && is_continuation(text[max])) --max;
    text = text.substr(0, max);
  }
  std::string out(text);
  std::replace_if(out.begin(), out.end(), is_control, ' ');
  return out;
}

std::string xml_legal(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  std::size_t kept = 0;  // all before it is in `out`
  const auto skip = [&](std::size_t at, std::size_t bytes) {
    out.append(utf8, kept, at - kept);
    kept = at + bytes;
  };
  for (std::size_t i = plain_bytes(utf8); i < utf8.size(); ++i, i += plain_bytes(utf8.substr(i))) {
    const char c = utf8[i];
    if (c == '\r') {
      skip(i, 1);
      if (i + 1 >= utf8.size() || utf8[i + 1] != '\n') out += '\n';
    } else if (c == '\v' || c == '\f') {
      skip(i, 1);
      out += '\n';
    } else if (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n') {
      skip(i, 1);
    } else if (c == '\xef' && (utf8.substr(i, 3) == "\xef\xbf\xbe" || utf8.substr(i, 3) == "\xef\xbf\xbf")) {
      skip(i, 3);  // U+FFFE, U+FFFF
      i += 2;
    }
  }
  skip(utf8.size(), 0);
  return out;
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    std::vector<std::size_t> row(candidate.size() + 1);  // Levenshtein, one row at a time
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t changed = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
      }
    }
    // What somebody wrote the beginning of is nearer than what has as many other letters.
    if (word.size() >= 4 && candidate.starts_with(word)) row.back() = 1;
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace stox
