#include "mapper/translation.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <variant>

#include "common/base/addressing.h"
#include "common/base/hash.h"
#include "common/base/text.h"
#include "common/bus/edge/ending_of.h"
#include "common/bus/edge/envelope_name.h"
#include "mapper/mapping/page/room.h"
#include "mapper/mapping/presence/presence.h"

namespace stox {
namespace {

constexpr std::size_t kOpen = 16'384;  // more than Trace::kMessages
constexpr const char* kEchoLoop = "An echo loop: the same words went back and forth";

uint64_t hash_of(const pb::EnvelopeId& id) {
  const uint64_t number = id.number();
  return hash64({reinterpret_cast<const char*>(&number), sizeof number}, hash64(id.origin(), id.epoch()));
}

const char* text_of(pb::Verdict verdict) {
  return verdict == pb::DELIVERED ? "delivered" : verdict == pb::PASSED_ON ? "passed_on" : "failed";
}

// A SIP URI as a trace may show it: without its password.
void show(std::string_view uri, std::string& out) {
  const auto at = uri.find('@');
  const auto password = uri.find(':', uri.find(':') + 1);
  if (at == std::string_view::npos || password == std::string_view::npos || password > at) {
    out = uri;
  } else {
    out.assign(uri, 0, password).append(uri, at);
  }
}

// The status or condition of an outcome; its reason if the gateway itself gave one.
std::string word_of(const pb::Outcome& outcome) {
  if (outcome.reason() != pb::NOT_GIVEN) return pb::Reason_Name(outcome.reason());
  if (outcome.has_sip_status()) return std::to_string(outcome.sip_status().code());
  if (outcome.has_stanza_error()) return outcome.stanza_error().condition();
  return {};
}

std::string describe(const pb::Outcome& outcome) {
  std::string out = text_of(outcome.verdict());
  if (const std::string word = word_of(outcome); !word.empty()) out += ", " + word;
  if (!outcome.text().empty()) out += ": " + outcome.text();
  return out;
}

bus::Placement unknown_body() {
  return bus::Refuse{pb::Refused::UNKNOWN_BODY, "this version does not know such a message"};
}

bus::Placement forward_to(const std::string& front) {
  if (front.empty()) return bus::Refuse{pb::Refused::NO_TARGET, "no SIP front is there"};
  return bus::Forward{front};
}

std::string what_passes(const pb::Presence& presence) {
  return "presence: " + ascii_lower(pb::Presence::Kind_Name(presence.kind())) + ", ";
}

bool is_known(pb::Presence::Kind kind) {
  return kind != pb::Presence::NOTHING && pb::Presence::Kind_IsValid(kind);
}

}  // namespace

Result<Translation::Rules> Translation::rules(const service::Config& config) {
  const service::GatewayConfig& gateway = config.gateway;
  if (const auto why = refuse_separator(gateway.domain_separator))
    return error("gateway.domain_separator = \"" + gateway.domain_separator + "\": " + *why);
  mapping::AddressRules by{gateway.gateway_domain, gateway.xmpp_domain, gateway.domain_separator[0],
                           gateway.xmpp_domains,   gateway.gwmap,       {}};
  for (const service::XmppWorkerConfig& worker : config.xmpp_workers)
    by.serves.insert(by.serves.end(), worker.serves.begin(), worker.serves.end());
  by.aliases = gateway.aliases;
  by.tel_domain = gateway.tel_domain;
  by.passes_unmapped = gateway.passes_unmapped;
  auto addresses = mapping::Addresses::make(std::move(by));
  if (!addresses) return error("gateway." + addresses.error().text);
  Rules rules{std::move(*addresses), {}, {}};
  rules.errors.accept_status = gateway.accept_status;
  rules.errors.unavailable_status = gateway.unavailable_status;
  rules.errors.global_failures = gateway.global_failures;
  rules.content.message_type = gateway.message_type;
  rules.content.split = gateway.long_messages == "split";
  rules.content.resource_in_from = gateway.resource_in_from;
  rules.content.thread_as_call_id = gateway.thread_as_call_id;
  rules.content.names = gateway.display_names != "off";
  rules.content.correction_prefix = gateway.correction_prefix;
  return rules;
}

Translation::Translation(Rules rules, const Clock& clock, service::Log& log, service::Trace& trace)
    : rules_(std::move(rules)), clock_(clock), log_(log), trace_(trace), open_(kOpen) {}

void Translation::set_members(const std::vector<pb::Member>& members) {
  routes_ = mapping::Routes(members);
  roles_.clear();
  for (const pb::Member& member : members) roles_.emplace(member.name(), member.role());
}

const std::vector<Translation::Row>& Translation::rows() {
  using Of = service::Trace::Of;
  static const std::vector<Row> kRows = {
      {&pb::Envelope::has_sip_message, &Translation::to_xmpp, &Translation::to_xmpp_, Of::kMessage},
      {&pb::Envelope::has_xmpp_message, &Translation::to_sip, &Translation::to_sip_, Of::kMessage},
      {&pb::Envelope::has_sip_presence, &Translation::presence_to_xmpp, &Translation::to_xmpp_,
       Of::kPresence},
      {&pb::Envelope::has_sip_state, &Translation::presence_to_xmpp, &Translation::to_xmpp_, Of::kPresence},
      {&pb::Envelope::has_xmpp_presence, &Translation::presence_to_sip, &Translation::to_sip_, Of::kPresence},
      {&pb::Envelope::has_xmpp_state, &Translation::presence_to_sip, &Translation::to_sip_, Of::kPresence},
  };
  return kRows;
}

bus::Placement Translation::place(pb::Envelope& envelope) {
  using Of = service::Trace::Of;
  const auto row =
      std::find_if(rows().begin(), rows().end(), [&](const Row& r) { return (envelope.*r.is_in)(); });
  service::Trace::Handle handle = 0;
  service::TraceHop& hop = trace_.add(&handle, row == rows().end() ? Of::kMessage : row->trace);
  hop.trace_id = envelope.trace_id();
  hop.came_us = clock_.wall_us();
  const pb::EnvelopeId& id = envelope.id();
  bus::write_envelope_name(id.origin(), id.epoch(), id.number(), hop.envelope);
  const uint64_t hash = hash_of(id);
  open_[hash % kOpen] = {hash, handle};

  if (row == rows().end()) {
    hop.decision = "refused: a body that this version does not know";
    return unknown_body();
  }
  Passed& passed = this->*row->passed;
  bus::Placement placement = (this->*row->translate)(envelope, hop);
  if (const auto* forward = std::get_if<bus::Forward>(&placement)) {
    hop.decision.append("to ").append(forward->to);
    hop.went_us = clock_.wall_us();
    ++passed.forwarded;
  } else if (const auto* refuse = std::get_if<bus::Refuse>(&placement)) {
    hop.decision.append("refused: ").append(refuse->text);
    ++passed.refused;
  } else {
    const pb::Outcome& outcome = std::get<bus::EndWith>(placement).outcome;
    hop.decision.append("ended here");
    hop.outcome = describe(outcome);
    hop.ended_us = clock_.wall_us();
    ++passed.ended;
    if (outcome.verdict() == pb::FAILED) ++refusals_[word_of(outcome)];
    note_end(envelope.trace_id(), hop, outcome);
  }
  trace_.show(hop);
  return placement;
}

// An edge says of each message how it failed. What would have let it pass, only the rules here know.
void Translation::note_end(std::string_view trace_id, const service::TraceHop& hop,
                           const pb::Outcome& outcome) {
  const std::string_view allows = outcome.allows();
  if (!allows.empty() && !refusal_lines_.take(log_, clock_.now())) return;
  const std::string word = word_of(outcome);
  log_.tell(allows.empty() ? service::Level::kDebug : service::Level::kInfo,
            {trace_id, hop.from, hop.to, word, bus::reason_of(outcome)}, "{} ended here: {}{}{}",
            hop.envelope, hop.outcome, allows.empty() ? "" : "; ", allows);
}

bus::Placement Translation::to_xmpp(pb::Envelope& envelope, service::TraceHop& hop) {
  const pb::SipMessage& message = envelope.sip_message();
  show(message.from_uri(), hop.from);
  show(message.request_uri(), hop.to);
  pb::XmppMessage& stanza = *envelope.mutable_xmpp_message();
  auto end =
      mapping::to_xmpp(message, stanza, rules_.addresses, rules_.content, clock_.wall_us() / 1'000'000);
  envelope.clear_sip_message();
  if (end) return bus::EndWith{std::move(*end)};
  if (stanza.bodies_size() > 0 &&
      echoes_.is_loop(stanza.from(), stanza.to(), 0, stanza.bodies(0).text(), clock_.now())) {
    *end.emplace().mutable_sip_status() = mapping::sip_status(482, kEchoLoop);
    end->set_text(kEchoLoop);
    return bus::EndWith{std::move(*end)};
  }
  return to_worker(stanza.to(), envelope.conversation());
}

bus::Placement Translation::to_worker(std::string_view jid, std::string_view conversation) const {
  const auto domain = jid.substr(jid.find('@') + 1);
  const std::string& worker = routes_.worker(domain.substr(0, domain.find('/')), conversation);
  if (worker.empty()) return bus::Refuse{pb::Refused::NO_TARGET, "no XMPP worker serves this domain"};
  return bus::Forward{worker};
}

bus::Placement Translation::to_sip(pb::Envelope& envelope, service::TraceHop& hop) {
  const pb::XmppMessage& stanza = envelope.xmpp_message();
  hop.from = stanza.from();
  hop.to = stanza.to();
  pb::SipMessage& message = *envelope.mutable_sip_message();
  auto end = mapping::to_sip(stanza, message, rules_.addresses, rules_.content, clock_.wall_us() / 1'000'000);
  if (end) return bus::EndWith{std::move(*end)};
  const auto& forms = message.parts(0).alternatives();
  // A room is one person there, and his words are those of anybody in it.
  const bool in_room = mapping::is_said_in_room(stanza);
  const std::string_view from = stanza.from();
  if (stanza.bodies_size() > 0 &&
      echoes_.is_loop(in_room ? from.substr(0, from.find('/')) : from, stanza.to(), 1,
                      in_room ? stanza.bodies(0).text() : forms[forms.size() - 1].data(), clock_.now())) {
    *end.emplace().mutable_stanza_error() = mapping::stanza_error("not-acceptable", "modify", kEchoLoop);
    end->set_text(kEchoLoop);
    return bus::EndWith{std::move(*end)};
  }
  envelope.clear_xmpp_message();
  return forward_to(routes_.front(message.request_uri()));
}

bus::Placement Translation::presence_to_xmpp(pb::Envelope& envelope, service::TraceHop& hop) {
  const bool is_state = envelope.has_sip_state();
  const pb::Presence& in = is_state ? envelope.sip_state() : envelope.sip_presence();
  show(in.from(), hop.from);
  show(in.to(), hop.to);
  if (!is_known(in.kind())) return unknown_body();
  hop.decision = what_passes(in);
  pb::Presence& out = is_state ? *envelope.mutable_xmpp_state() : *envelope.mutable_xmpp_presence();
  if (auto end = mapping::presence_to_xmpp(in, out, rules_.addresses)) return bus::EndWith{std::move(*end)};
  const std::string pair = conversation_key(in.from(), in.to());
  envelope.clear_sip_state();
  envelope.clear_sip_presence();
  if (!envelope.to().empty()) return bus::Forward{envelope.to()};
  return to_worker(out.to(), pair);
}

bus::Placement Translation::presence_to_sip(pb::Envelope& envelope, service::TraceHop& hop) {
  const bool is_state = envelope.has_xmpp_state();
  const pb::Presence& in = is_state ? envelope.xmpp_state() : envelope.xmpp_presence();
  hop.from = in.from();
  hop.to = in.to();
  if (!is_known(in.kind())) return unknown_body();
  hop.decision = what_passes(in);
  pb::Presence& out = is_state ? *envelope.mutable_sip_state() : *envelope.mutable_sip_presence();
  if (auto end = mapping::presence_to_sip(in, out, rules_.addresses)) return bus::EndWith{std::move(*end)};
  const std::string pair = conversation_key(in.from(), in.to());
  envelope.clear_xmpp_state();
  envelope.clear_xmpp_presence();
  if (!envelope.to().empty()) return bus::Forward{envelope.to()};
  return forward_to(routes_.front_of_pair(pair));
}

void Translation::translate(pb::Outcome& outcome) {
  const pb::Role origin = role_of_origin(outcome);
  service::TraceHop* hop = hop_of(outcome.id());
  if (origin == pb::FRONT && outcome.stanza_error().condition() == "jid-malformed") {
    log_.write(service::Level::kWarn, hop ? std::string_view(hop->trace_id) : std::string_view(),
               "{}: the XMPP side calls an address malformed that was made here; please report it",
               bus::envelope_name(outcome.id().origin(), outcome.id().epoch(), outcome.id().number()));
  }
  mapping::to_origin(outcome, origin, rules_.errors, rules_.addresses);
  Passed& passed = origin == pb::FRONT ? to_xmpp_ : to_sip_;
  ++(outcome.verdict() == pb::DELIVERED   ? passed.delivered
     : outcome.verdict() == pb::PASSED_ON ? passed.passed_on
                                          : passed.failed);
  if (hop == nullptr) return;
  hop->outcome = describe(outcome);
  hop->ended_us = clock_.wall_us();
  trace_.show(*hop);
}

pb::Role Translation::role_of_origin(const pb::Outcome& outcome) const {
  const auto at = roles_.find(outcome.id().origin());
  if (at != roles_.end()) return at->second;
  return outcome.has_sip_status() ? pb::WORKER : pb::FRONT;  // it has just gone; nobody will read this
}

service::TraceHop* Translation::hop_of(const pb::EnvelopeId& id) {
  const uint64_t hash = hash_of(id);
  const auto& [known, handle] = open_[hash % kOpen];
  return known == hash ? trace_.at(handle) : nullptr;
}

std::vector<service::Metric> Translation::metrics() const {
  std::vector<service::Metric> out;
  using Labels = std::vector<std::pair<std::string, std::string>>;
  const auto add = [&out](const char* name, const char* help, uint64_t n, Labels labels) {
    out.push_back({service::Metric::Kind::kCounter, name, help, static_cast<double>(n), std::move(labels)});
  };
  for (const auto& [direction, passed] : {std::pair("to_xmpp", to_xmpp_), std::pair("to_sip", to_sip_)}) {
    for (const auto& [result, n] :
         {std::pair("forwarded", passed.forwarded), {"refused", passed.refused}, {"ended", passed.ended}}) {
      add("stox_mapper_envelopes_total", "Envelopes, by what became of them here", n,
          {{"direction", direction}, {"result", result}});
    }
    for (const auto& [verdict, n] : {std::pair("delivered", passed.delivered),
                                     {"passed_on", passed.passed_on},
                                     {"failed", passed.failed}}) {
      add("stox_mapper_outcomes_total", "Outcomes that passed on their way to the origin", n,
          {{"direction", direction}, {"verdict", verdict}});
    }
  }
  for (const auto& [answer, n] : refusals_) {
    add("stox_mapper_refusals_total", "Messages that could not be translated, by the answer to the sender", n,
        {{"answer", answer}});
  }
  return out;
}

}  // namespace stox
