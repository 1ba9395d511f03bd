// The configuration that a process runs with, kept in the run directory without its secrets: stoxctl goes on
// with it while the file itself cannot be read.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/service/config.h"

namespace stox::service {

// Does nothing where the run directory cannot be written.
void keep_running_config(const Config&, const std::string& full_name);

// What a process has kept last. The run directory is the one that the broken file or the environment names,
// else the default. An error if nobody has kept any.
Result<Config> read_running_config(const std::string& broken_file, const Environment&);

}  // namespace stox::service
