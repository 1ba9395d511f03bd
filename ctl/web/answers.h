// What the page of `stoxctl web` asks for: the values that `stoxctl --json` prints, each with "complaints".
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/service/config.h"
#include "ctl/site.h"

namespace stox::ctl::web {

using Query = std::map<std::string, std::string>;

// By the last part of /api/WHAT; nothing if there is no such thing:
//   site      status, queues and streams in one, of about the same instant; and "gateway": the domains,
//             "outbound_proxy", "may_act", "time_us"
//   history, failed, inflight                as the commands of these names
//   messages?user=&domain=&failed=1&last=    the same; at most 200
//   trace?id=                                the same
std::optional<Found> look(const service::Config&, bool may_act, const std::string& what, const Query&);

// What changes something: drain, resume and reconnect, with "name"; retry, with "id" and "again"; reload;
// purge, of what failed.
std::optional<Found> act(const service::Config&, const std::string& what, const nlohmann::json& asked);

}  // namespace stox::ctl::web
