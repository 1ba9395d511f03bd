#include "mapper/mapping/page/names.h"

#include <algorithm>
#include <iterator>

#include "common/base/addressing.h"
#include "common/base/jid.h"
#include "common/base/text.h"

namespace stox::mapping {
namespace {

constexpr std::size_t kMaxCharacters = 64;

struct Character {
  char32_t code;
  std::string_view bytes;
};

// `text` is UTF-8.
Character first_of(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  char32_t code = size == 1 ? lead : lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3fU);
  return {code, text.substr(0, size)};
}

// Controls, and what changes the order of reading or is not seen (UAX 9, and the zero-width ones but for the
// joiners that scripts and emoji need).
bool is_hidden(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0xad || c == 0x61c || c == 0x180e || c == 0x200b ||
         c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
         c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff);
}

bool is_space(char32_t c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0xa0 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x202f || c == 0x205f || c == 0x3000 || c == 0x2028 || c == 0x2029;
}

bool has_at_sign(std::string_view name) {
  static constexpr std::string_view kSigns[] = {"@", "\xef\xb9\xab", "\xef\xbc\xa0"};
  return std::any_of(std::begin(kSigns), std::end(kSigns),
                     [&](std::string_view sign) { return name.find(sign) != std::string_view::npos; });
}

// sip:, tel:, xmpp:, https: ...; a word with a dot behind a separator, as in romeo*sip.example.org.
bool looks_like_address(std::string_view name) {
  for (std::size_t at = 0; at < name.size();) {
    const auto end = std::min(name.find(' ', at), name.size());
    const std::string_view word = name.substr(at, end - at);
    const auto colon = word.find(':');
    if (colon != std::string_view::npos && colon > 0 && colon + 1 < word.size()) return true;
    const auto mark = word.find_first_of("*!~=+$,;?#%");
    if (mark != std::string_view::npos && mark > 0 && word.find('.', mark) != std::string_view::npos)
      return true;
    at = end + 1;
  }
  return phone_number(name).has_value();
}

}  // namespace

std::string shown_name(std::string_view text) {
  std::string out;
  if (text.size() > 4096 || !is_utf8(text)) return out;
  std::size_t characters = 0;
  bool space = false;
  while (!text.empty() && characters < kMaxCharacters) {
    const Character c = first_of(text);
    text.remove_prefix(c.bytes.size());
    if (is_space(c.code)) {
      space = !out.empty();
    } else if (!is_hidden(c.code)) {
      out.append(space ? " " : "").append(c.bytes);
      characters += space ? 2 : 1;
      space = false;
    }
  }
  return out;
}

std::string display_name(std::string_view text) {
  std::string out = shown_name(text);
  // What was cut off may have made an address of it.
  return has_at_sign(text) || looks_like_address(out) ? std::string() : out;
}

std::string display_name_of_jid(std::string_view jid) {
  const auto at = jid.substr(0, jid.find('/')).find('@');
  return at == std::string_view::npos ? std::string() : display_name(unescape_localpart(jid.substr(0, at)));
}

}  // namespace stox::mapping
