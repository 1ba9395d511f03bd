#include "xmpp_worker/presence/presence_to_xmpp.h"

#include <iterator>
#include <utility>

#include "common/bodies/presence.h"
#include "common/bus/edge/ending_of.h"
#include "xmpp_worker/outcomes/outcomes.h"
#include "xmpp_worker/presence/words.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {
namespace {

using pb::Presence;
using xmpp::Path;

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
  for (const auto& [path, waiting] : waiting_) sum += waiting.size();
  return sum;
}

void PresenceToXmpp::begin(const pb::Envelope& envelope, Time begin_before) {
  const Presence& presence = presence_in(envelope);
  Held each{envelope.id(), presence.from(), presence.to(), {}, presence.kind(), begin_before};
  const auto type = presence_type(presence);
  if (!type) return fail(each, bus::failure(pb::UNSUPPORTED, "XMPP has no such presence"));
  Path* path = user_.path(xmpp::domain_of(each.from), xmpp::domain_of(each.to));
  if (path == nullptr)
    return fail(each, bus::failure(pb::OVERLOADED, "there is no room for another XMPP stream"));
  each.xml = written(presence, *type, caps_version_, clock_.wall_us() / 1'000'000);
  const bool at_once = path->is_up() && path->has_room() && !waiting_.contains(path);
  at_once ? write(*path, std::move(each)) : hold(*path, std::move(each));
}

void PresenceToXmpp::write(Path& path, Held&& each) {
  switch (path.send(each.from, each.xml)) {
    case Path::Sent::kWritten: {
      ++figures_.written;
      pb::Outcome outcome;
      outcome.set_verdict(pb::PASSED_ON);
      end(each, outcome);
      return remember(path, std::move(each));
    }
    case Path::Sent::kTooLarge:
      return fail(each, refusal({"modify", "policy-violation", "Presence too large"}, false));
    case Path::Sent::kForeignFrom:
      log_.error("not written: presence from {} is not of {}", each.from, path.own_domain());
      return fail(each, refusal({"cancel", "internal-server-error", "Sender's address is not ours"}, false));
    case Path::Sent::kNotUp:
      return fail(each, path_down_outcome(path, clock_.now()));
  }
}

void PresenceToXmpp::hold(Path& path, Held&& each) {
  if (is_stopping_) return fail(each, bus::failure(pb::STOPPING, "this worker stops"));
  if (!path.is_up() && path.is_refused()) return fail(each, path_down_outcome(path, clock_.now()));
  const auto known = waiting_.find(&path);
  if (known != waiting_.end()) {
    const auto older = known->second.state_like(each);
    if (older != known->second.end())
      end(known->second.take(older), bus::failure(pb::SUPERSEDED, "a newer one took its place"));
  }
  const std::size_t size = size_of(each), of_path = known == waiting_.end() ? 0 : known->second.bytes();
  if (of_path + size > kMaxOfPath || bytes_ + size > kMax) {
    fail(each, bus::failure(pb::OVERLOADED, "too much presence waits for XMPP streams"));
    if (known != waiting_.end() && known->second.empty()) waiting_.erase(known);
    return;
  }
  waiting_.try_emplace(&path, bytes_).first->second.add(std::move(each));
}

void PresenceToXmpp::Stanzas::add(Held&& each) {
  bytes_ += size_of(each);
  all_ += size_of(each);
  list_.push_back(std::move(each));
  const auto last = std::prev(list_.end());
  if (last->kind == Presence::STATE) states_[key_of(*last)] = last;
}

PresenceToXmpp::Held PresenceToXmpp::Stanzas::take(std::list<Held>::iterator which) {
  Held each = std::move(*which);
  list_.erase(which);
  if (each.kind == Presence::STATE) states_.erase(key_of(each));
  bytes_ -= size_of(each);
  all_ -= size_of(each);
  return each;
}

std::list<PresenceToXmpp::Held>::iterator PresenceToXmpp::Stanzas::state_like(const Held& each) {
  const auto found = each.kind == Presence::STATE ? states_.find(key_of(each)) : states_.end();
  return found == states_.end() ? list_.end() : found->second;
}

