// What a room says to those who are in it.
#include <algorithm>

#include "common/base/text.h"
#include "xmpp_worker/rooms/rooms.h"
#include "xmpp_worker/rooms/sentences.h"
#include "xmpp_worker/xmpp/stanza/wordless.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {
namespace {

constexpr int kMaxSeen = 64;
constexpr Duration kEarly = std::chrono::seconds(5);

// XEP-0410 3: these errors say that we are in a room, or nothing.
bool may_be_in(std::string_view condition) {
  return condition == "service-unavailable" || condition == "feature-not-implemented" ||
         condition == "item-not-found" || condition.starts_with("remote-server-");
}

}  // namespace

bool Rooms::take_presence(const xmpp::Stanza& stanza) {
  if (settings_.which == Which::kOff) return false;
  const auto from = Jid::parse(stanza.from), to = Jid::parse(stanza.to);
  if (!from || !to) return false;
  const bool is_state = stanza.type.empty() || stanza.type == "unavailable" || stanza.is_error();
  if (!is_state) return false;
  const std::string key = key_of(to->bare(), from->bare());
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.kept.state() == pb::Membership::LEFT) {
    came_early(key, *from, stanza);
    return found != entries_.end();
  }
  Entry& e = found->second;
  if (stanza.is_error()) {
    const auto id = ids_.read_answer(stanza.id, stanza.from, stanza.to);
    const bool is_in = e.kept.state() == pb::Membership::IN;
    refused(e, xmpp::read_error(stanza.element), id ? id->payload == "nick" : is_in && !e.may_lack);
    return true;
  }
  const xmpp::RoomPresence presence = xmpp::read_room_presence(stanza.element);
  note_occupant(*from, presence.is_available);
  if (!presence.is_own) return true;  // of others nothing is shown
  presence.is_available ? entered(e, from->resource(), presence.has_code(201)) : left(e, presence);
  return true;
}

Rooms::Taken Rooms::take_message(const xmpp::Stanza& stanza, uint64_t stream) {
  if (settings_.which == Which::kOff) return Taken::kNo;
  if (stanza.type != "groupchat") return invited(stanza) ? Taken::kDone : Taken::kNo;
  const auto from = Jid::parse(stanza.from), to = Jid::parse(stanza.to);
  if (!from || !to) return Taken::kNo;
  Entry* e = find(to->bare(), from->bare());
  if (e != nullptr) return take_room_message(*e, stanza, *from, stream);
  // The refusal makes the room let him go.
  return is_stray(key_of(to->bare(), from->bare())) ? Taken::kNo : Taken::kDone;
}

// Another worker may have brought the user in just now.
bool Rooms::is_stray(const std::string& key) {
  if (user_.siblings().empty()) return true;
  if (strays_.size() >= kMaxHeld) strays_.clear();
  return now() >= strays_.try_emplace(key, now()).first->second + kEarly;
}

Rooms::Taken Rooms::take_room_message(Entry& e, const xmpp::Stanza& stanza, const Jid& from,
                                      uint64_t stream) {
  const xmpp::RoomMessage message = xmpp::read_room_message(stanza);
  const int64_t stamp_s = message.delay_s != 0 ? message.delay_s : now_s();
  const uint64_t mark = xmpp::mark_of(stanza, message);
  if (message.is_subject) {
    const std::string subject(message.subject.substr(0, kMaxSubject));
    const bool is_news = now() >= std::exchange(e.newcomer_until, Time{});
    if (std::exchange(*e.kept.mutable_subject(), subject) == subject) return Taken::kDone;
    changed(e);
    if (is_news) say_what_happened(e, topic_sentence(from.resource(), subject));
    return Taken::kDone;
  }
  if (from.resource() == e.kept.nick()) {
    if (message.delay_s == 0) user_.reflected(stanza, stream);
    if (message.delay_s == 0) see(e, mark, stamp_s, true);
    return Taken::kDone;
  }
  // Of history.
  if (message.delay_s != 0 && (is_seen(e, mark) || may_be_seen(e, message.delay_s))) return Taken::kDone;
  xmpp::read_content(stanza.element, content_);
  if (!has_words(stanza)) return Taken::kDone;
  const bool is_shown = e.bucket.take(now());
  see(e, mark, stamp_s, is_shown);
  if (!is_shown) {
    ++e.left_out;
    ++figures_.left_out;
    return Taken::kDone;
  }
  if (e.left_out > 0) say_left_out(e);
  return Taken::kForPhone;
}

// Else it is that somebody types, or has read something.
bool Rooms::has_words(const xmpp::Stanza& stanza) const {
  if (!content_.bodies.empty() || !content_.oobs.empty()) return true;
  const auto kind =
      xmpp::read_meaning(stanza, content_, [](std::string_view) { return std::string_view(); }).kind;
  return kind == xmpp::Meaning::Kind::kText || kind == xmpp::Meaning::Kind::kFile;
}

bool Rooms::is_seen(const Entry& e, uint64_t mark) const {
  return std::find(e.kept.seen().begin(), e.kept.seen().end(), mark) != e.kept.seen().end();
}

// What is older than all marks that there are.
bool Rooms::may_be_seen(const Entry& e, int64_t delay_s) const {
  const bool is_busy = e.seen_at.size() >= static_cast<std::size_t>(kMaxSeen);
  const int64_t last_s = e.lack_since_s != 0 ? e.lack_since_s : e.kept.last_stamp_s();
  return delay_s <
         (is_busy ? std::max(last_s - kSlackS, std::min(e.seen_at.front(), last_s)) : last_s - kSlackS);
}

