// `stoxctl reload`, for people. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace stox::ctl {

// rows: [{"process","taken":[KEY],"waiting":[KEY],"error"}]
std::string reload_text(const nlohmann::json& rows);

}  // namespace stox::ctl
