// What a phone writes to a room. rooms_membership.cpp has how it gets into one and out of it,
// rooms_from_xmpp.cpp what the room says, rooms_kept.cpp what outlives this process and who else knows it.
#include "xmpp_worker/rooms/rooms.h"

#include <algorithm>

#include "common/base/shortened.h"
#include "common/base/text.h"
#include "common/bus/edge/ending_of.h"
#include "xmpp_worker/outcomes/outcomes.h"
#include "xmpp_worker/rooms/command.h"
#include "xmpp_worker/rooms/sentences.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {
namespace {

using Kind = RoomCommand::Kind;

constexpr Duration kWithin = std::chrono::seconds(25);  // a message waits to come into its room
constexpr Duration kDomainAnswersWithin = std::chrono::seconds(10);
constexpr std::size_t kMaxDomains = 4096, kMaxOfDomain = 64;
constexpr std::size_t kMaxNick = 64;  // bytes

pb::Outcome refused_with(const char* type, const char* condition, std::string text) {
  return refusal({type, condition, std::move(text)}, false);
}

pb::Outcome delivered(const char* text) {
  pb::Outcome outcome;
  outcome.set_verdict(pb::DELIVERED);
  outcome.set_text(text);
  return outcome;
}

const std::string& words_of(const pb::XmppMessage& message) { return message.bodies(0).text(); }

}  // namespace

Rooms::Rooms(std::string path, xmpp::StanzaIds& ids, const Clock& clock, service::Log& log,
             service::Trace& trace, StanzaSender& sender, RoomsUser& user)
    : kept_(std::move(path)),
      ids_(ids),
      clock_(clock),
      log_(log),
      trace_(trace),
      sender_(sender),
      user_(user) {}

void Rooms::set(Settings settings) {
  settings_ = std::move(settings);
  for (auto& [key, e] : entries_) {
    const bool is_in = e.kept.state() != pb::Membership::LEFT;
    if (is_in && !may_be_room(xmpp::domain_of(e.kept.room())))
      leave(e, "The gateway does not go into rooms of this domain any more");
  }
  if (settings_.which == Which::kAny) return;
  for (auto& [domain, asked] : std::exchange(asked_, {})) {
    held_ -= asked.held.size();
    for (const Held& each : asked.held) user_.begin_again(each.envelope, each.begin_before);
  }
}

std::string Rooms::key_of(std::string_view user, std::string_view room) {
  return std::string(user).append(" ").append(room);
}

Rooms::EnvelopeKey Rooms::key_of(const pb::EnvelopeId& id) { return {id.origin(), id.epoch(), id.number()}; }

Rooms::Entry* Rooms::find(std::string_view user, std::string_view room) {
  const auto found = entries_.find(key_of(user, room));
  return found == entries_.end() || found->second.kept.state() == pb::Membership::LEFT ? nullptr
                                                                                       : &found->second;
}

Result<Rooms::Entry*> Rooms::find_or_add(const std::string& user, const std::string& room) {
  if (Entry* there = find(user, room)) return there;
  const std::string_view sip_domain = sip_domain_of(user);
  std::size_t of_user = 0, of_room = 0, of_domain = 0, all = 0;
  for (const auto& [key, each] : entries_) {
    if (each.kept.state() == pb::Membership::LEFT) continue;
    ++all;
    if (each.kept.user() == user) ++of_user;
    if (each.kept.room() == room) ++of_room;
    if (sip_domain_of(each.kept.user()) == sip_domain) ++of_domain;
  }
  if (of_user >= kMaxOfUser) return error("You are in too many rooms; leave one first");
  const bool is_over_share = all >= kMax * 3 / 4 && of_domain >= kMax / 16;
  if (of_room >= kMaxOfRoom || all >= kMax || is_over_share)
    return error("Too many phones are in rooms; try again later");
  Entry& entry = entries_[key_of(user, room)];
  const int64_t version = entry.kept.changed_us();  // of one that was left
  const bool is_dirty = entry.is_dirty;
  entry = Entry();
  entry.kept.set_changed_us(version);
  entry.is_dirty = is_dirty;
  entry.kept.set_user(user);
  entry.kept.set_room(room);
  entry.bucket = Bucket(kBurst, kRate, now());
  return &entry;
}

// --- is it a room?

bool Rooms::is_listed(std::string_view domain) const {
  const auto& domains = settings_.domains;
  return std::find(domains.begin(), domains.end(), domain) != domains.end();
}

bool Rooms::may_be_room(std::string_view domain) const {
  if (settings_.which != Which::kAny) return settings_.which == Which::kListed && is_listed(domain);
  const auto known = known_domains_.find(domain);
  return known == known_domains_.end() || known->second.first;
}

