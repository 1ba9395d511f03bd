// Text that must fit, cut where people read on.
#pragma once

#include <string>
#include <string_view>

namespace stox {

// As one_line(), but what does not fit is cut at the end of a word, and "..." says so.
std::string shortened(std::string_view text, std::size_t max);

}  // namespace stox
