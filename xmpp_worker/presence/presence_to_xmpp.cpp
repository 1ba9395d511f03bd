#include "xmpp_worker/presence/presence_to_xmpp.h"

#include <iterator>
#include <utility>

#include "common/bus/edge/ending_of.h"
#include "xmpp_worker/outcomes/outcomes.h"
#include "xmpp_worker/presence/words.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {
namespace {

using pb::Presence;
using xmpp::Link;

std::string written(const Presence& presence, std::string_view type, std::string_view caps_version,
                    int64_t now_s) {
  xmpp::Stanza stanza;
  stanza.from = presence.from();
  if (presence.kind() != Presence::STATE) stanza.from = xmpp::bare_of(stanza.from);
  stanza.to = presence.to();
  stanza.type = type;
  xmpp::PresenceContent content = to_presence(presence, now_s);
  if (type.empty()) content.caps_version = caps_version;
  std::string text;
  xmpp::XmlWriter xml(text);
  xmpp::write_presence(xml, stanza, content);
  return text;
}

}  // namespace

PresenceToXmpp::PresenceToXmpp(const Clock& clock, service::Log& log, PresenceToXmppUser& user)
    : clock_(clock), log_(log), user_(user) {}

std::size_t PresenceToXmpp::size_of(const Held& each) {
  return sizeof each + each.from.size() + each.to.size() + each.xml.size();
}

std::size_t PresenceToXmpp::held() const {
  std::size_t sum = 0;
  for (const auto& [link, waiting] : waiting_) sum += waiting.stanzas.size();
  return sum;
}

void PresenceToXmpp::begin(const pb::Envelope& envelope, Time begin_before) {
  const Presence& presence = envelope.has_xmpp_state() ? envelope.xmpp_state() : envelope.xmpp_presence();
  Held each{envelope.id(), presence.from(), presence.to(), {}, presence.kind() == Presence::STATE,
            begin_before};
  const auto type = presence_type(presence);
  if (!type) return fail(each, bus::failure(pb::UNSUPPORTED, "XMPP has no such presence"));
  Link* link = user_.link(xmpp::domain_of(each.from), xmpp::domain_of(each.to));
  if (link == nullptr)
    return fail(each, bus::failure(pb::OVERLOADED, "there is no room for another XMPP stream"));
  each.xml = written(presence, *type, caps_version_, clock_.wall_us() / 1'000'000);
  const bool at_once = link->is_up() && link->has_room() && !waiting_.contains(link);
  at_once ? write(*link, each) : hold(*link, std::move(each));
}

void PresenceToXmpp::write(Link& link, const Held& each) {
  switch (link.send(each.from, each.xml)) {
    case Link::Sent::kWritten: {
      ++figures_.written;
      pb::Outcome outcome;
      outcome.set_verdict(pb::PASSED_ON);
      return user_.finish(each.id, outcome);
    }
    case Link::Sent::kTooLarge:
      return fail(each, refusal({"modify", "policy-violation", "Presence too large"}, false));
    case Link::Sent::kForeignFrom:
      log_.error("not written: presence from {} is not of {}", each.from, link.own_domain());
      return fail(each, refusal({"cancel", "internal-server-error", "Sender's address is not ours"}, false));
    case Link::Sent::kNotUp:
      return fail(each, link_down_outcome(link, clock_.now()));
  }
}

void PresenceToXmpp::hold(Link& link, Held&& each) {
  if (is_stopping_) return fail(each, bus::failure(pb::STOPPING, "this worker stops"));
  if (!link.is_up() && link.is_refused()) return fail(each, link_down_outcome(link, clock_.now()));
  const auto known = waiting_.find(&link);
  if (known != waiting_.end() && each.is_state) {
    const auto older = known->second.states.find(key_of(each));
    if (older != known->second.states.end())
      user_.finish(take(known->second, older->second).id,
                   bus::failure(pb::SUPERSEDED, "a newer one took its place"));
  }
  const std::size_t size = size_of(each), of_link = known == waiting_.end() ? 0 : known->second.bytes;
  if (of_link + size > kMaxOfLink || bytes_ + size > kMax) {
    fail(each, bus::failure(pb::OVERLOADED, "too much presence waits for XMPP streams"));
    if (known != waiting_.end() && known->second.stanzas.empty()) waiting_.erase(known);
    return;
  }
  add(waiting_[&link], std::move(each));
}

