// What `--check --online` finds out about a mapper: its address on the bus.
#pragma once

#include <vector>

#include "common/service/config.h"
#include "common/service/probe.h"

namespace stox {

// `runs`: the process is there now, and has its address.
std::vector<service::Finding> check_mapper_online(const service::Config&, const service::Identity&,
                                                  bool runs);

}  // namespace stox
