// `stoxctl keys`: makes the keys of the bus by TCP.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "ctl/exit_code.h"

namespace stox::ctl {

struct KeysOptions {
  std::string file;                          // the site's configuration, which may lack the keys yet
  std::string directory = "/etc/stox/keys";  // where the secret keys are, or will be
  std::string group = "stox";      // of the processes; may read what root makes, if there is such a group
  std::vector<std::string> names;  // sections; none: mappers, and all fronts and workers in the configuration
};

// Makes NAME.key for each section that has none, and mapper.key, and prints what to write into the
// configuration. Keys that are there stay.
ExitCode keys(const KeysOptions&);

}  // namespace stox::ctl
