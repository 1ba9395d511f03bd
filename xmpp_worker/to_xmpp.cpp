#include "xmpp_worker/to_xmpp.h"

#include <fmt/format.h>

#include <algorithm>

#include "xmpp_worker/words.h"
#include "xmpp_worker/xmpp/names.h"

namespace stox::worker {
namespace {

using service::Level;
using xmpp::Component;
using xmpp::Fate;
using xmpp::StanzaId;

constexpr Duration kPatience = std::chrono::seconds(10);  // with a stream that is not there
constexpr Duration kLookForRoom = std::chrono::milliseconds(50);

pb::Outcome failure(pb::Reason reason, std::string text) {
  pb::Outcome outcome;
  outcome.set_reason(reason);
  outcome.set_text(std::move(text));
  return outcome;
}

pb::Outcome refusal(const xmpp::StanzaError& error, bool full_jid) {
  pb::Outcome outcome;
  *outcome.mutable_stanza_error() = from_stanza_error(error, full_jid);
  outcome.set_text(error.text);
  return outcome;
}

}  // namespace

ToXmpp::ToXmpp(std::string domain, std::size_t max_held, Component& component, xmpp::StanzaIds& ids,
               const Clock& clock, service::Log& log, service::Trace& trace, ToXmppUser& user)
    : domain_(std::move(domain)),
      max_held_(max_held),
      component_(component),
      ids_(ids),
      clock_(clock),
      log_(log),
      trace_(trace),
      user_(user) {}

void ToXmpp::begin(const pb::Envelope& envelope, Time begin_before) {
  if (!envelope.has_xmpp_message())
    return end_unwritten(envelope, failure(pb::UNSUPPORTED, "a worker takes XMPP messages only"));
  if (component_.is_up() && held_.empty() && user_.has_room()) return write(envelope, begin_before);
  hold(envelope, begin_before);
}

bool ToXmpp::may_hold() const {
  if (component_.is_up()) return true;
  return !component_.is_refused() && clock_.now() - component_.down_since() < kPatience;
}

void ToXmpp::hold(const pb::Envelope& envelope, Time begin_before) {
  if (!may_hold()) return end_unwritten(envelope, link_down());
  if (held_.size() >= max_held_)
    return end_unwritten(
        envelope, failure(pb::OVERLOADED, fmt::format("{} messages wait for the XMPP stream", max_held_)));
  held_.push_back({envelope, begin_before});
  held_until_ = std::min(held_until_, begin_before);
}

pb::Outcome ToXmpp::link_down() const {
  pb::Outcome outcome = failure(pb::LINK_DOWN, "no XMPP stream: " + component_.reason());
  const Time retry = component_.retry_at();
  const auto wait_s = retry == kNever ? 2 : to_ms(retry - clock_.now()) / 1000 + 1;
  outcome.set_retry_after_s(static_cast<uint32_t>(std::clamp<int64_t>(wait_s, 2, 30)));
  return outcome;
}

void ToXmpp::write(const pb::Envelope& envelope, Time begin_before) {
  const pb::XmppMessage& message = envelope.xmpp_message();
  if (under_way_.full())
    return end_unwritten(envelope, failure(pb::OVERLOADED, "too many messages wait for XMPP servers"));
  uint64_t number = 0;
  Message& m = under_way_.take(&number);
  xmpp::Stanza stanza;
  to_stanza(message, &stanza, &content_);
  id_.clear();
  ids_.append(id_, number, message.call_id().empty() ? "m" : "mc", message.call_id(), stanza.from, stanza.to);
  stanza.id = id_;
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  xmpp::write_message(xml, stanza, content_);
  const Component::Sent sent = component_.send(stanza.from, xml_);
  if (sent != Component::Sent::kWritten) {
    under_way_.release(number);
    if (sent == Component::Sent::kTooLarge)
      return end_unwritten(envelope, refusal({"modify", "policy-violation", "Message too large"}, false));
    log_.write(Level::kError, envelope.trace_id(), "not written: from {} is not of {}", stanza.from, domain_);
    return end_unwritten(envelope,
                         refusal({"cancel", "internal-server-error", "Sender's address is not ours"}, false));
  }
  m.id = envelope.id();
  m.trace_id = envelope.trace_id();
  m.to = message.to();
  service::Hop& hop = trace_.add(&m.hop);
  hop.trace_id = envelope.trace_id();
  write_envelope_name(envelope.id().origin(), envelope.id().epoch(), envelope.id().number(), &hop.envelope);
  hop.message_id = id_;
  hop.other_id = message.call_id();
  hop.from = message.from();
  hop.to = message.to();
  hop.decision = "stanza on the component stream";
  hop.came_us = hop.went_us = clock_.wall_us();
  proof_.written(number, xmpp::domain_of(stanza.to), begin_before);
  ++figures_.written;
  user_.written();
}

// A message that ended before it was written.
void ToXmpp::end_unwritten(const pb::Envelope& envelope, const pb::Outcome& outcome) {
  ++figures_.failed;
  const pb::XmppMessage& message = envelope.xmpp_message();
  service::Hop& hop = trace_.add();
  hop.trace_id = envelope.trace_id();
  write_envelope_name(envelope.id().origin(), envelope.id().epoch(), envelope.id().number(), &hop.envelope);
  hop.other_id = message.call_id();
  hop.from = message.from();
  hop.to = message.to();
  hop.decision = "not written";
  hop.outcome = describe(outcome);
  hop.came_us = hop.ended_us = clock_.wall_us();
  log_.write(Level::kInfo, envelope.trace_id(), "to {}: not written: {}", message.to(), hop.outcome);
  user_.finish(envelope.id(), outcome);
}

void ToXmpp::end_of_wakeup() {
  write_held();
  proof_.end_of_wakeup(clock_.now());
  watch_peer();
}

void ToXmpp::watch_peer() { component_.hurry(proof_.waits(), clock_.now()); }

void ToXmpp::write_held() {
  while (!held_.empty() && component_.is_up() && user_.has_room()) {
    const Held held = std::move(held_.front());
    held_.pop_front();
    if (held.begin_before <= clock_.now()) {
      end_unwritten(held.envelope, failure(pb::DEADLINE, "waited too long for the XMPP stream"));
    } else {
      write(held.envelope, held.begin_before);
    }
  }
  if (held_.empty()) held_until_ = kNever;
}

void ToXmpp::turn() {
  const Time now = clock_.now();
  proof_.turn(now);
  watch_peer();
  if (held_.empty()) return;
  if (component_.is_up() && user_.has_room()) return user_.written();
  const bool given_up = !may_hold();
  if (!given_up && now < held_until_) return;
  held_until_ = kNever;
  for (auto each = held_.begin(); each != held_.end();) {
    if (!given_up && each->begin_before > now) {
      held_until_ = std::min(held_until_, each->begin_before);
      ++each;
      continue;
    }
    const Held held = std::move(*each);
    each = held_.erase(each);
    end_unwritten(held.envelope,
                  given_up ? link_down() : failure(pb::DEADLINE, "waited too long for the XMPP stream"));
  }
}

Time ToXmpp::next() const {
  Time at = std::min(proof_.next(), held_until_);
  if (held_.empty()) return at;
  if (component_.is_up()) return std::min(at, clock_.now() + kLookForRoom);
  return std::min(at, component_.is_refused() ? clock_.now() : component_.down_since() + kPatience);
}

void ToXmpp::stop() {
  for (const Held& each : held_) end_unwritten(each.envelope, failure(pb::STOPPING, "the worker stops"));
  held_.clear();
  proof_.stream_ended();
}

void ToXmpp::stream_up() {
  if (!held_.empty()) user_.written();
}

void ToXmpp::stream_down() { proof_.stream_ended(); }

void ToXmpp::settled(uint64_t number, Fate fate) {
  const Message* m = under_way_.find(number);
  if (m == nullptr) return;  // it was bounced
  pb::Outcome outcome;
  switch (fate) {
    case Fate::kProved:
      outcome.set_verdict(pb::DELIVERED);
      ++figures_.delivered;
      break;
    case Fate::kPassedOn:
      outcome.set_verdict(pb::PASSED_ON);
      outcome.set_text(fmt::format("{} answers no pings", xmpp::domain_of(m->to)));
      ++figures_.passed_on;
      break;
    case Fate::kDeadline:
      outcome = failure(pb::DEADLINE, fmt::format("{} did not answer in time", xmpp::domain_of(m->to)));
      ++figures_.failed;
      break;
    case Fate::kInDoubt:
      outcome = failure(pb::IN_DOUBT,
                        "the XMPP stream ended before the message was confirmed; it may have been delivered");
      ++figures_.failed;
      break;
  }
  end(number, outcome);
}

void ToXmpp::end(uint64_t number, const pb::Outcome& outcome) {
  Message& m = *under_way_.find(number);
  if (service::Hop* hop = trace_.at(m.hop)) {
    hop->outcome = describe(outcome);
    hop->ended_us = clock_.wall_us();
  }
  const Level level = outcome.verdict() == pb::FAILED ? Level::kInfo : Level::kDebug;
  if (log_.enabled(level)) log_.write(level, m.trace_id, "to {}: {}", m.to, describe(outcome));
  user_.finish(m.id, outcome);
  under_way_.release(number);
}

void ToXmpp::write_ping(const std::string& domain, uint64_t number) {
  id_.clear();
  ids_.append(id_, number, "p", {}, domain_, domain);
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  xmpp::write_ping(xml, domain_, domain, id_);
  component_.send(domain_, xml_);
}

bool ToXmpp::peer_answered_since(Time since) { return component_.last_proof_of_life() > since; }

void ToXmpp::answer(const xmpp::Stanza& stanza) {
  stanza.kind == xmpp::Stanza::Kind::kMessage ? bounce(stanza) : pong(stanza);
}

void ToXmpp::bounce(const xmpp::Stanza& stanza) {
  const xmpp::StanzaError error = xmpp::read_error(stanza.element);
  const auto id = ids_.read_answer(stanza.id, stanza.from, stanza.to);
  if (id && ids_.is_own(*id) && under_way_.find(id->number) != nullptr) {
    ++figures_.bounced;
    return end(id->number, refusal(error, xmpp::has_resource(under_way_.find(id->number)->to)));
  }
  if (!id) return log_.debug("an error from {} for a stanza that we did not write to it", stanza.from);
  ++figures_.late_errors;
  log_.info("{} refused message {} after it had been answered: {}", stanza.from, stanza.id, error.condition);
}

void ToXmpp::pong(const xmpp::Stanza& stanza) {
  const auto id = ids_.read_answer(stanza.id, stanza.from, stanza.to);
  if (!id || !id->has(StanzaId::kPing) || !ids_.is_own(*id)) return;
  const auto from = xmpp::domain_of(stanza.from);
  proof_.answered(id->number, from == domain_ ? xmpp::domain_of(stanza.to) : from);
  watch_peer();
}

}  // namespace stox::worker
