#include "xmpp_worker/page/to_xmpp.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/bus/edge/ending_of.h"
#include "xmpp_worker/outcomes/outcomes.h"
#include "xmpp_worker/page/words.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {
namespace {

using service::Level;
using xmpp::Fate;
using xmpp::Path;
using xmpp::StanzaId;

constexpr Duration kPatience = std::chrono::seconds(10);         // with a path that is not up
constexpr Duration kTypingHolds = std::chrono::seconds(120);     // RFC 3994 3.3
constexpr Duration kLookAtHeld = std::chrono::milliseconds(50);  // has it room, is it time?
constexpr Duration kReflectsWithin = std::chrono::seconds(3);    // of a room whose server has answered a ping

}  // namespace

ToXmpp::ToXmpp(std::size_t max_held, xmpp::StanzaIds& ids, Contacts& contacts, const Clock& clock,
               service::Log& log, service::Trace& trace, ToXmppUser& user)
    : max_held_(max_held),
      ids_(ids),
      contacts_(contacts),
      clock_(clock),
      log_(log),
      trace_(trace),
      user_(user) {}

ToXmpp::Way& ToXmpp::way_of(Path& path) {
  if (Way* known = find(path)) return *known;
  const uint64_t number = ++last_way_;
  const auto made = ways_.emplace(std::piecewise_construct, std::forward_as_tuple(number),
                                  std::forward_as_tuple(*this, number, path));
  Way& way = made.first->second;
  way.proof.set_others(others_);
  by_path_[&path] = &way;
  return way;
}

ToXmpp::Way* ToXmpp::find(const Path& path) {
  const auto found = by_path_.find(&path);
  return found == by_path_.end() ? nullptr : found->second;
}

void ToXmpp::begin(const pb::Envelope& envelope, Time begin_before) {
  if (!envelope.has_xmpp_message())
    return end_unwritten(envelope, bus::failure(pb::UNSUPPORTED, "a worker takes XMPP messages only"));
  const pb::XmppMessage& message = envelope.xmpp_message();
  if (message.state() != pb::XmppMessage::NO_STATE && message.bodies().empty()) return show_typing(envelope);
  message.receipt().kind() != pb::Receipt::NONE ? begin_receipts(envelope, begin_before)
                                                : carry(envelope, begin_before);
}

// Of those that somebody waits for.
void ToXmpp::begin_receipts(const pb::Envelope& envelope, Time begin_before) {
  const pb::XmppMessage& message = envelope.xmpp_message();
  pb::Envelope wanted = envelope;
  pb::XmppMessage& kept = *wanted.mutable_xmpp_message();
  kept.clear_receipt();
  kept.clear_more_receipts();
  const auto keep = [&](const pb::Receipt& receipt) {
    if (is_wanted(message, receipt))
      *(kept.has_receipt() ? kept.add_more_receipts() : kept.mutable_receipt()) = receipt;
  };
  keep(message.receipt());
  for (const pb::Receipt& receipt : message.more_receipts()) keep(receipt);
  if (kept.has_receipt()) return carry(wanted, begin_before);
  pb::Outcome outcome;
  outcome.set_verdict(pb::DELIVERED);
  outcome.set_text("a notification that nobody waits for: taken in");
  user_.finish(envelope.id(), outcome);
}

void ToXmpp::carry(const pb::Envelope& envelope, Time begin_before) {
  const pb::XmppMessage& message = envelope.xmpp_message();
  Path* path = user_.path(xmpp::domain_of(message.from()), xmpp::domain_of(message.to()));
  if (path == nullptr)
    return end_unwritten(envelope, bus::failure(pb::OVERLOADED, "there is no room for another XMPP stream"));
  Way& way = way_of(*path);
  const bool at_once = path->is_up() && way.held.empty() && path->has_room();
  at_once ? write(way, envelope, begin_before) : hold(way, envelope, begin_before);
}

bool may_hold(const Path& path, Time now) {
  if (path.is_up()) return true;
  return !path.is_refused() && now - path.down_since() < kPatience;
}

void ToXmpp::hold(Way& way, const pb::Envelope& envelope, Time begin_before) {
  if (!may_hold(way.path, clock_.now()))
    return end_unwritten(envelope, path_down_outcome(way.path, clock_.now()));
  if (held_ >= max_held_)
    return end_unwritten(
        envelope, bus::failure(pb::OVERLOADED, fmt::format("{} messages wait for XMPP streams", max_held_)));
  way.held.push_back({envelope, begin_before});
  ++held_;
  arrange(way);
}

