// `stoxctl rooms`, for people. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/service/config.h"

namespace stox::ctl {

// A SIP user in the words of XMPP, for workers: the address itself, and, if it may be one of SIP, as what
// XMPP users see it.
std::vector<std::string> ways_for_xmpp(std::string address, const service::Config&);
// A room as a JID, also where it is written as SIP users write it.
std::string room_jid(std::string address, const service::Config&);

// The rows of Process::rooms(), each with its "process": one for each user and room, of the worker that acts
// if one of them does.
nlohmann::json merge_rooms(nlohmann::json rows);
std::string rooms_text(const nlohmann::json& rows, int64_t now_us);

}  // namespace stox::ctl
