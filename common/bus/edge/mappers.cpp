#include "common/bus/edge/mappers.h"

#include <algorithm>
#include <utility>

#include "common/bus/wire/times.h"

namespace stox::bus {
namespace {
constexpr std::size_t kProcessesRemembered = 16;  // of one name, one after the other

bool lists(const std::vector<pb::Member>& members, const std::string& name) {
  return std::any_of(members.begin(), members.end(), [&](const pb::Member& m) { return m.name() == name; });
}
}  // namespace

Mappers::Mappers(const EdgeOptions& options, std::size_t count, Wire& wire, const Clock& clock)
    : options_(options), process_epoch_(options.epoch), wire_(wire), clock_(clock) {
  for (Pipe pipe = 0; pipe < count; ++pipe) mappers_.push_back({.link = Link(pipe, wire_), .members = {}});
}

// --- sending

void Mappers::put(Pipe pipe, const pb::Item& item) {
  Link& link = mappers_[pipe].link;
  if (!link.up()) return link.count_dropped(1);
  link.add(item, clock_.now());
  if (!queued_) {
    queued_ = true;
    if (wake_) wake_();
  }
}

void Mappers::put_again(Pipe pipe, const pb::Item& item) {
  mappers_[pipe].link.count_resent();
  put(pipe, item);
}

bool Mappers::pass_on(const std::string& to, const pb::Item& item) {
  for (Pipe pipe = 0; pipe < mappers_.size(); ++pipe) {
    if (mappers_[pipe].link.up() && mappers_[pipe].link.peer() == to) return put(pipe, item), true;
  }
  const auto route = route_to(to, {});
  if (route) put(route->pipe, item);
  return route.has_value();
}

Time Mappers::flush() {
  if (!queued_) return kNever;
  const Time now = clock_.now();
  // A wakeup that comes a little early, with others of the process, need not be followed by one of our own.
  if (now < last_flush_ + options_.pace * 3 / 4) return last_flush_ + options_.pace;
  last_flush_ = now;
  queued_ = false;
  for (Mapper& m : mappers_) {
    if (m.link.up() && !m.link.flush(now)) queued_ = true;
  }
  return queued_ ? now + std::max<Duration>(options_.pace, std::chrono::milliseconds(1)) : kNever;
}

// --- who is there

bool Mappers::stands(const Route& route) const {
  if (route.pipe >= mappers_.size()) return false;
  const Link& link = mappers_[route.pipe].link;
  return link.ready() && link.peer() == route.name && link.peer_epoch() == route.epoch;
}

std::optional<Route> Mappers::route_to(const std::string& edge, const Route& preferred) const {
  std::optional<Route> found;
  for (const Route& route : ready_) {
    if (lists(mappers_[route.pipe].members, edge) && (!found || route == preferred)) found = route;
  }
  return found;
}

bool Mappers::all_ready() const {
  return std::all_of(mappers_.begin(), mappers_.end(),
                     [](const Mapper& m) { return m.leaving || m.link.ready(); });
}

bool Mappers::restart_pending() const {
  return ready_.empty() && std::any_of(mappers_.begin(), mappers_.end(), [](const Mapper& m) {
           return m.link.up() && m.link.other_configuration();
         });
}

Time Mappers::heard() const {
  Time heard{};
  for (const Mapper& m : mappers_) heard = std::max(heard, m.link.heard());
  return heard;
}

std::vector<LinkFigures> Mappers::links() const {
  std::vector<LinkFigures> out;
  for (const Mapper& m : mappers_) {
    if (!m.removed) out.push_back(m.link.figures(clock_.now()));
  }
  return out;
}

// Processes are as new as the news of them: epochs are of the wall clock, which may have been set back.
void Mappers::list(Pipe pipe, const pb::Members& listed) {
  Mapper& mapper = mappers_[pipe];
  mapper.members.assign(listed.members().begin(), listed.members().end());
  mapper.members_version = listed.version();
  mapper.link.set_ready(listed.ready());
  mapper.link.set_other_configuration(listed.other_configuration());
  mapper.link.set_objection({});
  for (const pb::Member& m : listed.members()) {
    auto& seen = process_epochs_[m.name()];
    if (std::find(seen.begin(), seen.end(), m.process_epoch()) != seen.end()) continue;
    if (seen.size() == kProcessesRemembered) seen.erase(seen.begin());
    seen.push_back(m.process_epoch());
  }
}

bool Mappers::is_newer(const pb::Member& one, const pb::Member& than) const {
  // Only a process that renews its own epoch makes it greater than the one before.
  if (one.process_epoch() == than.process_epoch()) return one.epoch() > than.epoch();
  const auto& seen = process_epochs_.at(one.name());
  return std::find(seen.rbegin(), seen.rend(), one.process_epoch()) <
         std::find(seen.rbegin(), seen.rend(), than.process_epoch());
}

bool Mappers::update_routes() {
  std::vector<Route> now_ready;
  for (Pipe pipe = 0; pipe < mappers_.size(); ++pipe) {
    const Link& link = mappers_[pipe].link;
    if (link.ready() && !mappers_[pipe].leaving) now_ready.push_back({pipe, link.peer(), link.peer_epoch()});
  }
  if (now_ready == ready_) return false;
  ready_ = std::move(now_ready);
  return true;
}

// The union over ready mappers.
bool Mappers::update_members() {
  if (ready_.empty()) return false;
  std::vector<pb::Member> now_known;
  for (const Route& route : ready_) {
    for (const pb::Member& m : mappers_[route.pipe].members) {
      const auto same = std::find_if(now_known.begin(), now_known.end(),
                                     [&](const pb::Member& k) { return k.name() == m.name(); });
      if (same == now_known.end()) {
        now_known.push_back(m);
      } else if (is_newer(m, *same)) {
        *same = m;
      }
    }
  }
  const auto order = [](const pb::Member& a, const pb::Member& b) { return a.name() < b.name(); };
  std::sort(now_known.begin(), now_known.end(), order);
  const bool same =
      std::equal(now_known.begin(), now_known.end(), known_.begin(), known_.end(),
                 [](const auto& a, const auto& b) { return a.SerializeAsString() == b.SerializeAsString(); });
  if (same) return false;
  known_ = std::move(now_known);
  return true;
}

// --- who we are

void Mappers::set_serving(pb::Serving serving) {
  serving_ = std::move(serving);
  for (Pipe pipe = 0; pipe < mappers_.size(); ++pipe) {
    if (mappers_[pipe].link.up()) hello(pipe);
  }
}

// A mapper gives nothing to who drains, and says that it knows behind what it gave before.
bool Mappers::all_know_that_we_drain() const {
  return std::all_of(mappers_.begin(), mappers_.end(), [&](const Mapper& mapper) {
    return !mapper.link.up() ||
           std::any_of(mapper.members.begin(), mapper.members.end(), [&](const pb::Member& m) {
             return m.name() == options_.name && m.epoch() == options_.epoch &&
                    m.serving().state() == pb::DRAINING;
           });
  });
}

void Mappers::hello(Pipe pipe) {
  pb::Hello& h = *item_.mutable_hello();
  pb::Member& who = *h.mutable_who();
  who.set_role(options_.role);
  who.set_name(options_.name);
  who.set_epoch(options_.epoch);
  who.set_process_epoch(process_epoch_);
  *who.mutable_serving() = serving_;
  who.set_shared(options_.shared);
  h.set_schema(kSchemaVersion);
  h.set_version(STOX_VERSION);
  h.set_session(mappers_[pipe].session);
  put(pipe, item_);
}

void Mappers::open(Pipe pipe) {
  mappers_[pipe].link.open(clock_.now());
  ++mappers_[pipe].session;
  hello(pipe);
  beat(pipe);
}

bool Mappers::close(Pipe pipe) {
  if (!mappers_[pipe].link.up()) return false;
  mappers_[pipe].link.close();
  mappers_[pipe].members.clear();
  return true;
}

void Mappers::beat(Pipe pipe) {
  *item_.mutable_heartbeat() = mappers_[pipe].link.make_heartbeat(clock_.now(), true);
  put(pipe, item_);
}

// --- they come and go

Pipe Mappers::add() {
  const auto free = std::find_if(mappers_.begin(), mappers_.end(), [](const auto& m) { return m.removed; });
  if (free == mappers_.end()) {
    const auto pipe = static_cast<Pipe>(mappers_.size());
    mappers_.push_back({.link = Link(pipe, wire_), .members = {}});
    return pipe;
  }
  free->leaving = free->removed = false;
  free->link.named({}, 0);
  return static_cast<Pipe>(free - mappers_.begin());
}

}  // namespace stox::bus