void ToXmpp::write(Way& way, const pb::Envelope& envelope, Time begin_before) {
  const pb::XmppMessage& message = envelope.xmpp_message();
  if (under_way_.full())
    return end_unwritten(envelope, bus::failure(pb::OVERLOADED, "too many messages wait for XMPP servers"));
  uint64_t number = 0;
  Message& m = under_way_.take(&number);
  Path::Sent sent = Path::Sent::kWritten;
  const IdContent id = message.receipt().kind() != pb::Receipt::NONE
                           ? write_receipts(way, message, number)
                           : write_words(way, message, number, sent);
  if (sent == Path::Sent::kWritten) sent = way.path.send(message.from(), xml_);
  if (sent != Path::Sent::kWritten) {
    under_way_.release(number);
    if (sent == Path::Sent::kTooLarge) {
      pb::Outcome outcome = refusal({"modify", "policy-violation", "Message too large"}, false);
      outcome.mutable_stanza_error()->set_too_large(true);
      return end_unwritten(envelope, outcome);
    }
    log_.write(Level::kError, envelope.trace_id(), "not written: from {} is not of {}", message.from(),
               way.path.own_domain());
    return end_unwritten(envelope,
                         refusal({"cancel", "internal-server-error", "Sender's address is not ours"}, false));
  }
  m.id = envelope.id();
  m.trace_id = envelope.trace_id();
  m.to = message.to();
  m.is_to_room = message.type() == "groupchat";
  m.sip_id = message.wants().failed() ? message.wants().id() : std::string();
  if (id.flags.find(StanzaId::kImdn) != std::string::npos && message.wants().displayed()) {
    auto& unread = contacts_.get(message.to(), message.from()).unread;
    if (unread.size() >= Contacts::kMaxUnread) unread.pop_front();
    unread.push_back({id_, {}});
    unread.back().message.set_id(message.wants().id());
    unread.back().message.set_date_s(message.wants().date_s());
  }
  service::TraceHop& hop = trace_.add(&m.hop);
  hop.trace_id = envelope.trace_id();
  write_envelope_name(envelope.id().origin(), envelope.id().epoch(), envelope.id().number(), &hop.envelope);
  hop.message_id = id_;
  hop.other_id = message.call_id();
  if (m.is_to_room) hop.room = message.to();
  hop.from = message.from();
  hop.to = message.to();
  hop.decision = "stanza written";
  hop.came_us = hop.went_us = clock_.wall_us();
  trace_.show(hop, message.bodies_size() > 0 ? message.bodies(0).text() : std::string_view());
  way.proof.written(number, xmpp::domain_of(message.to()), begin_before);
  ++figures_.written;
}

