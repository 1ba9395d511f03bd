// What became of an envelope, between the words of XMPP and those of the bus.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/clock.h"
#include "common/service/trace.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"
#include "xmpp_worker/xmpp/stream/errors.h"
#include "xmpp_worker/xmpp/stream/path.h"

namespace stox::worker {

// Of what a room said: it arrived at the phone; nobody is there; it was refused for another reason; the
// gateway had no room for it, or a process ended that had it.
enum class Shown { kYes, kNobodyThere, kNo, kNotTaken };

pb::StanzaError from_stanza_error(const xmpp::StanzaError&, bool full_jid);
xmpp::StanzaError to_stanza_error(const pb::StanzaError&);
// How a failure is told to who sent the stanza: what SIP said, or the gateway's own failure in words that
// need no knowledge of it (errors: "The gateway's own failures").
xmpp::StanzaError to_stanza_error(const pb::Outcome&);
xmpp::StanzaError to_stanza_error(pb::Reason);

// origin.epoch.number, in the place of what was there.
void write_envelope_name(const std::string& origin, uint64_t epoch, uint64_t number, std::string* out);
// Of a message that is not written to XMPP: the hop that says why. It is good until the trace's next one.
service::TraceHop& trace_end(service::Trace&, const pb::Envelope&, const char* decision, const pb::Outcome&,
                             int64_t wall_us);
// For people: "delivered", "forbidden (auth): not you", "DEADLINE: no answer in time".
std::string describe(const pb::Outcome&);

// Outcomes of what did not reach XMPP: by what XMPP said, and because the path is not up.
pb::Outcome refusal(const xmpp::StanzaError&, bool full_jid);
pb::Outcome path_down_outcome(const xmpp::Path&, Time now);

}  // namespace stox::worker
