// JSON that somebody else wrote.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace stox::service {

// What is no JSON, or nests deeper than 64 brackets, is discarded (is_discarded()): the library copies,
// writes and destroys by recursion, and tens of thousands of brackets would be the end of the stack.
nlohmann::json parse_json(std::string_view text);

}  // namespace stox::service