// Its id is in id_. What the contact showed decides on thread, type and chat states. Clients show a file only
// where it stands alone: words beside it, and each of several files, go as a stanza of their own.
IdContent ToXmpp::write_words(Way& way, const pb::XmppMessage& message, uint64_t number, Path::Sent& sent) {
  xmpp::Stanza stanza;
  to_stanza(message, &stanza, &content_);
  const IdContent id = id_content(message);
  const std::string_view written_to = xmpp::resource_of(message.to());
  const bool is_to_room = message.type() == "groupchat";  // whose occupants show nothing to one of them
  Contact* contact = is_to_room           ? nullptr
                     : written_to.empty() ? contacts_.find(message.to(), message.from())
                                          : &contacts_.get(message.to(), message.from());
  if (!content_.nick.empty() && content_.nick.size() <= Contacts::kMaxName) {
    if (contact == nullptr) contact = &contacts_.get(message.to(), message.from());
    if (contact->sip_name == content_.nick)
      content_.nick = {};  // told already (XEP-0172 4.2)
    else
      contact->sip_name = content_.nick;
  }
  if (contact != nullptr) {
    contact->written_to = written_to;
    if (!contact->thread.empty()) content_.thread = contact->thread;
    if (contact->chat) stanza.type = "chat";
    contact->sees_typing = false;
  }
  if (stanza.type == "chat" &&
      (contact == nullptr || contact->states_of(stanza.to) != Contact::States::kTellsNot))
    content_.state = "active";
  // What a phone answers is found again if its writer wanted to hear of it: the id says it all.
  const auto answered = message.reply_to().empty()
                            ? std::nullopt
                            : asked_by(ids_, message.reply_to(), message.from(), message.to());
  if (answered) {
    content_.reply_to = answered->id;
    content_.reply_to_sender = answered->from;
  }
  const bool asks = id.flags.find(StanzaId::kImdn) != std::string::npos;  // else no answer would find back
  const bool wants_receipt = content_.wants_receipt && asks, wants_marker = content_.wants_marker && asks;
  content_.wants_receipt = content_.wants_marker = false;
  const auto compose = [&](const IdContent& own) {
    id_.clear();
    ids_.append(id_, number, own.flags, own.payload, stanza.from, stanza.to);
    stanza.id = id_;
    xml_.clear();
    xmpp::XmlWriter xml(xml_);
    xmpp::write_message(xml, stanza, content_);
    if (!content_.bodies.empty())
      contacts_.recent_words().note(message.to(), message.from(), id_, content_.bodies.front().text);
  };
  const auto send_first = [&](int which) {
    compose({std::string(1, StanzaId::kMessage), std::to_string(which)});
    sent = way.path.send(stanza.from, xml_);
    content_.subjects.clear();
    content_.reply_to = content_.reply_to_sender = {};  // the first says it
    return sent == Path::Sent::kWritten;
  };
  if (!message.files().empty()) {
    const std::string_view words = words_beside_files(message);
    content_.bodies.assign(1, {{}, words});
    if (!words.empty() && !send_first(0)) return id;
    for (int i = 0; i < message.files_size(); ++i) {
      content_.file = to_file(message.files(i));
      content_.bodies.assign(1, {{}, content_.file->url});
      if (i + 1 < message.files_size() && !send_first(i + 1)) return id;
    }
  }
  content_.wants_receipt = wants_receipt;
  content_.wants_marker = wants_marker;
  compose(id);
  content_.reply_to = content_.reply_to_sender = {};
  return id;
}

// One answer of each kind to a message is told, though there may be one of each of the recipient's phones.
bool ToXmpp::is_wanted(const pb::XmppMessage& message, const pb::Receipt& receipt) {
  const auto asked = asked_by(ids_, receipt.id(), message.from(), message.to());
  if (!asked) return false;
  const bool received = receipt.kind() == pb::Receipt::DELIVERED || receipt.kind() == pb::Receipt::DISPLAYED;
  if (!received) return contacts_.first(receipt.id(), pb::Receipt::FAILED);
  const bool displayed = receipt.kind() == pb::Receipt::DISPLAYED && asked->displayed;
  if (!displayed && !asked->received) return false;
  return contacts_.first(receipt.id(), displayed ? pb::Receipt::DISPLAYED : pb::Receipt::DELIVERED);
}

IdContent ToXmpp::write_receipts(Way& way, const pb::XmppMessage& message, uint64_t number) {
  write_receipt(way, message, message.receipt(), number);
  for (const pb::Receipt& receipt : message.more_receipts()) {
    way.path.send(message.from(), xml_);
    write_receipt(way, message, receipt, number);
  }
  return {std::string(1, StanzaId::kStatus), {}};
}

// To the very client that asked.
void ToXmpp::write_receipt(Way& way, const pb::XmppMessage& message, const pb::Receipt& receipt,
                           uint64_t number) {
  const Asked asked = asked_by(ids_, receipt.id(), message.from(), message.to()).value_or(Asked());
  xmpp::Stanza stanza;
  stanza.from = message.from();
  stanza.to = asked.from;
  const auto write = [&](std::string_view received, std::string_view displayed) {
    id_.clear();
    // Of several stanzas with one number each has an id of its own.
    const std::string which = received.empty() ? "d" + asked.id : asked.id;
    ids_.append(id_, number, std::string(1, StanzaId::kStatus), which, stanza.from, stanza.to);
    stanza.id = id_;
    stanza.type = asked.chat ? "chat" : "normal";
    content_.clear();
    content_.received = received;
    content_.displayed = displayed;
    xml_.clear();
    xmpp::XmlWriter xml(xml_);
    xmpp::write_message(xml, stanza, content_);
  };
  if (receipt.kind() == pb::Receipt::DELIVERED || !asked.displayed) {
    write(asked.id, {});
  } else if (receipt.kind() == pb::Receipt::DISPLAYED) {
    if (asked.received && contacts_.first(receipt.id(), pb::Receipt::DELIVERED)) {
      write(asked.id, {});
      way.path.send(stanza.from, xml_);
    }
    write({}, asked.id);
  }
  if (receipt.kind() != pb::Receipt::DELIVERED && receipt.kind() != pb::Receipt::DISPLAYED) {
    xmpp::Stanza failed;
    failed.from = asked.from;
    failed.to = message.from();
    failed.id = id_ = asked.id;
    xml_.clear();
    xmpp::XmlWriter xml(xml_);
    const bool forbidden = receipt.kind() == pb::Receipt::FORBIDDEN;
    const bool unavailable = receipt.kind() == pb::Receipt::FAILED;
    xmpp::write_error(xml, failed,
                      {forbidden     ? "auth"
                       : unavailable ? "wait"
                                     : "cancel",
                       forbidden     ? "forbidden"
                       : unavailable ? "recipient-unavailable"
                                     : "internal-server-error",
                       "The recipient was not reached after all", std::string(way.path.own_domain())});
  }
}

