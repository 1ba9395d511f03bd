// Bytes and characters: what several protocols need and no protocol owns.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stox {

// Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing over U+10FFFF.
bool is_utf8(std::string_view bytes);

// ASCII only; other bytes stay.
std::string ascii_lower(std::string_view text);
bool ascii_iequal(std::string_view a, std::string_view b);

// ASCII letters and digits, and some others: what the grammars of SIP and XMPP are made of.
class CharClass {
 public:
  constexpr explicit CharClass(std::string_view others) {
    for (const std::string_view some :
         {std::string_view("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), others}) {
      for (const char c : some) has_[static_cast<unsigned char>(c)] = true;
    }
  }
  constexpr bool has(char c) const { return has_[static_cast<unsigned char>(c)]; }
  constexpr bool has(unsigned char c) const { return has_[c]; }
  constexpr bool has_all(std::string_view text) const {
    for (const char c : text) {
      if (!has(c)) return false;
    }
    return true;
  }

 private:
  std::array<bool, 256> has_{};
};

std::string_view trim(std::string_view text);  // spaces and tabs at both ends

// RFC 3986 2.1. Nothing when a % is not followed by two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text);
// Escapes each byte for which keep(byte) is false as %HH, upper case.
std::string percent_encode(std::string_view bytes, bool (*keep)(unsigned char));

// Whole text a decimal number in [low, high], no sign, no spaces.
std::optional<uint64_t> parse_number(std::string_view text, uint64_t low, uint64_t high);

std::string to_hex(std::string_view bytes);

// One line for people or for a header value: each control character becomes a space, cut at max bytes
// without splitting a UTF-8 sequence.
std::string one_line(std::string_view text, std::size_t max);

// Text that may stand in XML 1.0 (section 2.2): illegal characters are dropped; CRLF, CR, VT and FF
// become LF. The argument must be UTF-8.
std::string xml_legal(std::string_view utf8);

// Which of the known words is nearest to a misspelt one, if any is near: for hints.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace stox
