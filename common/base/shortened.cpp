#include "common/base/shortened.h"

#include "common/base/text.h"

namespace stox {

std::string shortened(std::string_view text, std::size_t max) {
  static constexpr std::string_view kMore = "...", kGaps = " \t\r\n";
  if (text.size() <= max || max <= kMore.size()) return one_line(text, max);
  std::string_view kept = text.substr(0, max - kMore.size() + 1);  // a gap may follow the last word
  const std::size_t gap = kept.find_last_of(kGaps);
  const std::size_t word =
      gap == std::string_view::npos ? gap : kept.find_last_not_of(" \t\r\n,;:.([{\"", gap);
  // One word that fills most of the line has no better place.
  if (word == std::string_view::npos || word < max / 2)
    return one_line(text, max - kMore.size()).append(kMore);
  return one_line(text.substr(0, word + 1), max).append(kMore);
}

}  // namespace stox
