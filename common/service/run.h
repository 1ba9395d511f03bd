// The main() of a process whose `--check` looks further than its configuration.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/service/probe.h"
#include "common/service/process.h"

namespace stox::service {

struct MoreChecks {
  // What `--check` should warn of: certificates that are not for our names, ...
  std::function<std::vector<std::string>(const Config&, const Identity&)> files = {};
  // What `--check --online` finds out by asking others. `runs`: the process is there now.
  std::function<std::vector<Finding>(const Config&, const Identity&, bool runs)> online = {};
};
int run(int argc, char** argv, Role, const MakeProcess&, const MoreChecks&);

}  // namespace stox::service
