// `stoxctl streams`, for people. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace stox::ctl {

// Of the rows of Process::streams(), each with its "process". Why a stream is not up stands below it.
std::string streams_text(const nlohmann::json& rows);

}  // namespace stox::ctl
