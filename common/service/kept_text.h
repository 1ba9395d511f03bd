// A small file that is replaced whole, so that who reads it meanwhile sees the one before or the new one.
#pragma once

#include <string>

namespace stox::service {

// Mode 0640. Does nothing where the folder cannot be written.
void keep_text(const std::string& path, const std::string& text);

}  // namespace stox::service
