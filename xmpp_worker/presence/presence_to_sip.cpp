#include "xmpp_worker/presence/presence_to_sip.h"

#include <utility>

#include "common/base/addressing.h"
#include "common/base/jid.h"
#include "common/bodies/presence.h"
#include "common/bus/edge/ending_of.h"
#include "xmpp_worker/outcomes/outcomes.h"
#include "xmpp_worker/presence/words.h"
#include "xmpp_worker/xmpp/stanza/services.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {
namespace {

using pb::Presence;

// A front that is restarted is waited for.
constexpr Duration kBeginWithin = Fronts::kBackWithin;
constexpr Duration kEndWithin = kBeginWithin + std::chrono::seconds(30);
// But what waits for it takes a place of those that all fronts share: only while so many times of what is
// kept free are free. A front that is back asks for the states of all whom its users see.
constexpr std::size_t kFreeToWait = 2;

bool is_for_one_front(const Presence& presence) {
  return presence.kind() == Presence::SUBSCRIBE || presence.kind() == Presence::PROBE;
}

// No front waits for another, nor one device, nor a probe, for a state.
std::string conversation_of(const Presence& presence, const std::string& pair, const std::string& front) {
  std::string key = is_of_device(presence.kind())
                        ? conversation_of_keys(presence.from(), address_key(presence.to()))
                        : pair;
  key.append(" ").append(front);
  if (presence.kind() == Presence::PROBE) key.append("?");
  return key;
}

}  // namespace

PresenceToSip::PresenceToSip(std::size_t kept_free, const Clock& clock, service::Log& log,
                             service::Trace& trace, StanzaSender& sender, PresenceToSipUser& user)
    : kept_free_(kept_free),
      clock_(clock),
      log_(log),
      trace_(trace),
      sender_(sender),
      user_(user),
      fronts_(clock) {}

bool PresenceToSip::take(const xmpp::Stanza& stanza) {
  const auto kind = presence_kind(stanza.type);
  if (!kind || stanza.element.child("x", xmpp::ns::kMucUser) || xmpp::asks_to_join(stanza)) return false;
  const auto from = Jid::parse(stanza.from);
  const auto to = Jid::parse(stanza.to);
  if (!from || !to || from->local().empty() || to->local().empty()) return false;

  Presence presence;
  from_presence(stanza, *kind, &presence);
  presence.set_from(is_of_device(presence.kind()) ? from->str() : from->bare());
  presence.set_to(to->bare());
  const Asked asked{std::string(stanza.from), std::string(stanza.to), std::string(stanza.id)};
  const Asked* waits = *kind == Presence::SUBSCRIBE ? &asked : nullptr;

  const std::string pair = conversation_key(presence.from(), presence.to());
  auto fronts = targets(presence, pair);
  if (fronts.empty()) {
    not_taken(presence, waits, bus::failure(pb::NO_TARGET, "no SIP front is known"));
    return true;
  }
  pb::Reason reason = pb::OVERLOADED;
  if (!user_.room(fronts.size() + kFreeToWait * kept_free_, &reason)) fronts_.leave_those_there(&fronts);
  if (fronts.empty()) {
    not_taken(presence, waits, bus::failure(reason, "its SIP front is away, and too much waits already"));
  } else if (const auto room = user_.room(fronts.size() + kept_free_, &reason); !room) {
    not_taken(presence, waits, bus::failure(reason, room.error().text));
  } else {
    for (const std::string& front : fronts) submit(presence, pair, front, waits);
  }
  return true;
}

std::vector<std::string> PresenceToSip::targets(const Presence& presence, const std::string& pair) const {
  if (!is_for_one_front(presence)) return fronts_.all();
  std::string front = fronts_.of(pair);
  if (front.empty()) return {};
  return {std::move(front)};
}

void PresenceToSip::submit(const Presence& presence, const std::string& pair, const std::string& front,
                           const Asked* asked) {
  pb::Envelope envelope;
  envelope.set_conversation(conversation_of(presence, pair, front));
  envelope.set_trace_id(user_.new_trace_id());
  envelope.set_to(front);
  (is_of_device(presence.kind()) ? *envelope.mutable_xmpp_state() : *envelope.mutable_xmpp_presence()) =
      presence;
  const std::string trace_id = envelope.trace_id();
  pb::Reason reason = pb::NOT_GIVEN;
  const Time now = clock_.now();
  const auto number = user_.submit_presence(envelope, now + kBeginWithin, now + kEndWithin, &reason);
  if (!number) return not_taken(presence, asked, bus::failure(reason, number.error().text));
  ++figures_.taken;
  if (asked != nullptr) asked_[*number] = *asked;
  trace_.presence_passed(trace_id, presence.from(), presence.to(),
                         Presence::Kind_Name(presence.kind()) + ", to a mapper, for " + front,
                         clock_.wall_us());
}

void PresenceToSip::not_taken(const Presence& presence, const Asked* asked, const pb::Outcome& outcome) {
  log_.debug("{} from {} to {} is not taken: {}", Presence::Kind_Name(presence.kind()), presence.from(),
             presence.to(), outcome.text());
  if (asked != nullptr) return refuse(*asked, outcome);
  ++figures_.dropped;
}

bool PresenceToSip::ended(uint64_t number, const pb::Outcome& outcome) {
  const auto found = asked_.find(number);
  if (found == asked_.end()) return false;
  const Asked asked = std::move(found->second);
  asked_.erase(found);
  if (outcome.verdict() == pb::FAILED) refuse(asked, outcome);
  return true;
}

void PresenceToSip::stop() {
  for (const auto& [number, asked] : std::exchange(asked_, {}))
    refuse(asked, bus::failure(pb::STOPPING, "this worker stops"));
}

// He can ask again. It is no refusal by the SIP user, which would cost him his contact.
void PresenceToSip::refuse(const Asked& asked, const pb::Outcome& outcome) {
  ++figures_.refused;
  log_.info("the subscription of {} to {} is refused: {}", asked.from, asked.to, describe(outcome));
  xmpp::Stanza stanza;
  stanza.kind = xmpp::Stanza::Kind::kPresence;
  stanza.from = asked.from;
  stanza.to = asked.to;
  stanza.id = asked.id;
  xmpp::StanzaError error = to_stanza_error(outcome);
  error.by = xmpp::domain_of(asked.to);
  std::string text;
  xmpp::XmlWriter xml(text);
  xmpp::write_error(xml, stanza, error);
  (void)sender_.send(asked.to, asked.from, text);
}

}  // namespace stox::worker
