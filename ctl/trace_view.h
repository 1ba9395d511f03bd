// `stoxctl trace`: the hops of one message, put together from all processes. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace stox::ctl {

// `answers`: name and answer to "trace" of each process that could be reached.
// {"id",
// "hops":[{"process","trace","envelope","message_id","other_id","from","to","time","came_us","wait_ms",
//   "decision","outcome","took_ms"}]} in the order in which the message passed. wait_ms: since the hop before
// handed it on; took_ms: until the outcome was known here, null while it is not.
nlohmann::json merge_hops(const std::string& id,
                          const std::vector<std::pair<std::string, nlohmann::json>>& answers);

// The trace ids in the answers.
std::set<std::string> trace_ids(const std::vector<std::pair<std::string, nlohmann::json>>& answers);

// What was said in rooms: each who hears it gets it by a trace of its own, with the same stanza id.
using Line = std::pair<std::string, std::string>;  // the room, the id
std::set<Line> lines(const std::vector<std::pair<std::string, nlohmann::json>>& answers);
std::set<std::string> traces_of(const Line&,
                                const std::vector<std::pair<std::string, nlohmann::json>>& answers);

std::string hops_text(const nlohmann::json& trace);

}  // namespace stox::ctl
