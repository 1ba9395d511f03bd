// STOX_SECTION_KEY: values of the environment in the place of those of the file.
#pragma once

#include <string>
#include <vector>

#include "common/service/config_keys.h"

namespace stox::service {

// Puts the values into the tables as if they stood in the file, so that reading checks them alike: for single
// sections, and for the [[section]] of `own` (null: none). Empty variables count as not set.
void override_by_environment(toml::table& root, const Identity* own, const Environment&, Problems&,
                             std::vector<std::string>* warnings);

}  // namespace stox::service
