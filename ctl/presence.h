// `stoxctl presence`, for people. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/service/config.h"

namespace stox::ctl {

// A user in the words of SIP, for fronts: the address itself, and, if it may be a JID, what SIP users write
// for it.
std::vector<std::string> ways_for_sip(const std::string& address, const service::Config&);

// The rows of Process::presence(), each with its "process", by who sees whom.
nlohmann::json in_order(nlohmann::json rows);
std::string presence_text(const nlohmann::json& rows, int64_t now_us);

}  // namespace stox::ctl
