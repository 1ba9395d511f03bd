// How a SIP user gets into a room, stays there, and gets out.
#include <algorithm>
#include <array>

#include "common/base/hash.h"
#include "common/bus/edge/ending_of.h"
#include "xmpp_worker/outcomes/outcomes.h"
#include "xmpp_worker/rooms/command.h"
#include "xmpp_worker/rooms/rooms.h"
#include "xmpp_worker/rooms/sentences.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {
namespace {

using pb::Membership;

constexpr Duration kJoinWithin = std::chrono::seconds(25);
constexpr Duration kLooks = std::chrono::minutes(15);  // whether we are still in it (XEP-0410)
constexpr Duration kFirstTry = std::chrono::seconds(2), kLongestTry = std::chrono::minutes(15);
constexpr Duration kStays = std::chrono::minutes(5);  // after which the tries begin anew
constexpr Duration kMute = std::chrono::seconds(30);  // a domain that has not answered is not asked again
constexpr int kMaxNickTries = 6;
constexpr Duration kAsksAgain = std::chrono::seconds(5);
constexpr int kMaxAskedAgain = 5;
constexpr int kMaxLooks = 100;                                      // a second
constexpr int64_t kLeftForUs = int64_t{7} * 24 * 3600 * 1'000'000;  // is kept, to be told
// A phone that is never there any more.
constexpr uint32_t kMaxFailures = 20;
constexpr int64_t kFailsForS = 24 * 3600;

// The room will not have us, however often we ask.
bool is_final(std::string_view condition) {
  static constexpr std::array<std::string_view, 9> kFinal = {
      "forbidden",   "gone",     "item-not-found", "jid-malformed",        "not-acceptable",
      "not-allowed", "conflict", "not-authorized", "registration-required"};
  return std::find(kFinal.begin(), kFinal.end(), condition) != kFinal.end();
}

}  // namespace

void Rooms::join(Entry& e) {
  const bool comes_back = e.kept.since_s() != 0;
  const std::string& nick = e.nick_tries == 0 ? e.wanted_nick : e.kept.nick();
  const auto occupant = Jid::parse(e.kept.room() + "/" + nick);
  if (!occupant) return refused(e, {"modify", "jid-malformed", {}});
  e.newcomer_until = now() + kNewcomer;
  occupants_.erase(e.kept.room());  // the room names them all
  if (e.kept.state() != Membership::IN) {
    e.kept.set_nick(occupant->resource());
    e.kept.set_state(Membership::JOINING);
    e.join_until = now() + kJoinWithin;
    changed(e);
  }
  lacks(e);
  const auto since =
      comes_back
          ? std::optional<int64_t>(std::max(std::min(e.lack_since_s, now_s()) - kSlackS, e.kept.since_s()))
          : std::nullopt;
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  xmpp::write_join(xml, occupant_of(e), occupant->str(), new_id("join", occupant_of(e), e.kept.room()),
                   e.kept.password(), since);
  if (!sender_.send(occupant_of(e), e.kept.room(), xml_))
    refused(e, {"wait", "remote-server-timeout", "The room cannot be reached at the moment"});
}

void Rooms::entered(Entry& e, const std::string& nick, bool is_new_room) {
  const bool was_in = e.kept.state() == Membership::IN, is_first = e.kept.since_s() == 0;
  e.asked_again = 0;
  if (std::exchange(e.may_lack, false)) e.look_at = now() + kLooks;
  e.lack_until = now() + kNewcomer;
  if (was_in && nick == e.kept.nick()) return;
  e.kept.set_nick(nick);
  e.wanted_nick = nick;
  e.kept.set_state(Membership::IN);
  if (is_first) e.kept.set_since_s(now_s());
  if (e.kept.last_stamp_s() == 0) e.kept.set_last_stamp_s(now_s());
  e.nick_tries = 0;
  e.look_at = now() + kLooks;
  changed(e);
  if (was_in) return say_what_happened(e, nick_sentence(nick));
  e.entered_at = now();
  ++figures_.joined;
  if (is_new_room) {  // nobody else can come in until it is open
    xml_.clear();
    xmpp::XmlWriter xml(xml_);
    xmpp::write_room_defaults(xml, occupant_of(e), e.kept.room(),
                              new_id("open", occupant_of(e), e.kept.room()));
    send(e);
  }
  if (is_first)
    say(e, std::string("* You are in this room now, as ") + nick +
               (is_new_room ? ". It is new: nobody else is in it" : "") + ". Write " + settings_.command +
               "help to see what else you can do");
  carry_held(e);
}

