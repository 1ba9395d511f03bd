// `stoxctl queues`: what is between the processes, from what each end has counted. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace stox::ctl {

// `answers`: of each process that could be reached, its name and its answer to "queues" (Process::queues()).
// {"links":[{"from","to","sent","received","depth","resent","dropped","oldest_age_ms"}],
//  "in_flight":[{"process","count","limit","oldest_age_ms"}]}
// depth = sent by the one - received by the other, of links whose both ends mean the same session (epochs).
// What cannot be known, because one end was not reached or has restarted, is null.
nlohmann::json merge_queues(const std::vector<std::pair<std::string, nlohmann::json>>& answers);

std::string queues_text(const nlohmann::json& queues);

}  // namespace stox::ctl