void PresenceToXmpp::add(Waiting& waiting, Held&& each) {
  waiting.bytes += size_of(each);
  bytes_ += size_of(each);
  waiting.stanzas.push_back(std::move(each));
  const auto last = std::prev(waiting.stanzas.end());
  if (last->is_state) waiting.states[key_of(*last)] = last;
}

PresenceToXmpp::Held PresenceToXmpp::take(Waiting& waiting, std::list<Held>::iterator which) {
  Held each = std::move(*which);
  waiting.stanzas.erase(which);
  if (each.is_state) waiting.states.erase(key_of(each));
  waiting.bytes -= size_of(each);
  bytes_ -= size_of(each);
  return each;
}

void PresenceToXmpp::about_to_write(Link& link) {
  const auto found = waiting_.find(&link);
  if (found == waiting_.end()) return;
  Waiting& waiting = found->second;
  while (!waiting.stanzas.empty() && link.is_up() && link.has_room()) {
    const Held each = take(waiting, waiting.stanzas.begin());
    if (each.until > clock_.now())
      write(link, each);
    else
      fail(each, bus::failure(pb::DEADLINE, "waited too long for the XMPP stream"));
  }
  if (waiting.stanzas.empty()) waiting_.erase(found);
}

void PresenceToXmpp::turn() {
  const Time now = clock_.now();
  for (auto entry = waiting_.begin(); entry != waiting_.end();) {
    auto& [link, waiting] = *entry;
    for (auto each = waiting.stanzas.begin(); each != waiting.stanzas.end();) {
      const auto which = each++;
      if (which->until <= now || link->is_refused())
        fail(take(waiting, which), link->is_up()
                                       ? bus::failure(pb::OVERLOADED, "the XMPP server does not read")
                                       : link_down_outcome(*link, now));
    }
    if (!waiting.stanzas.empty() && link->is_up() && link->has_room()) link->write_soon();
    entry = waiting.stanzas.empty() ? waiting_.erase(entry) : std::next(entry);
  }
}

void PresenceToXmpp::link_up(Link& link) {
  if (waiting_.contains(&link)) link.write_soon();
}

// What had found no room is a reason for another stream.
void PresenceToXmpp::link_down(Link& link) {
  const auto found = waiting_.find(&link);
  if (found != waiting_.end())
    (void)user_.link(link.own_domain(), xmpp::domain_of(found->second.stanzas.front().to));
}

void PresenceToXmpp::link_gone(Link& link) {
  const auto found = waiting_.find(&link);
  if (found == waiting_.end()) return;
  const Waiting gone = std::move(found->second);
  waiting_.erase(found);
  bytes_ -= gone.bytes;
  for (const Held& each : gone.stanzas) fail(each, link_down_outcome(link, clock_.now()));
}

void PresenceToXmpp::drop_held(pb::Reason reason, const char* why) {
  bytes_ = 0;
  for (const auto& [link, waiting] : std::exchange(waiting_, {})) {
    for (const Held& each : waiting.stanzas) fail(each, bus::failure(reason, why));
  }
}

void PresenceToXmpp::stop() {
  is_stopping_ = true;
  drop_held(pb::STOPPING, "this worker stops");
}

void PresenceToXmpp::fail(const Held& each, const pb::Outcome& outcome) {
  ++figures_.failed;
  log_.debug("presence from {} to {}: not written: {}", each.from, each.to, describe(outcome));
  user_.finish(each.id, outcome);
}

}  // namespace stox::worker
