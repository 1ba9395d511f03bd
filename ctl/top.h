// `stoxctl top`: rates from two looks at the site. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace stox::ctl {

// `before`, `after`: {"status": as status_json(), "queues": as merge_queues()}, so many seconds apart.
// {"processes":[{"name","role","state","messages_per_second","failed_per_second","mean_ms","in_flight","limit",
//   "oldest_age_ms"}],
//  "links":[{"from","to","items_per_second","depth","oldest_age_ms"}]}
// null: not known, or there is none; mean_ms: of the messages that ended in between.
nlohmann::json top_json(const nlohmann::json& before, const nlohmann::json& after, double seconds);
std::string top_text(const nlohmann::json& top);

}  // namespace stox::ctl
