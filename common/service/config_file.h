// The configuration file: reading it, and its sections into the plain structs of config.h.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/service/config_keys.h"

namespace stox::service {

// The whole file; the error is the system's text.
Result<std::string> read_file(const std::string& path);

// Others than its owner and group.
bool all_can_read(const std::string& path);

// Whether a secret stands in the configuration itself, and not in a file that it names.
bool holds_secret(const Config&);

// The error is a whole line: "FILE:LINE:COLUMN: what".
Result<toml::table> parse_config_file(const std::string& file);

// Everything that stands in the file, each value checked by its key's line.
void read_sections(const toml::table&, Config&, Problems&);

// What follows from other keys (defaults), and what must hold between sections.
void complete(const toml::table&, Config&, Problems&);

// Where a key of a repeated section stands, or the section itself if the key is not in the file.
toml::source_region place_of(const toml::table&, const char* section, std::size_t index, const char* key);

}  // namespace stox::service
