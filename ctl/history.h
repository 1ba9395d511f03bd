// `stoxctl history`: the last hour of each process. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace stox::ctl {

// Of {"step_ms","processes":[{"name","role"} with the columns of History::columns()]}: a row for each five
// minutes of a process, rates as their mean, p95, depth and what was in flight as the highest.
std::string history_text(const nlohmann::json& history);

}  // namespace stox::ctl
