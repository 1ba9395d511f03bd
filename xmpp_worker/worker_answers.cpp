// What comes for stanzas that any worker of our domains wrote: for our own, or handed over to the one that
// waits for it.
#include <algorithm>

#include "common/base/text.h"
#include "xmpp_worker/outcomes/outcomes.h"
#include "xmpp_worker/worker.h"

namespace stox::worker {

// Of a stanza that any worker of our domains wrote.
void Worker::answered(xmpp::Stanza stanza, uint64_t stream) {
  std::string from, to;
  auto id = ids_.read_answer(stanza.id, stanza.from, stanza.to);
  if (!id) {
    // COMPAT(Openfire): it writes a domain with A-labels, however it was written to.
    from = prepared_address(stanza.from);
    to = prepared_address(stanza.to);
    stanza.from = from;
    stanza.to = to;
    id = ids_.read_answer(stanza.id, from, to);
  }
  if (!id) return context_.log.debug("an answer from {} to a stanza that nobody here wrote", stanza.from);
  if (id->has(xmpp::StanzaId::kVcard)) return names_.vcard_came(stanza);
  const bool to_message = stanza.kind == xmpp::Stanza::Kind::kMessage;
  xmpp::StanzaError error;
  if (stanza.is_error()) error = xmpp::read_error(stanza.element);
  if (ids_.is_own(*id) || id->worker == edge().name())
    return to_xmpp_.answer(*id, {to_message, stanza.id, stanza.from, stanza.to, std::move(error), 0});
  hand_over_.Clear();
  hand_over_.set_to_message(to_message);
  hand_over_.set_id(stanza.id.data(), stanza.id.size());
  hand_over_.set_from(stanza.from.data(), stanza.from.size());
  hand_over_.set_to(stanza.to.data(), stanza.to.size());
  if (stanza.is_error()) *hand_over_.mutable_error() = from_stanza_error(error, false);
  hand_over_.SerializeToString(&payload_);
  if (!edge().hand_over(id->worker, id->epoch, stream, payload_)) hand_overs_lost();
  ++handed_over_;
}

void Worker::handed_over(const std::string& from, uint64_t stream, std::string_view payload) {
  notice_standstill();
  if (stream == OtherWorkers::kKnownConnections) {
    others_.known_by(from, parse_number(payload, 0, UINT64_MAX).value_or(0));
    return let_connect();
  }
  const uint64_t connection =
      streams_->backend() == pb::COMPONENT ? OtherWorkers::connection(from, stream) : 0;
  if (!hand_over_.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return;
  const auto id = ids_.read_answer(hand_over_.id(), hand_over_.from(), hand_over_.to());
  if (!id) return;
  if (id->has(xmpp::StanzaId::kKeepalive)) {
    const auto& known = others_.connections();
    const bool is_known = std::find(known.begin(), known.end(), connection) != known.end();
    if (ids_.is_own(*id) && is_known) streams_->keepalive_came_elsewhere(id->number);
    return;
  }
  const pb::StanzaError& error = hand_over_.error();
  to_xmpp_.answer(*id, {hand_over_.to_message(), hand_over_.id(), hand_over_.from(), hand_over_.to(),
                        to_stanza_error(error), connection});
  arrange();
}

// Answers that are handed over from now on must not seem to have nothing missing before them.
void Worker::hand_overs_lost() { streams_->renew_connection(); }

}  // namespace stox::worker