// Never waits, and nobody hears how it ended.
void ToXmpp::show_typing(const pb::Envelope& envelope) {
  const pb::XmppMessage& message = envelope.xmpp_message();
  Contact* contact = contacts_.find(message.to(), message.from());
  const auto states = contact == nullptr ? Contact::States::kUnknown : contact->states_of(message.to());
  if (states != Contact::States::kTells && states != Contact::States::kAssumed) {
    ++figures_.typing_dropped;
  } else if (message.state() == pb::XmppMessage::COMPOSING) {
    const bool news = !contact->sees_typing;
    const auto holds = std::chrono::seconds(message.state_holds_s());
    contacts_.typing_begins(*contact, holds.count() > 0 ? Duration(holds) : kTypingHolds);
    contact->typing_from = message.from();
    contact->typing_to = message.to();
    // The very client that shows states, not all of the person's.
    if (const auto client = contact->client_for_typing();
        !xmpp::has_resource(message.to()) && !client.empty())
      contact->typing_to.append("/").append(client);
    if (news) write_state(*contact, "composing");
  } else if (std::exchange(contact->sees_typing, false)) {
    write_state(*contact, "paused");
  }
  if (envelope.lossy()) return;
  pb::Outcome outcome;
  outcome.set_verdict(pb::DELIVERED);
  user_.finish(envelope.id(), outcome);
}

void ToXmpp::write_state(Contact& contact, std::string_view state) {
  Path* path = user_.path(xmpp::domain_of(contact.typing_from), xmpp::domain_of(contact.typing_to));
  if (path == nullptr || !path->is_up() || !path->has_room()) {
    contact.sees_typing = false;
    return void(++figures_.typing_dropped);
  }
  xmpp::Stanza stanza;
  stanza.from = contact.typing_from;
  stanza.to = contact.typing_to;
  stanza.type = "chat";
  id_.clear();
  ids_.append(id_, 0, std::string(1, StanzaId::kStatus), {}, stanza.from, stanza.to);
  stanza.id = id_;
  content_.clear();
  content_.state = state;
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  xmpp::write_message(xml, stanza, content_);
  path->send(stanza.from, xml_);
  ++figures_.typing;
}

// A message that ended before it was written.
void ToXmpp::end_unwritten(const pb::Envelope& envelope, const pb::Outcome& outcome) {
  ++figures_.failed;
  const pb::XmppMessage& message = envelope.xmpp_message();
  const service::TraceHop& hop = trace_end(trace_, envelope, "not written", outcome, clock_.wall_us());
  if (failure_lines_.take(log_, clock_.now()))
    log_.tell(Level::kInfo,
              {envelope.trace_id(), message.from(), message.to(), outcome.stanza_error().condition(),
               bus::reason_of(outcome)},
              "to {}: not written: {}", message.to(), hop.outcome);
  user_.finish(envelope.id(), outcome);
}

void ToXmpp::about_to_write(Path& path) {
  Way* way = find(path);
  if (way == nullptr) return;
  write_held(*way);
  way->proof.end_of_wakeup(clock_.now(), path.is_sure());
  arrange(*way);
}

void ToXmpp::write_held(Way& way) {
  while (!way.held.empty() && way.path.is_up() && way.path.has_room()) {
    const Held held = std::move(way.held.front());
    way.held.pop_front();
    --held_;
    if (held.begin_before <= clock_.now()) {
      end_unwritten(held.envelope, bus::failure(pb::DEADLINE, "waited too long for the XMPP stream"));
    } else {
      write(way, held.envelope, held.begin_before);
    }
  }
}