std::string_view Rooms::sip_domain_of(std::string_view user) const {
  const std::string_view local = user.substr(0, user.find('@'));
  const auto at = settings_.separator == 0 ? std::string_view::npos : local.rfind(settings_.separator);
  return at == std::string_view::npos ? user.substr(std::min(user.size(), local.size() + 1))
                                      : local.substr(at + 1);
}

Rooms::Is Rooms::is_room(const pb::XmppMessage& message) {
  if (settings_.which == Which::kOff || message.to().find('@') == std::string::npos) return Is::kNone;
  const std::string_view domain = xmpp::domain_of(message.to());
  if (settings_.which == Which::kListed) return is_listed(domain) ? Is::kRoom : Is::kNone;
  if (find(xmpp::bare_of(message.from()), xmpp::bare_of(message.to())) != nullptr) return Is::kRoom;
  const auto known = known_domains_.find(domain);
  if (known == known_domains_.end() || now() >= known->second.second) return Is::kNotKnown;
  return known->second.first ? Is::kRoom : Is::kNone;
}

void Rooms::ask_domain(const std::string& domain, const pb::Envelope& envelope, Time begin_before) {
  Asked& asked = asked_[domain];
  if (asked.held.empty()) {
    asked.until = now() + kDomainAnswersWithin;
    xml_.clear();
    xmpp::XmlWriter xml(xml_);
    xmpp::write_room_question(xml, user_.own_domain(), domain, new_id("domain", user_.own_domain(), domain));
    (void)sender_.send(user_.own_domain(), domain, xml_);
  }
  asked.held.push_back({envelope, begin_before});
  ++held_;
}

void Rooms::domain_answered(std::string_view domain, bool is_room_service, Duration known_for) {
  if (known_domains_.size() >= kMaxDomains) known_domains_.clear();
  known_domains_[std::string(domain)] = {is_room_service, now() + known_for};
  auto asked = asked_.extract(std::string(domain));
  if (asked.empty()) return;
  held_ -= asked.mapped().held.size();
  for (const Held& each : asked.mapped().held) user_.begin_again(each.envelope, each.begin_before);
}

bool Rooms::begin(const pb::Envelope& envelope, Time begin_before) {
  const pb::XmppMessage& message = envelope.xmpp_message();
  const Is is = is_room(message);
  if (is == Is::kNone) return false;
  const bool has_words = message.bodies_size() > 0 && message.receipt().kind() == pb::Receipt::NONE;
  if (is == Is::kNotKnown) {
    if (!has_words || held_ >= kMaxHeld) return false;
    const std::string domain(xmpp::domain_of(message.to()));
    if (const auto asked = asked_.find(domain);
        asked != asked_.end() && asked->second.held.size() >= kMaxOfDomain)
      return false;
    ask_domain(domain, envelope, begin_before);
    return true;
  }
  if (xmpp::has_resource(message.to())) return begin_private(envelope, begin_before);
  if (!has_words) return false;
  begin_words(envelope, begin_before);
  return true;
}

// --- words to a room

void Rooms::begin_words(const pb::Envelope& envelope, Time begin_before) {
  const pb::XmppMessage& message = envelope.xmpp_message();
  const std::string user(xmpp::bare_of(message.from()));
  const std::string& room = message.to();
  const RoomCommand asked = read_room_command(words_of(message), settings_.command);
  Entry* entry = find(user, room);
  if (asked.kind == Kind::kHelp) {
    done(envelope, "a question for help with rooms");
    return say(user, room, room_help(settings_.command));
  }
  const bool is_about_membership = asked.kind == Kind::kLeave || asked.kind == Kind::kMembers ||
                                   asked.kind == Kind::kTopic || asked.kind == Kind::kInvite ||
                                   asked.kind == Kind::kMsg;
  if (entry == nullptr && is_about_membership)
    return end(envelope,
               refused_with("modify", "not-acceptable",
                            std::string("You are not in this room; write ") + settings_.command + "join"),
               "a command to a room that its sender is not in");
  if (entry != nullptr && entry->kept.state() == pb::Membership::IN && asked.kind != Kind::kText)
    return command(*entry, envelope, begin_before);

  auto made = find_or_add(user, room);
  if (!made)
    return end(envelope, refused_with("wait", "resource-constraint", made.error().text), "not taken");
  Entry& e = **made;
  if (asked.kind == Kind::kJoin && !asked.argument.empty())
    e.kept.set_password(std::string(asked.argument.substr(0, kMaxPassword)));
  if (asked.kind == Kind::kNick) e.wanted_nick = asked.argument.substr(0, kMaxNick);
  if (e.wanted_nick.empty()) e.wanted_nick = e.kept.nick().empty() ? nick_for(message) : e.kept.nick();
  if (asked.kind == Kind::kLeave) {
    done(envelope, "leaves a room");
    return leave(e, {});
  }
  begin_message(e, {envelope, begin_before, asked.kind != Kind::kText});
}

