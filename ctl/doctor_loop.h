// Of `stoxctl doctor`: a message that goes the way of all, through the SIP proxy to the gateway and, to an
// XMPP user, on to XMPP and back with its outcome.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "common/service/config.h"

namespace stox::ctl {

// What is asked by it. Without a JID it is to nobody: the gateway refuses it because it leads back to itself,
// which shows that it came there. With a gwmap there is no such address, and a JID must be of one of its
// lines: else all is empty.
struct LoopMessage {
  std::string request_uri, from, call_id;
  std::string proof = {};  // a whole header line: the answer to a proxy that has asked for a password
};
LoopMessage loop_message(const service::Config&, const std::string& to_jid, const std::string& unique);
// The MESSAGE on the wire. `own`: ADDRESS:PORT that it is sent from.
std::string text_of(const LoopMessage&, const std::string& own, const char* transport);

// The last response in what a proxy has sent till now, if it is final and its head is whole; else empty.
std::string final_response_in(const std::string& came);

// What came of it: {"name","kind","what","remedy"}. `answer`: the final status line, "403 Forbidden", empty:
// none came. hops: those of its Call-ID, as `stoxctl trace` has them. no_proof: why a proxy that asks for a
// password got none; empty: it got one, or did not ask.
nlohmann::json loop_row(const std::string& answer, const nlohmann::json& hops, bool to_user,
                        const std::string& no_proof);

// Sends it by gateway.outbound_proxy and waits for what comes of it. Null without such a proxy, or if it
// cannot be reached or is not believed, as the front's own check says then.
nlohmann::json try_loop(const service::Config&, const std::string& to_jid);

}  // namespace stox::ctl
