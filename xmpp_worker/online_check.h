// What `--check --online` finds out about a worker: its XMPP server's component port and secret, or its own
// port.
#pragma once

#include <vector>

#include "common/service/config.h"
#include "common/service/probe.h"

namespace stox::worker {

// `runs`: the process is there now, and has its stream and its addresses; a second stream would end its own.
std::vector<service::Finding> check_online(const service::Config&, const service::Identity&, bool runs);

}  // namespace stox::worker