void Rooms::begin_message(Entry& e, Held message) {
  if (e.kept.state() == pb::Membership::IN) return carry(e, std::move(message));
  const bool is_coming = e.kept.state() == pb::Membership::JOINING && now() < e.join_until;
  if (hold(e, std::move(message)) && !is_coming) join(e);
}

bool Rooms::hold(Entry& e, Held message) {
  if (e.held.size() >= kMaxHeldOfOne || held_ >= kMaxHeld) {
    end(message.envelope, bus::failure(pb::OVERLOADED, "too many messages wait to come into a room"),
        "not taken");
    return false;
  }
  message.begin_before = std::min(message.begin_before, now() + kWithin);
  e.held.push_back(std::move(message));
  ++held_;
  return true;
}

void Rooms::carry_held(Entry& e) {
  std::deque<Held> held = std::exchange(e.held, {});
  held_ -= held.size();
  for (Held& each : held) {
    const Kind kind = read_room_command(words_of(each.envelope.xmpp_message()), settings_.command).kind;
    if (!each.is_command)
      carry(e, std::move(each));
    else if (kind == Kind::kJoin)
      done(each.envelope, "came into a room");
    else
      command(e, each.envelope, each.begin_before);
  }
}

void Rooms::end_held(Entry& e, const pb::Outcome& outcome) {
  const std::deque<Held> held = std::exchange(e.held, {});
  held_ -= held.size();
  for (const Held& each : held) end(each.envelope, outcome, "its sender could not come into the room");
}

void Rooms::carry(Entry& e, Held message) {
  pb::XmppMessage& out = *message.envelope.mutable_xmpp_message();
  out.set_from(occupant_of(e));
  out.set_type("groupchat");
  out.clear_thread();
  out.clear_nick();
  out.clear_wants();
  out.clear_reply_to();
  const EnvelopeKey id = key_of(message.envelope.id());
  const pb::Envelope envelope = message.envelope;
  const Time begin_before = message.begin_before;
  carried_[id] = {key_of(e.kept.user(), e.kept.room()), std::move(message)};
  ++figures_.said;
  user_.carry(envelope, begin_before);
}

bool Rooms::ended(const pb::EnvelopeId& id, const pb::Outcome& outcome) {
  if (carried_.empty()) return false;  // as of most workers; each message ends here
  auto node = carried_.extract(key_of(id));
  if (node.empty()) return false;
  Held& message = node.mapped().held;
  const bool is_refused = outcome.verdict() == pb::FAILED && outcome.has_stanza_error();
  const auto entry = entries_.find(node.mapped().key);
  // The room does not know us: it has started anew, or has lost us otherwise.
  if (is_refused && outcome.stanza_error().condition() == "not-acceptable" && !message.is_second &&
      entry != entries_.end() && entry->second.kept.state() != pb::Membership::LEFT) {
    message.is_second = true;
    if (entry->second.kept.state() == pb::Membership::IN) is_out(entry->second, {});
    begin_message(entry->second, std::move(message));
    return true;
  }
  if (!is_refused) {
    user_.finish_of_room(id, outcome);
    return true;
  }
  pb::Outcome told = outcome;
  told.mutable_stanza_error()->set_text(
      speech_refusal(to_stanza_error(outcome.stanza_error()), settings_.command));
  user_.finish_of_room(id, told);
  return true;
}

// --- to one who is in it

bool Rooms::begin_private(const pb::Envelope& envelope, Time begin_before) {
  const pb::XmppMessage& message = envelope.xmpp_message();
  const Entry* e = find(xmpp::bare_of(message.from()), xmpp::bare_of(message.to()));
  if (e == nullptr) {
    if (message.bodies().empty()) return false;
    end(envelope,
        refused_with(
            "modify", "not-acceptable",
            std::string("You are not in this room; write ") + settings_.command + "join to it first"),
        "to one in a room that its sender is not in");
    return true;
  }
  pb::Envelope out = envelope;
  out.mutable_xmpp_message()->set_from(occupant_of(*e));
  user_.carry(out, begin_before);
  return true;
}

void Rooms::carry_private(const Entry& e, const pb::Envelope& envelope, Time begin_before,
                          const std::string& to, std::string_view text) {
  pb::Envelope out = envelope;
  pb::XmppMessage& message = *out.mutable_xmpp_message();
  message.set_from(occupant_of(e));
  message.set_to(to);
  message.set_type("chat");
  message.clear_thread();
  message.clear_nick();
  message.clear_files();
  message.clear_bodies();
  message.add_bodies()->set_text(std::string(text));
  user_.carry(out, begin_before);
}

// --- commands

