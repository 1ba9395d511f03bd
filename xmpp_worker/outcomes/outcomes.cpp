#include "xmpp_worker/outcomes/outcomes.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/bus/edge/ending_of.h"
#include "common/bus/edge/envelope_name.h"

namespace stox::worker {

pb::StanzaError from_stanza_error(const xmpp::StanzaError& error, bool full_jid) {
  pb::StanzaError out;
  out.set_type(error.type);
  out.set_condition(error.condition);
  out.set_text(error.text);
  out.set_address(error.address);
  out.set_full_jid(full_jid);
  out.set_legacy_code(error.legacy_code);
  return out;
}

xmpp::StanzaError to_stanza_error(pb::Reason reason) {
  switch (reason) {
    case pb::NO_TARGET:
      return {"wait", "resource-constraint", "The gateway cannot reach SIP at the moment"};
    case pb::OVERLOADED:
      return {"wait", "resource-constraint", "The gateway has too many messages under way"};
    case pb::LINK_DOWN:
      return {"wait", "resource-constraint", "The gateway is not connected at the moment"};
    case pb::STOPPING:
      return {"wait", "resource-constraint", "The gateway is being restarted"};
    case pb::DEADLINE:
      return {"wait", "remote-server-timeout", "No answer in time"};
    case pb::IN_DOUBT:
      return {"wait", "remote-server-timeout", "No answer; the message may have been delivered"};
    case pb::UNSUPPORTED:
      return {"cancel", "feature-not-implemented", "The gateway cannot pass on such a message"};
    default:
      return {"cancel", "internal-server-error", "The gateway could not deliver the message"};
  }
}

xmpp::StanzaError to_stanza_error(const pb::Outcome& outcome) {
  if (outcome.reason() != pb::NOT_GIVEN || !outcome.has_stanza_error())
    return to_stanza_error(outcome.reason());
  return to_stanza_error(outcome.stanza_error());
}

xmpp::StanzaError to_stanza_error(const pb::StanzaError& said) {
  xmpp::StanzaError error{said.type(), said.condition(), said.text()};
  error.address = said.address();
  error.legacy_code = said.legacy_code();
  return error;
}

void write_envelope_name(const std::string& origin, uint64_t epoch, uint64_t number, std::string* out) {
  bus::write_envelope_name(origin, epoch, number, *out);
}

service::TraceHop& trace_end(service::Trace& trace, const pb::Envelope& envelope, const char* decision,
                             const pb::Outcome& outcome, int64_t wall_us) {
  const pb::XmppMessage& message = envelope.xmpp_message();
  service::TraceHop& hop = trace.add();
  hop.trace_id = envelope.trace_id();
  write_envelope_name(envelope.id().origin(), envelope.id().epoch(), envelope.id().number(), &hop.envelope);
  hop.other_id = message.call_id();
  hop.from = message.from();
  hop.to = message.to();
  hop.decision = decision;
  hop.outcome = describe(outcome);
  hop.came_us = hop.ended_us = wall_us;
  trace.show(hop);
  return hop;
}

std::string describe(const pb::Outcome& outcome) {
  if (outcome.verdict() == pb::DELIVERED) return "delivered";
  if (outcome.verdict() == pb::PASSED_ON) return "passed on, not proved";
  std::string out;
  if (outcome.has_stanza_error()) {
    const pb::StanzaError& said = outcome.stanza_error();
    out = fmt::format("{} ({})", said.condition().empty() ? "code " + said.legacy_code() : said.condition(),
                      said.type());
    if (!said.text().empty()) out += ": " + said.text();
    if (!outcome.text().empty() && outcome.text() != said.text()) out += " (" + outcome.text() + ")";
    return out;
  }
  out = pb::Reason_Name(outcome.reason());
  if (!outcome.text().empty()) out += ": " + outcome.text();
  return out;
}

pb::Outcome refusal(const xmpp::StanzaError& error, bool full_jid) {
  pb::Outcome outcome;
  *outcome.mutable_stanza_error() = from_stanza_error(error, full_jid);
  outcome.set_text(error.text);
  return outcome;
}

pb::Outcome path_down_outcome(const xmpp::Path& path, Time now) {
  const std::string why = "no XMPP stream: " + path.reason();
  if (!path.condition().empty()) {
    const bool is_unknown = path.condition() == "remote-server-not-found";
    // What a sender reads names no address and no port of ours or of others.
    pb::Outcome outcome = refusal({is_unknown ? "cancel" : "wait", std::string(path.condition()),
                                   is_unknown ? "The recipient's domain has no XMPP server"
                                              : "The recipient's server cannot be reached"},
                                  false);
    outcome.set_text(why);
    return outcome;
  }
  pb::Outcome outcome = bus::failure(pb::LINK_DOWN, why);
  const Time retry = path.retry_at();
  const auto wait_s = retry == kNever ? 2 : to_ms(retry - now) / 1000 + 1;
  outcome.set_retry_after_s(static_cast<uint32_t>(std::clamp<int64_t>(wait_s, 2, 30)));
  return outcome;
}

}  // namespace stox::worker