// Anybody in the room may write a time of the future.
void Rooms::see(Entry& e, uint64_t mark, int64_t stamp_s, bool is_shown) {
  auto& seen = *e.kept.mutable_seen();
  if (seen.size() >= kMaxSeen) seen.erase(seen.begin(), seen.begin() + (seen.size() - kMaxSeen + 1));
  seen.Add(mark);
  if (e.seen_at.size() >= static_cast<std::size_t>(kMaxSeen)) e.seen_at.pop_front();
  e.seen_at.push_back(now_s());
  e.kept.set_last_stamp_s(std::max<int64_t>(e.kept.last_stamp_s(), std::min(stamp_s, now_s())));
  if (is_shown) return touched(e);
  if (!std::exchange(e.is_dirty, true)) later_.push_back(key_of(e.kept.user(), e.kept.room()));
}

// Only to rooms that he can come into.
bool Rooms::invited(const xmpp::Stanza& stanza) {
  const auto invitation = xmpp::read_room_invitation(stanza);
  if (!invitation || stanza.is_error()) return false;
  const auto room = Jid::parse(invitation->room), to = Jid::parse(stanza.to);
  if (!room || !to || room->local().empty()) return false;
  const bool is_known = settings_.which == Which::kAny && known_domains_.contains(room->domain());
  if (!may_be_room(room->domain()) || (settings_.which == Which::kAny && !is_known)) return false;
  user_.tell_phone(to->bare(), room->bare(), invitation_sentence(*invitation, settings_.command), stanza.from,
                   1);
  return true;
}

void Rooms::answered(const xmpp::StanzaId& id, const xmpp::Stanza& stanza) {
  if (settings_.which == Which::kOff) return;
  if (id.payload == "domain") {
    pb::RoomNews::Domain& domain = *news_.add_domains();
    domain.set_name(std::string(xmpp::domain_of(stanza.from)));
    domain.set_has_rooms(!stanza.is_error() && xmpp::is_room_service(stanza.element));
    user_.publish_soon();  // another worker may have asked
    return domain_answered(domain.name(), domain.has_rooms(), kDomainKnown);
  }
  const auto from = Jid::parse(stanza.from), to = Jid::parse(stanza.to);
  Entry* e = from && to ? find(to->bare(), from->bare()) : nullptr;
  if (e == nullptr) return;
  if (id.payload == "members") return members_came(*e, stanza);
  if (!stanza.is_error()) return;
  const xmpp::StanzaError error = xmpp::read_error(stanza.element);
  if (id.payload == "ping") {
    if (!may_be_in(error.condition) && e->kept.state() == pb::Membership::IN) is_out(*e, {});
  } else if (id.payload == "topic" || id.payload == "invite") {
    say(*e, "* " + speech_refusal(error, settings_.command));
  }
}

// COMPAT(ejabberd 23): it shares stanzas out between workers, and is faster than what these tell each other.
void Rooms::came_early(const std::string& key, const Jid& from, const xmpp::Stanza& stanza) {
  if (!may_be_room(from.domain())) return;
  if (stanza.type == "unavailable" || early_.size() >= kMaxHeld) return;
  Early early{from.resource(), std::nullopt, false, now() + kEarly};
  const xmpp::RoomPresence presence = xmpp::read_room_presence(stanza.element);
  if (stanza.is_error())
    early.error = xmpp::read_error(stanza.element);
  else if (!presence.is_own)
    return;
  early.is_new_room = presence.has_code(201);
  early_[key] = std::move(early);
}

void Rooms::take_early(Entry& e) {
  const auto early = early_.extract(key_of(e.kept.user(), e.kept.room()));
  if (early.empty() || early.mapped().until <= now()) return;
  early.mapped().error ? refused(e, *early.mapped().error)
                       : entered(e, early.mapped().nick, early.mapped().is_new_room);
}

// A room that lets somebody in whom nobody waits for any more would send to him for ever.
void Rooms::end_early() {
  for (auto each = early_.begin(); each != early_.end();) {
    if (each->second.until > now()) {
      ++each;
      continue;
    }
    const auto between = each->first.find(' ');
    const std::string user = each->first.substr(0, between), room = each->first.substr(between + 1);
    if (!each->second.error && find(user, room) == nullptr) {
      xml_.clear();
      xmpp::XmlWriter xml(xml_);
      const std::string occupant = user + "/" + std::string(xmpp::kOccupantResource);
      xmpp::write_leave(xml, occupant, room + "/" + each->second.nick, {});
      (void)sender_.send(occupant, room, xml_);
    }
    each = early_.erase(each);
  }
  std::erase_if(strays_, [&](const auto& each) { return each.second + std::chrono::minutes(1) <= now(); });
}

void Rooms::note_occupant(const Jid& occupant, bool is_available) {
  std::set<std::string>& nicks = occupants_[occupant.bare()];
  if (!is_available)
    nicks.erase(occupant.resource());
  else if (nicks.size() < kMaxOccupants && occupant.resource().size() <= kMaxNickOfOthers)
    nicks.insert(occupant.resource());
}

// COMPAT(prosody 0.12): its rooms name nobody. ejabberd's do, and shares presence out between workers.
void Rooms::members_came(Entry& e, const xmpp::Stanza& stanza) {
  std::vector<std::string_view> nicks;
  if (!stanza.is_error()) nicks = xmpp::read_members(stanza.element);
  if (nicks.empty()) {
    const std::set<std::string>& known = occupants_[e.kept.room()];
    nicks.assign(known.begin(), known.end());
  }
  say(e, members_answer(nicks));
}

}  // namespace stox::worker
