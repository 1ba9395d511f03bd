#include "mapper/mapping/page/split.h"

#include <unigbrk.h>

namespace stox::mapping {
namespace {

// Where graphemes begin. All at once, as a family of emoji is told from others only by what stands before.
std::vector<char> grapheme_starts(std::string_view text) {
  std::vector<char> out(text.size());
  u8_grapheme_breaks(reinterpret_cast<const uint8_t*>(text.data()), text.size(), out.data());
  return out;
}

// How much of the text from `at` on, at most `room` bytes, goes first; 0: not even one grapheme.
std::size_t first_piece(std::string_view text, std::size_t at, const std::vector<char>& starts,
                        std::size_t room) {
  if (text.size() - at <= room) return text.size() - at;
  std::size_t size = room;
  while (size > 0 && !starts[at + size]) --size;
  for (std::size_t shorter = size; shorter > room / 2; --shorter) {
    const char before = text[at + shorter - 1];
    if (starts[at + shorter] && (before == ' ' || before == '\n')) return shorter;
  }
  return size;  // a long word is cut, rather than a part left half empty
}

std::vector<std::string_view> pieces_of(std::string_view text, const std::vector<char>& starts,
                                        std::size_t room) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = first_piece(text, at, starts, room);
    if (size == 0) return {};
    out.push_back(text.substr(at, size));
    at += size;
  }
  return out;
}

}  // namespace

std::vector<std::string> split_text(std::string_view text, std::size_t room) {
  if (text.size() <= room) return {std::string(text)};
  const std::vector<char> starts = grapheme_starts(text);
  for (std::size_t digits = 1, most = 9; digits <= 3; ++digits, most = most * 10 + 9) {
    const std::size_t number = 2 * digits + 4;  // "(12/34) "
    if (room <= number) return {};
    const auto pieces = pieces_of(text, starts, room - number);
    if (pieces.empty()) return {};
    if (pieces.size() > most) continue;
    std::vector<std::string> out;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      std::string part = "(" + std::to_string(i + 1) + "/" + std::to_string(pieces.size()) + ") ";
      out.push_back(part.append(pieces[i]));
    }
    return out;
  }
  return {};
}

}  // namespace stox::mapping
