// What libprotobuf says of a message that it cannot read. By itself it writes that to standard error, past
// the log and without bound.
#pragma once

#include <string>

namespace stox::bus {

// From now on, in the whole process: the last words are kept instead of written.
void keep_parser_words();
// The last words since the last call, one line of at most 200 bytes; empty: none.
std::string take_parser_words();

}  // namespace stox::bus