void Rooms::left(Entry& e, const xmpp::RoomPresence& presence) {
  if (presence.has_code(303)) {
    const auto occupant = Jid::parse(e.kept.room() + "/" + std::string(presence.new_nick));
    if (occupant) entered(e, occupant->resource());
    return;
  }
  // 333: an error made the room think that we are gone (XEP-0045 9.1 and the registry of codes).
  const std::string why = presence.has_code(333) ? std::string() : out_sentence(presence, settings_.command);
  if (now() >= e.entered_at + kStays) e.tries = 0;
  if (why.empty()) return is_out(e, next_try(e));
  say(e, why);
  is_left(e, refusal({"auth", "forbidden", why}, false));
}

Duration Rooms::next_try(Entry& e) {
  return std::min<Duration>(kFirstTry * (1 << std::min(e.tries++, 10)), kLongestTry);
}

void Rooms::is_left(Entry& e, const pb::Outcome& held) {
  end_held(e, held);
  e.kept.set_state(Membership::LEFT);
  e.kept.clear_password();
  forget_occupants(e.kept.room());
  changed(e);
}

void Rooms::say_what_happened(Entry& e, std::string_view text) {
  if (e.bucket.take(now())) return say(e, text);
  ++e.left_out;
  ++figures_.left_out;
}

// What comes in before the room has told what lacks must not seem to be all that there was.
void Rooms::lacks(Entry& e) {
  if (e.lack_since_s == 0) e.lack_since_s = e.kept.last_stamp_s();
  e.lack_until = kNever;
}

void Rooms::is_out(Entry& e, Duration back_in) {
  lacks(e);
  if (e.kept.state() == Membership::IN) ++figures_.lost;
  e.kept.set_state(Membership::OUT);
  e.look_at = now() + back_in;
  changed(e);
}

// By the room, on the way in or when the nick was to change.
void Rooms::refused(Entry& e, const xmpp::StanzaError& error, bool is_about_nick) {
  if (is_about_nick)
    return say(e, error.condition == "conflict" ? "* Somebody in this room has that name"
                                                : "* " + join_refusal(error, settings_.command));
  if (error.condition == "conflict" && ++e.nick_tries < kMaxNickTries) {
    if (e.kept.state() == Membership::IN) is_out(e, {});  // it was not, and somebody else has the nick
    e.kept.set_nick(next_nick(e.wanted_nick, e.nick_tries));
    return join(e);
  }
  e.nick_tries = 0;
  ++figures_.refused;
  pb::RoomNews::Refusal& news = *news_.add_refusals();
  news.set_user(e.kept.user());
  news.set_room(e.kept.room());
  *news.mutable_error() = from_stanza_error(error, false);
  const bool was_in = e.kept.since_s() != 0, comes_back = was_in && !is_final(error.condition);
  refused_as_told(e, error);
  if (comes_back) return is_out(e, next_try(e));
  if (was_in) say(e, "* You are not in this room any more: " + join_refusal(error, settings_.command));
  is_left(e, {});
}

void Rooms::refused_as_told(Entry& e, const xmpp::StanzaError& error) {
  if (e.held.empty()) return;
  xmpp::StanzaError told{error.type, error.condition, join_refusal(error, settings_.command)};
  told.address = error.address;
  pb::Outcome outcome = refusal(told, false);
  // XEP-0045 7.2.9. It is said of nothing else. COMPAT(ejabberd 23): resource-constraint.
  outcome.mutable_stanza_error()->set_room_is_full(error.condition == "service-unavailable" ||
                                                   error.condition == "resource-constraint");
  end_held(e, outcome);
}

void Rooms::leave(Entry& e, std::string_view why) {
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  xmpp::write_leave(xml, occupant_of(e), e.kept.room() + "/" + e.kept.nick(), why);
  (void)sender_.send(occupant_of(e), e.kept.room(), xml_);
  is_left(e, refusal({"cancel", "not-acceptable", "You have left the room"}, false));
}

// If that does not arrive either, they are still to be told.
void Rooms::say_left_out(Entry& e) {
  const unsigned messages = std::exchange(e.left_out, 0);
  user_.tell_phone(e.kept.user(), e.kept.room(), left_out_sentence(messages), e.kept.room(), messages);
}