void ToXmpp::turn() {
  while (Contact* contact = contacts_.typing_expired()) write_state(*contact, "paused");
  end_unreflected(clock_.now());
  while (const auto number = due_.pop_due(clock_.now())) {
    const auto found = ways_.find(*number);
    if (found != ways_.end() && found->second.turn_at <= clock_.now()) turn(found->second);
  }
}

void ToXmpp::turn(Way& way) {
  way.turn_at = kNever;
  way.proof.turn(clock_.now());
  if (!way.held.empty()) {
    end_held(way);
    if (way.path.is_up() && way.path.has_room()) way.path.write_soon();
  }
  arrange(way);
}

void ToXmpp::end_held(Way& way) {
  const Time now = clock_.now();
  const bool given_up = !may_hold(way.path, now);
  for (auto each = way.held.begin(); each != way.held.end();) {
    if (!given_up && each->begin_before > now) {
      ++each;
      continue;
    }
    const Held held = std::move(*each);
    each = way.held.erase(each);
    --held_;
    end_unwritten(held.envelope, given_up
                                     ? path_down_outcome(way.path, clock_.now())
                                     : bus::failure(pb::DEADLINE, "waited too long for the XMPP stream"));
  }
}

void ToXmpp::arrange(Way& way) {
  const Time now = clock_.now();
  way.path.hurry(way.proof.waits(), now);
  const Time at = std::min(way.proof.next(), way.held.empty() ? kNever : now + kLookAtHeld);
  if (at >= way.turn_at) return;
  way.turn_at = at;
  due_.add(at, way.number);
}

void ToXmpp::stop() {
  drop_held(pb::STOPPING, "this worker stops");
  for (auto& [number, way] : ways_) way.proof.stream_ended();
  end_unreflected(kNever);
}

void ToXmpp::drop_held(pb::Reason reason, const char* why) {
  for (auto& [number, way] : ways_) {
    for (const Held& each : std::exchange(way.held, {}))
      end_unwritten(each.envelope, bus::failure(reason, why));
  }
  held_ = 0;
}

void ToXmpp::path_up(Path& path) {
  const Way* way = find(path);
  if (way != nullptr && !way->held.empty()) path.write_soon();
}

void ToXmpp::path_down(Path& path) {
  Way* way = find(path);
  if (way == nullptr) return;
  way->proof.stream_ended();
  // What had found no room is a reason for another stream.
  if (!way->held.empty())
    (void)user_.path(path.own_domain(), xmpp::domain_of(way->held.front().envelope.xmpp_message().to()));
}

void ToXmpp::path_gone(Path& path) {
  Way* way = find(path);
  if (way == nullptr) return;
  way->proof.stream_ended();
  held_ -= way->held.size();
  for (const Held& each : std::exchange(way->held, {}))
    end_unwritten(each.envelope, path_down_outcome(path, clock_.now()));
  by_path_.erase(&path);
  ways_.erase(way->number);
}

std::size_t ToXmpp::mute_domains() const {
  std::size_t sum = 0;
  for (const auto& [number, way] : ways_) sum += way.proof.mute_domains();
  return sum;
}

void ToXmpp::settled(uint64_t number, Fate fate) {
  const Message* m = under_way_.find(number);
  if (m == nullptr) return;  // it was bounced
  // COMPAT(ejabberd 23): each room is a process of its own, which the answer to a ping may overtake.
  if (m->is_to_room && fate != Fate::kDeadline && fate != Fate::kInDoubt)
    return unreflected_.push_back({number, clock_.now() + kReflectsWithin});
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
    case Fate::kUnsure:
      outcome.set_verdict(pb::PASSED_ON);
      outcome.set_text("a refusal may have been lost on another worker's connection");
      ++figures_.passed_on;
      break;
    case Fate::kDeadline:
      outcome = bus::failure(pb::DEADLINE, fmt::format("{} did not answer in time", xmpp::domain_of(m->to)));
      ++figures_.failed;
      break;
    case Fate::kInDoubt:
      outcome = bus::failure(
          pb::IN_DOUBT, "the XMPP stream ended before the message was confirmed; it may have been delivered");
      ++figures_.failed;
      break;
  }
  end(number, outcome);
}

