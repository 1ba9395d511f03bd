// What comes for stanzas that any worker of our domains wrote: for our own, or handed over to the one that
// waits for it.
#include <algorithm>
#include <utility>

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
  if (id->has(xmpp::StanzaId::kRoom)) return rooms_.answered(*id, stanza);
  const bool to_message = stanza.kind == xmpp::Stanza::Kind::kMessage;
  xmpp::StanzaError error;
  if (stanza.is_error()) error = xmpp::read_error(stanza.element);
  if (ids_.is_own(*id) || id->worker == edge().name())
    return to_xmpp_.answer(*id, {to_message, stanza.id, stanza.from, stanza.to, std::move(error), 0});
  answer_.Clear();
  answer_.set_to_message(to_message);
  answer_.set_id(stanza.id.data(), stanza.id.size());
  answer_.set_from(stanza.from.data(), stanza.from.size());
  answer_.set_to(stanza.to.data(), stanza.to.size());
  if (stanza.is_error()) *answer_.mutable_error() = from_stanza_error(error, false);
  hand_over(*id, stream);
}

void Worker::hand_over(const xmpp::StanzaId& id, uint64_t stream) {
  pb::HandOver hand_over;
  hand_over.set_stream(stream);
  answer_.SerializeToString(hand_over.mutable_payload());
  if (!edge().hand_overs().put(id.worker, id.epoch, std::move(hand_over))) hand_overs_lost();
  ++handed_over_;
}

// A room shows to its occupant what any worker wrote for him.
void Worker::reflected(const xmpp::Stanza& stanza, uint64_t stream) {
  const auto id = ids_.read_answer(stanza.id, stanza.from, stanza.to);
  if (!id || !id->has(xmpp::StanzaId::kMessage)) return;
  if (ids_.is_own(*id)) return to_xmpp_.reflected(*id);
  if (id->worker == edge().name()) return;  // the process before us had written it
  answer_.Clear();
  answer_.set_to_message(true);
  answer_.set_reflected(true);
  answer_.set_id(stanza.id.data(), stanza.id.size());
  answer_.set_from(stanza.from.data(), stanza.from.size());
  answer_.set_to(stanza.to.data(), stanza.to.size());
  hand_over(*id, stream);
}

void Worker::handed_over(const pb::HandOver& hand_over) {
  notice_standstill();
  if (hand_over.has_known_connection()) {
    others_.known_by(hand_over.from(), hand_over.known_connection().connection());
    return let_connect();
  }
  if (hand_over.has_room_news()) {
    rooms_.news(hand_over.room_news());
    return arrange();
  }
  const uint64_t connection = streams_->backend() == pb::COMPONENT
                                  ? OtherWorkers::connection(hand_over.from(), hand_over.stream())
                                  : 0;
  if (!answer_.ParseFromString(hand_over.payload())) return;
  const auto id = ids_.read_answer(answer_.id(), answer_.from(), answer_.to());
  if (!id) return;
  if (id->has(xmpp::StanzaId::kKeepalive)) {
    const auto& known = others_.connections();
    const bool is_known = std::find(known.begin(), known.end(), connection) != known.end();
    if (ids_.is_own(*id) && is_known) streams_->keepalive_came_elsewhere(id->number);
    return;
  }
  if (answer_.reflected()) return to_xmpp_.reflected(*id);
  to_xmpp_.answer(*id, {answer_.to_message(), answer_.id(), answer_.from(), answer_.to(),
                        to_stanza_error(answer_.error()), connection});
  arrange();
}

// Answers that are handed over from now on must not seem to have nothing missing before them.
void Worker::hand_overs_lost() {
  streams_->renew_connection();
  rooms_.tell_all_again();
}

}  // namespace stox::worker