void Rooms::command(Entry& e, const pb::Envelope& envelope, Time begin_before) {
  const RoomCommand asked = read_room_command(words_of(envelope.xmpp_message()), settings_.command);
  if (asked.kind == Kind::kMsg) {
    const auto to = Jid::parse(e.kept.room() + "/" + std::string(asked.argument));
    if (!to)
      return end(envelope, refused_with("modify", "jid-malformed", "There can be nobody of this name"),
                 "not sent");
    return carry_private(e, envelope, begin_before, to->str(), asked.rest);
  }
  done(envelope, "a command to a room");
  switch (asked.kind) {
    case Kind::kJoin:
      return say(e, "* You are in this room, as " + e.kept.nick());
    case Kind::kLeave:
      return leave(e, {});
    case Kind::kNick:
      if (e.kept.nick() != asked.argument) set_nick(e, asked.argument);
      return;
    case Kind::kTopic:
      return asked.argument.empty() ? say(e, topic_answer(e.kept.subject())) : set_subject(e, asked.argument);
    case Kind::kInvite:
      return invite(e, asked.argument);
    default:
      break;
  }
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  xmpp::write_members_question(xml, occupant_of(e), e.kept.room(),
                               new_id("members", occupant_of(e), e.kept.room()));
  send(e);
}

void Rooms::set_nick(Entry& e, std::string_view nick) {
  const auto occupant = Jid::parse(e.kept.room() + "/" + std::string(nick));
  if (!occupant || nick.size() > kMaxNick) return say(e, "* This cannot be a name in a room");
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  xmpp::write_nick_change(xml, occupant_of(e), occupant->str(),
                          new_id("nick", occupant_of(e), occupant->str()));
  send(e);
}

void Rooms::set_subject(Entry& e, std::string_view subject) {
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  xmpp::write_room_subject(xml, occupant_of(e), e.kept.room(), new_id("topic", occupant_of(e), e.kept.room()),
                           subject.substr(0, kMaxSubject));
  send(e);
}

void Rooms::invite(Entry& e, std::string_view typed) {
  const auto colon = typed.find(':');
  std::string whom(typed);
  if (typed.starts_with("xmpp:")) {
    whom = percent_decode(typed.substr(colon + 1)).value_or("");
  } else if (colon != std::string_view::npos) {
    const auto jid = user_.jid_of(typed);
    if (!jid) return say(e, "* " + jid.error().text);
    whom = *jid;
  }
  const auto jid = Jid::parse(whom);
  if (!jid || jid->local().empty()) return say(e, "* Nobody has the address " + shortened(whom, 100));
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  xmpp::write_room_invite(xml, occupant_of(e), e.kept.room(), new_id("invite", occupant_of(e), e.kept.room()),
                          jid->bare(), {});
  send(e);
}

// --- what they share

std::string Rooms::nick_for(const pb::XmppMessage& message) const {
  const std::string_view from = message.from();
  std::string user = unescape_localpart(from.substr(0, from.find('@')));
  if (settings_.separator != 0) user.resize(std::min(user.size(), user.rfind(settings_.separator)));
  for (const std::string& each : {std::string(message.nick()), user}) {
    const auto occupant = Jid::parse(message.to() + "/" + each);
    if (!each.empty() && each.size() <= kMaxNick && occupant) return occupant->resource();
  }
  return "phone";
}

std::string Rooms::new_id(std::string_view what, std::string_view from, std::string_view to) {
  std::string id;
  ids_.append(id, ++last_id_, std::string(1, xmpp::StanzaId::kRoom), what, from, to);
  return id;
}

void Rooms::send(const Entry& e) {
  if (!sender_.send(occupant_of(e), e.kept.room(), xml_))
    say(e, "* The room cannot be reached at the moment; try again later");
}

void Rooms::say(const Entry& e, std::string_view text) { say(e.kept.user(), e.kept.room(), text); }

void Rooms::done(const pb::Envelope& envelope, const char* decision) {
  end(envelope, delivered("done"), decision);
}

void Rooms::end(const pb::Envelope& envelope, const pb::Outcome& outcome, const char* decision) {
  trace_end(trace_, envelope, decision, outcome, clock_.wall_us());
  user_.finish_of_room(envelope.id(), outcome);
}

void Rooms::stop() {
  drop_held(pb::STOPPING, "this worker stops");
  publish();
}

void Rooms::drop_held(pb::Reason reason, const char* why) {
  const pb::Outcome outcome = bus::failure(reason, why);
  for (auto& [key, each] : entries_) end_held(each, outcome);
  for (auto& [domain, asked] : std::exchange(asked_, {})) {
    held_ -= asked.held.size();
    for (const Held& each : asked.held) end(each.envelope, outcome, "not sent");
  }
}

}  // namespace stox::worker