void ToXmpp::end(uint64_t number, const pb::Outcome& outcome) {
  Message& m = *under_way_.find(number);
  std::string_view from;
  if (service::TraceHop* hop = trace_.at(m.hop)) {
    from = hop->from;
    hop->outcome = describe(outcome);
    hop->ended_us = clock_.wall_us();
    trace_.show(*hop);
  }
  const Level level = outcome.verdict() == pb::FAILED ? Level::kInfo : Level::kDebug;
  if (log_.enabled(level) && (level == Level::kDebug || failure_lines_.take(log_, clock_.now())))
    log_.tell(level, {m.trace_id, from, m.to, outcome.stanza_error().condition(), bus::reason_of(outcome)},
              "to {}: {}", m.to, describe(outcome));
  // Who is told of a failure in the answer is not told of it again (RFC 5438 12.1.3.1).
  if (outcome.verdict() == pb::FAILED && !m.sip_id.empty()) {
    for (const auto kind : {pb::Receipt::FAILED, pb::Receipt::FORBIDDEN, pb::Receipt::ERROR})
      contacts_.first(m.sip_id, kind);
  }
  user_.finish(m.id, outcome);
  under_way_.release(number);
}

// A message of several stanzas (write_words) is there with its last one.
void ToXmpp::reflected(const StanzaId& id) {
  const bool is_last = id.has(StanzaId::kCallId) || id.has(StanzaId::kImdn) || id.payload.empty();
  if (!is_last || !ids_.is_own(id) || under_way_.find(id.number) == nullptr) return;
  pb::Outcome outcome;
  outcome.set_verdict(pb::DELIVERED);
  outcome.set_text("the room has shown it");
  ++figures_.delivered;
  end(id.number, outcome);
}

void ToXmpp::end_unreflected(Time until) {
  while (!unreflected_.empty() && unreflected_.front().until <= until) {
    const uint64_t number = unreflected_.front().number;
    unreflected_.pop_front();
    if (under_way_.find(number) == nullptr) continue;
    pb::Outcome outcome;
    outcome.set_verdict(pb::PASSED_ON);
    outcome.set_text("its server has it, and the room has not shown it");
    ++figures_.passed_on;
    end(number, outcome);
  }
}

void ToXmpp::write_ping(const Way& way, const std::string& to, uint64_t ping) {
  id_.clear();
  ids_.append(id_, ping, "p", std::to_string(way.number), way.path.own_domain(), to);
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  xmpp::write_ping(xml, way.path.own_domain(), to, id_);
  way.path.send(way.path.own_domain(), xml_);
}

void ToXmpp::answer(const StanzaId& id, const Answer& answer) {
  answer.to_message ? bounce(id, answer) : pong(id, answer);
}

void ToXmpp::bounce(const StanzaId& id, const Answer& answer) {
  if (ids_.is_own(id) && under_way_.find(id.number) != nullptr) {
    ++figures_.bounced;
    return end(id.number, refusal(answer.error, xmpp::has_resource(under_way_.find(id.number)->to)));
  }
  if (!id.has(StanzaId::kMessage)) {  // of typing or a receipt
    Contact* contact = contacts_.find(answer.from, answer.to);
    if (contact != nullptr && xmpp::has_resource(answer.from))
      contact->shows(answer.from, Contact::States::kTellsNot);
    return;
  }
  ++figures_.late_errors;
  user_.refused_late(id, answer);
  log_.info("{} refused message {} after it had been answered: {}", answer.from, answer.id,
            answer.error.condition);
}

void ToXmpp::pong(const StanzaId& id, const Answer& answer) {
  if (!id.has(StanzaId::kPing) || !ids_.is_own(id)) return;
  const auto number = parse_number(id.payload, 1, UINT64_MAX);
  const auto found = number ? ways_.find(*number) : ways_.end();
  if (found == ways_.end()) return;
  Way& way = found->second;
  const auto from = xmpp::domain_of(answer.from);
  const bool swapped = from != way.path.own_domain();
  way.proof.answered(id.number, swapped ? from : xmpp::domain_of(answer.to), answer.connection);
  arrange(way);
}

void ToXmpp::set_others(std::vector<uint64_t> connections) {
  others_ = std::move(connections);
  for (auto& [number, way] : ways_) way.proof.set_others(others_);
}

void ToXmpp::other_lost() {
  for (auto& [number, way] : ways_) {
    way.proof.other_lost(clock_.now());
    arrange(way);
  }
}

}  // namespace stox::worker
