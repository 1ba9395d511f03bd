// `stoxctl status` and `wait-ready`: every configured process, also those that cannot be reached, and why.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/service/config.h"
#include "ctl/control_client.h"
#include "ctl/exit_code.h"
#include "ctl/processes.h"

namespace stox::ctl {

// {"processes":[{"name","role","state","reason","pid","version","uptime_ms","peers",...}]}; of an unreachable
// one the reason says why, pid and uptime_ms are null.
nlohmann::json status_json(const std::vector<Known>&, const std::vector<Answer>&);
// Of those that do not run: why their last start failed, if that is known on this host.
void add_failed_starts(nlohmann::json* status, const service::RuntimeConfig&, int64_t now_us);
// kFine when all are ready or standby, kUnreachable when one is not reached, else kTrouble.
ExitCode status_code(const nlohmann::json& status);
bool all_ready(const nlohmann::json& status);  // or standby; what a ready one complains of does not count
std::string status_text(const nlohmann::json& status);

}  // namespace stox::ctl