// A question or a refusal that comes late could be an answer to what has happened since.
void PresenceToXmpp::remember(Path& path, Held&& each) {
  if (!writes_again_ || (each.kind != Presence::STATE && each.kind != Presence::SUBSCRIBED)) return;
  const Time now = clock_.now();
  if (each.id.number() != 0) each.until = now + kUnnoticed;
  each.id.Clear();
  Stanzas& written = written_.try_emplace(&path, written_bytes_).first->second;
  const auto older = written.state_like(each);
  if (older != written.end()) written.take(older);
  written.add(std::move(each));
  while (!written.empty() && (written.front().until <= now || written_bytes_ > kMaxWritten))
    written.take(written.begin());
  if (written.empty()) written_.erase(&path);
}

void PresenceToXmpp::write_again(Path& path) {
  const auto found = written_.find(&path);
  if (found == written_.end()) return;
  while (!found->second.empty()) {
    Held each = found->second.take(found->second.begin());
    const auto waiting = waiting_.find(&path);
    const bool is_old =
        waiting != waiting_.end() && waiting->second.state_like(each) != waiting->second.end();
    if (!is_old && each.until > clock_.now()) hold(path, std::move(each));
  }
  written_.erase(found);
}

void PresenceToXmpp::forget_written() {
  for (auto entry = written_.begin(); entry != written_.end();) {
    Stanzas& written = entry->second;
    while (!written.empty() && written.front().until <= clock_.now()) written.take(written.begin());
    entry = written.empty() ? written_.erase(entry) : std::next(entry);
  }
}

void PresenceToXmpp::about_to_write(Path& path) {
  const auto found = waiting_.find(&path);
  if (found == waiting_.end()) return;
  Stanzas& waiting = found->second;
  while (!waiting.empty() && path.is_up() && path.has_room()) {
    Held each = waiting.take(waiting.begin());
    if (each.until > clock_.now())
      write(path, std::move(each));
    else
      fail(each, bus::failure(pb::DEADLINE, "waited too long for the XMPP stream"));
  }
  if (waiting.empty()) waiting_.erase(found);
}

void PresenceToXmpp::turn() {
  forget_written();
  const Time now = clock_.now();
  for (auto entry = waiting_.begin(); entry != waiting_.end();) {
    auto& [path, waiting] = *entry;
    for (auto each = waiting.begin(); each != waiting.end();) {
      const auto which = each++;
      if (which->until <= now || path->is_refused())
        fail(waiting.take(which), path->is_up()
                                      ? bus::failure(pb::OVERLOADED, "the XMPP server does not read")
                                      : path_down_outcome(*path, now));
    }
    if (!waiting.empty() && path->is_up() && path->has_room()) path->write_soon();
    entry = waiting.empty() ? waiting_.erase(entry) : std::next(entry);
  }
}

void PresenceToXmpp::path_up(Path& path) {
  if (waiting_.contains(&path)) path.write_soon();
}

// What had found no room is a reason for another stream.
void PresenceToXmpp::path_down(Path& path) {
  write_again(path);
  const auto found = waiting_.find(&path);
  if (found != waiting_.end()) (void)user_.path(path.own_domain(), xmpp::domain_of(found->second.front().to));
}

void PresenceToXmpp::path_gone(Path& path) {
  written_.erase(&path);
  const auto gone = waiting_.extract(&path);
  if (gone.empty()) return;
  for (const Held& each : gone.mapped()) fail(each, path_down_outcome(path, clock_.now()));
}

void PresenceToXmpp::drop_held(pb::Reason reason, const char* why) {
  const Ways dropped = std::exchange(waiting_, {});
  for (const auto& [path, waiting] : dropped) {
    for (const Held& each : waiting) fail(each, bus::failure(reason, why));
  }
}

void PresenceToXmpp::stop() {
  is_stopping_ = true;
  drop_held(pb::STOPPING, "this worker stops");
}

void PresenceToXmpp::fail(const Held& each, const pb::Outcome& outcome) {
  ++figures_.failed;
  log_.debug("presence from {} to {}: not written: {}", each.from, each.to, describe(outcome));
  end(each, outcome);
}

void PresenceToXmpp::end(const Held& each, const pb::Outcome& outcome) {
  if (each.id.number() != 0) user_.finish(each.id, outcome);
}

}  // namespace stox::worker
