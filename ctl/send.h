// `stoxctl send`: which edge a message is put in at.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/service/config.h"
#include "ctl/control_client.h"
#include "ctl/processes.h"

namespace stox::ctl {

// SIP URIs begin at a sip_front, JIDs at an xmpp_worker. The error says what is wrong with the addresses.
Result<service::Role> edge_role(const std::string& from, const std::string& to);

// Of the processes of a role and their answers to "status" the best to send by: one that is reached, ready
// before others, a worker that serves the domain of `to` before others. Null if none is reached.
const Known* choose_edge(const std::vector<Known>&, const std::vector<Answer>& statuses,
                         const service::Config&, const std::string& to);

}  // namespace stox::ctl
