// `stoxctl keys`: makes the keys of the bus between hosts.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "ctl/exit_code.h"

namespace stox::ctl {

// What mapper.key and edge.key are for, with the section of the configuration that names them.
std::string keys_text(const std::string& directory, const std::string& mapper_public_key,
                      const std::vector<std::string>& edge_public_keys);

// Writes a new secret key, mode 0600, and returns its public key. The Error says what to do; a file that is
// there already stays as it is.
Result<std::string> write_new_key(const std::string& file);

// Without names a site's keys, mapper.key and edge.key; with names NAME.key for each, further edges' own
// keys.
ExitCode keys(const std::string& directory, const std::vector<std::string>& names);

}  // namespace stox::ctl
