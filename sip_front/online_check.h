// What `--check --online` finds out about a front: its addresses, and the outbound proxy.
#pragma once

#include <vector>

#include "common/service/config.h"
#include "common/service/probe.h"

namespace stox {

// `runs`: the process is there now, and has its addresses.
std::vector<service::Finding> check_online(const service::Config&, const service::Identity&, bool runs);

}  // namespace stox