void Rooms::shown(std::string_view user, std::string_view room, Shown what, unsigned messages) {
  Entry* e = find(user, room);
  if (e == nullptr) return;
  const bool ok = what == Shown::kYes;
  figures_.shown += ok;
  if (what == Shown::kNotTaken) e->left_out += messages;
  if ((ok && e->kept.failures() == 0) || (!ok && what != Shown::kNobodyThere)) return;
  if (ok) {
    e->kept.set_failures(0);
    e->kept.set_failing_since_s(0);
  } else {
    if (e->kept.failures() == 0) e->kept.set_failing_since_s(now_s());
    e->kept.set_failures(e->kept.failures() + 1);
  }
  e->kept.failures() <= 1 ? changed(*e) : touched(*e);  // whether there are any, all know
  if (e->kept.failures() >= kMaxFailures && now_s() - e->kept.failing_since_s() >= kFailsForS)
    leave(*e, "The phone has not been there for a long time");
}

void Rooms::may_lack(std::string_view domain) {
  if (!domain.empty() && !may_be_room(domain)) return;
  for (auto& [key, e] : entries_) {
    if (!domain.empty() && xmpp::domain_of(e.kept.room()) != domain) continue;
    e.may_lack = true;
    lacks(e);
    e.asked_again = 0;
    e.look_at = now();
  }
  turn();  // at once: rooms keep little of what was said meanwhile
}

void Rooms::turn() {
  if (!later_.empty()) user_.publish_soon();
  if (settings_.which == Which::kOff) return;
  int budget = kMaxLooks;
  for (auto& [key, e] : entries_) {
    if (e.kept.state() != Membership::LEFT) turn(e, &budget);
  }
  forget_left();
  end_early();
  std::vector<std::string> mute;
  for (const auto& [domain, asked] : asked_) {
    if (now() >= asked.until) mute.push_back(domain);
  }
  for (const std::string& each : mute) domain_answered(each, false, kMute);
}

// Whoever was away while a user left would bring him back.
void Rooms::forget_left() {
  std::size_t count = 0;
  for (auto each = entries_.begin(); each != entries_.end();) {
    const Membership& kept = each->second.kept;
    const bool is_old = kept.changed_us() < clock_.wall_us() - kLeftForUs;
    const bool goes = kept.state() == Membership::LEFT && !each->second.is_dirty &&
                      (is_old || kept.since_s() == 0 || ++count > kMax);
    if (goes) kept_.remove(hash64(each->first));
    each = goes ? entries_.erase(each) : std::next(each);
  }
}

void Rooms::forget_occupants(std::string_view room) {
  const bool is_used = std::any_of(entries_.begin(), entries_.end(), [&](const auto& each) {
    return each.second.kept.room() == room && each.second.kept.state() != Membership::LEFT;
  });
  if (!is_used) occupants_.erase(std::string(room));
}

void Rooms::turn(Entry& e, int* budget) {
  if (!e.may_lack && now() >= e.lack_until) e.lack_since_s = 0;
  if (e.kept.state() == Membership::IN && now() >= e.entered_at + kStays) e.tries = 0;
  if (e.left_out > 0 && e.bucket.is_full(now())) say_left_out(e);
  while (!e.held.empty() && now() >= e.held.front().begin_before) {
    const Held late = std::move(e.held.front());
    e.held.pop_front();
    --held_;
    end(late.envelope, bus::failure(pb::DEADLINE, "the room did not answer"), "not sent");
  }
  if (e.kept.state() == Membership::JOINING) {
    if (now() >= e.join_until) refused(e, {"wait", "remote-server-timeout", "The room did not answer"});
    return;
  }
  if (now() < e.look_at || !user_.acts_for(e.kept.user(), e.kept.room()) || --*budget < 0) return;
  if (e.wanted_nick.empty()) e.wanted_nick = e.kept.nick();
  if (e.kept.state() == Membership::OUT) return join(e);
  // The room's answer may go to a connection that has just broken, or to another worker.
  const bool asks_again = e.may_lack && ++e.asked_again <= kMaxAskedAgain;
  e.look_at = now() + (asks_again ? kAsksAgain : kLooks);
  if (asks_again) return join(e);
  const std::string occupant = e.kept.room() + "/" + e.kept.nick();
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  xmpp::write_ping(xml, occupant_of(e), occupant, new_id("ping", occupant_of(e), occupant));
  (void)sender_.send(occupant_of(e), occupant, xml_);
}

}  // namespace stox::worker
