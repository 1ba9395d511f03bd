// The main() of a process whose `--check` looks further than its configuration.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/service/process.h"

namespace stox::service {

// What `--check` should warn of: certificates that are not for our names, ...
using MoreChecks = std::function<std::vector<std::string>(const Config&, const Identity&)>;
int run(int argc, char** argv, Role, const MakeProcess&, const MoreChecks&);

}  // namespace stox::service
