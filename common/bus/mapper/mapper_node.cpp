#include "common/bus/mapper/mapper_node.h"

#include <algorithm>
#include <map>

#include "common/base/text.h"
#include "common/bus/calls/calls.h"
#include "common/bus/edge/item_reader.h"
#include "common/bus/wire/times.h"

namespace stox::bus {
namespace {
constexpr std::size_t kMaxGone = 100;

std::string unreadable(const std::string& peer, const std::string& why) {
  return (peer.empty() ? "a peer that did not say its name" : peer) + " sent what cannot be read" +
         (why.empty() ? "" : ": " + why);
}

}  // namespace

struct MapperNode::State final : Calls::Ways {
  struct Peer {
    Link link;
    pb::Member member;
    uint64_t session = 0;
    bool greeted = false;
    uint64_t listed_since = 0;  // the version of Members that had this process first
    Time ask_hello_at{};        // not earlier; one that is refused would otherwise say it without end
  };

  State(MapperOptions o, Wire& w, const Clock& c, MapperUser& u, MapperNode& n)
      : options(std::move(o)),
        wire(w),
        clock(c),
        user(u),
        node(n),
        calls(options.name, clock, *this),
        started(c.now()) {}

  void put(Peer& peer, const pb::Item& i) {
    peer.link.add(i, clock.now());
    if (!queued) {
      queued = true;
      if (node.wake_) node.wake_();
    }
  }
  bool put(const std::string& name, const pb::Item& i, Peer& from) {
    Peer* to = find(name);
    if (to == nullptr) {
      from.link.count_dropped(1);
      return false;
    }
    put(*to, i);
    return true;
  }
  Peer* find(const std::string& name) {
    const auto it = by_name.find(name);
    return it == by_name.end() ? nullptr : &peers.at(it->second);
  }

  // A process that is not connected here is another mapper: any edge is connected there, too.
  bool pass_on(const std::string& to, const pb::Item& i) override {
    Peer* next = find(to);
    if (next == nullptr && !by_name.empty()) next = &peers.at(by_name.begin()->second);
    if (next != nullptr) put(*next, i);
    return next != nullptr;
  }
  void asked(const std::string& from, std::string_view text, Calls::TextReply reply) override {
    user.asked(from, text, std::move(reply));
  }
  void call_came(const pb::Call&, Calls::Reply reply) override { reply({}); }  // workers call workers

  bool has_our_configuration(const pb::Member& one) const {
    return options.shared == 0 || one.shared() == 0 || one.shared() == options.shared;
  }
  bool computed_ready() const {
    return !draining && (was_ready || missing().empty() || clock.now() - started >= kGone);
  }
  std::string missing() const;
  void greet(Peer& peer);
  void broadcast();
  void lost(Pipe pipe);
  std::string objection(Pipe pipe, const Peer& peer, const pb::Member& who) const;
  void hello(Pipe pipe, Peer& peer, const pb::Hello& h);
  std::string spoken_for(const Peer& peer, const pb::Item& i) const;
  void handle(Pipe pipe, Peer& peer, pb::Item& i);
  void envelope(Peer& from, pb::Item& i);
  void refuse(Peer& to, const pb::EnvelopeId& id, uint32_t attempt, pb::Refused::Why why,
              const std::string& text);
  void ask(Peer& from, pb::Item& i);

  MapperOptions options;
  Wire& wire;
  const Clock& clock;
  MapperUser& user;
  MapperNode& node;
  Calls calls;
  Time started;
  bool draining = false;
  bool was_ready = false;
  bool queued = false;
  std::map<Pipe, Peer> peers;
  std::map<std::string, Pipe> by_name;
  std::map<std::string, Time> gone;
  std::vector<pb::Member> members;
  uint64_t members_version = 1;
  Time last_turn{}, last_beat{};
  ItemReader reader;
  pb::Item item;  // reused
};

MapperNode::MapperNode(MapperOptions options, Wire& wire, const Clock& clock, MapperUser& user) {
  if (options.epoch == 0) options.epoch = static_cast<uint64_t>(clock.wall_us());
  s_ = std::make_unique<State>(std::move(options), wire, clock, user, *this);
  s_->last_turn = s_->last_beat = clock.now();
}

MapperNode::~MapperNode() = default;

// --- who is there
// -----------------------------------------------------------------------------------------------

std::string MapperNode::State::missing() const {
  std::string out;
  for (const std::string& section : options.expected) {
    const auto instance = by_name.lower_bound(section + "@");  // SECTION or SECTION@INSTANCE
    const bool here = by_name.contains(section) ||
                      (instance != by_name.end() && instance->first.starts_with(section + "@"));
    if (!here) out += (out.empty() ? "" : ", ") + section;
  }
  return out;
}

void MapperNode::State::broadcast() {
  members.clear();
  for (const auto& [name, pipe] : by_name) members.push_back(peers.at(pipe).member);
  ++members_version;
  was_ready = computed_ready();
  pb::Members& all = *item.mutable_members();
  all.Clear();
  all.set_version(members_version);
  for (const pb::Member& m : members) *all.add_members() = m;
  for (auto& [pipe, peer] : peers) {
    if (!peer.greeted) continue;
    all.set_other_configuration(!has_our_configuration(peer.member));
    all.set_ready(was_ready && !all.other_configuration());
    put(peer, item);
  }
}

void MapperNode::State::greet(Peer& peer) {
  pb::Hello& h = *item.mutable_hello();
  h.mutable_who()->set_role(pb::MAPPER);
  h.mutable_who()->set_name(options.name);
  h.mutable_who()->set_epoch(options.epoch);
  h.set_schema(kSchemaVersion);
  h.set_version(STOX_VERSION);
  put(peer, item);
  *item.mutable_heartbeat() = peer.link.make_heartbeat(clock.now(), was_ready);
  put(peer, item);
}

std::string MapperNode::State::objection(Pipe pipe, const Peer& peer, const pb::Member& who) const {
  if (who.name().empty() || (who.role() != pb::FRONT && who.role() != pb::WORKER))
    return "it is neither a sip_front nor an xmpp_worker";
  // Under two names it would get what is meant for either, and its end would be the end of one of them only.
  if (peer.greeted && (peer.member.name() != who.name() || peer.member.role() != who.role()))
    return "it is " + peer.member.name() + " already";
  return options.objection ? options.objection(pipe, who) : "";
}

void MapperNode::State::hello(Pipe pipe, Peer& peer, const pb::Hello& h) {
  const pb::Member& who = h.who();
  if (const std::string why = objection(pipe, peer, who); !why.empty()) {
    item.mutable_hello_refused()->set_why(why);
    put(peer, item);
    return user.refused("\"" + one_line(who.name(), 80) + "\" was not let in: " + why);
  }
  const bool same_session = peer.greeted && peer.member.epoch() == who.epoch() && peer.session == h.session();
  if (const auto old = by_name.find(who.name()); old != by_name.end() && old->second != pipe) {
    peers.erase(old->second);  // its process was restarted, and the new one is faster than the news of the
                               // old one's end
  }
  if (!same_session) peer.link.open(clock.now());
  if (!by_name.contains(who.name())) user.came(who);
  if (peer.member.process_epoch() != who.process_epoch()) peer.listed_since = members_version + 1;
  peer.member = who;
  peer.session = h.session();
  peer.greeted = true;
  peer.link.named(who.name(), who.epoch());
  by_name[who.name()] = pipe;
  gone.erase(who.name());
  if (!same_session) greet(peer);
  broadcast();
}

void MapperNode::State::lost(Pipe pipe) {
  const auto it = peers.find(pipe);
  if (it == peers.end()) return;
  const std::string name = it->second.member.name();
  peers.erase(it);
  if (const auto named = by_name.find(name); named != by_name.end() && named->second == pipe) {
    by_name.erase(named);
    if (gone.size() < kMaxGone) gone.emplace(name, clock.now());
    broadcast();
  }
}

void MapperNode::opened(Pipe) {}
void MapperNode::closed(Pipe pipe) { s_->lost(pipe); }

// --- what passes
// ------------------------------------------------------------------------------------------------

void MapperNode::frame(Pipe pipe, std::string_view bytes) {
  State& s = *s_;
  const auto [it, fresh] = s.peers.try_emplace(pipe, State::Peer{.link = Link(pipe, s.wire), .member = {}});
  State::Peer& peer = it->second;
  if (fresh) peer.link.open(s.clock.now());
  peer.link.heard(bytes.size(), s.clock.now());
  bool strange = false;
  const bool whole = s.reader.read(bytes, [&](pb::Item& item) {
    if (item.kind_case() == pb::Item::kHello) {
      s.hello(pipe, peer, item.hello());
    } else if (peer.greeted) {
      peer.link.count_received(item);
      s.handle(pipe, peer, item);
    } else {
      strange = true;
    }
  });
  if (!whole) {
    peer.link.count_dropped(1);
    s.user.refused(unreadable(peer.link.peer(), s.reader.why_broken()));
  }
  if (!strange || s.clock.now() < peer.ask_hello_at) return;
  peer.ask_hello_at = s.clock.now() + kHeartbeat;
  s.item.mutable_hello_wanted();
  s.put(peer, s.item);
}

// Nobody speaks for another edge. An edge passes questions of mappers on, which no edge is called like.
std::string MapperNode::State::spoken_for(const Peer& peer, const pb::Item& i) const {
  const std::string& own = peer.member.name();
  const auto other = [&](const std::string& name) { return name == own ? std::string() : name; };
  switch (i.kind_case()) {
    case pb::Item::kEnvelope:
      return other(i.envelope().id().origin());
    case pb::Item::kOutcome:
      return other(i.outcome().target());
    case pb::Item::kAnswer:
      return other(i.answer().by());
    case pb::Item::kHandOver:
      return other(i.hand_over().from());
    case pb::Item::kHandOverAck:
      return other(i.hand_over_ack().to());
    case pb::Item::kCall: {
      const std::string section = i.call().from().substr(0, i.call().from().find('@'));
      const bool of_edge =
          by_name.contains(i.call().from()) ||
          std::find(options.expected.begin(), options.expected.end(), section) != options.expected.end();
      return of_edge ? other(i.call().from()) : "";
    }
    default:
      return {};
  }
}

void MapperNode::State::handle(Pipe, Peer& peer, pb::Item& i) {
  if (const std::string name = spoken_for(peer, i); !name.empty()) {
    peer.link.count_dropped(1);
    return user.refused(peer.member.name() + " speaks for " + one_line(name, 80) + ", and is not heard");
  }
  switch (i.kind_case()) {
    case pb::Item::kEnvelope:
      return envelope(peer, i);
    case pb::Item::kOutcome:
      user.translate(*i.mutable_outcome());
      put(i.outcome().id().origin(), i, peer);
      return;
    case pb::Item::kRefused:
      put(i.refused().id().origin(), i, peer);
      return;
    case pb::Item::kAsk:
      return ask(peer, i);
    case pb::Item::kAnswer:
      if (i.answer().knows() == pb::Answer::ENDED) user.translate(*i.mutable_answer()->mutable_outcome());
      put(i.answer().id().origin(), i, peer);
      return;
    case pb::Item::kHeartbeat:
      return peer.link.heartbeat(i.heartbeat(), clock.now());
    case pb::Item::kHandOver:
      put(i.hand_over().to(), i, peer);
      return;
    case pb::Item::kHandOverAck:
      put(i.hand_over_ack().from(), i, peer);
      return;
    case pb::Item::kCall:
      // By name: the reply may come when this connection has gone.
      return calls.arrived(i.call(), [this, back = peer.member.name()](const pb::Item& answer) {
        if (Peer* to = find(back)) put(*to, answer);
      });
    default:
      return peer.link.count_dropped(1);
  }
}

void MapperNode::State::envelope(Peer& from, pb::Item& i) {
  pb::Envelope& e = *i.mutable_envelope();
  if (e.to_epoch() != options.epoch) return from.link.count_dropped(1);  // from before we stood still
  const Time begin_before = from.link.to_local(e.begin_before_us());
  if (!was_ready)
    return refuse(from, e.id(), e.attempt(), pb::Refused::NOT_READY,
                  draining ? "is draining" : "waits for " + missing());
  if (!has_our_configuration(from.member))
    return refuse(from, e.id(), e.attempt(), pb::Refused::NOT_READY, "has other values of the shared keys");
  if (clock.now() >= begin_before)
    return refuse(from, e.id(), e.attempt(), pb::Refused::EXPIRED, "came too late");
  if (e.hops() >= kMaxHops)
    return refuse(from, e.id(), e.attempt(), pb::Refused::TOO_MANY_HOPS, "went in circles");
  const pb::EnvelopeId id = e.id();
  const uint32_t attempt = e.attempt();
  Placement placement = user.place(e);
  if (auto* ended = std::get_if<EndWith>(&placement)) {
    *item.mutable_outcome() = std::move(ended->outcome);
    *item.mutable_outcome()->mutable_id() = id;
    return put(from, item);
  }
  if (const auto* no = std::get_if<Refuse>(&placement)) return refuse(from, id, attempt, no->why, no->text);
  const std::string& name = e.to().empty() ? std::get<Forward>(placement).to : e.to();
  Peer* to = find(name);
  if (to == nullptr) return refuse(from, id, attempt, pb::Refused::NO_TARGET, name + " is not there");
  if (!has_our_configuration(to->member))
    return refuse(from, id, attempt, pb::Refused::NO_TARGET, name + " has other values of the shared keys");
  if (to->member.serving().state() == pb::DRAINING)
    return refuse(from, id, attempt, pb::Refused::NOT_READY, name + " is draining");
  if (e.members_seen() != 0 && e.members_seen() < to->listed_since)
    return refuse(from, id, attempt, pb::Refused::NEW_TARGET, name + " has only just come");
  if (to->link.full()) return refuse(from, id, attempt, pb::Refused::BUSY, name + " does not keep up");
  e.set_hops(e.hops() + 1);
  e.set_begin_before_us(to_us(begin_before));
  e.set_to_epoch(to->member.epoch());
  e.clear_members_seen();
  put(*to, i);
}

void MapperNode::State::refuse(Peer& to, const pb::EnvelopeId& id, uint32_t attempt, pb::Refused::Why why,
                               const std::string& text) {
  pb::Refused& refused = *item.mutable_refused();
  *refused.mutable_id() = id;
  refused.set_attempt(attempt);
  refused.set_why(why);
  refused.set_text(text);
  refused.set_by(options.name);
  put(to, item);
}

void MapperNode::State::ask(Peer& from, pb::Item& i) {
  const bool to_us = i.ask().to() == options.name;  // then the answer says that all before it was passed on
  if (!to_us && find(i.ask().to()) != nullptr) return put(*find(i.ask().to()), i);
  pb::Answer& answer = *item.mutable_answer();
  answer.Clear();
  *answer.mutable_id() = i.ask().id();
  answer.set_attempt(i.ask().attempt());
  answer.set_by(i.ask().to());
  answer.set_knows(to_us ? pb::Answer::UNKNOWN : pb::Answer::UNREACHABLE);
  put(from, item);
}

// --- time
// -------------------------------------------------------------------------------------------------------

Time MapperNode::turn() {
  State& s = *s_;
  const Time now = s.clock.now();
  if (now - s.last_turn > kGone) {
    // Origins have asked around and sent elsewhere what waits for us unread: a new epoch drops it.
    s.options.epoch = std::max(s.options.epoch + 1, static_cast<uint64_t>(s.clock.wall_us()));
    for (auto& [pipe, peer] : s.peers) {
      peer.link.heard(0, now);  // silent only as long as we did not listen
      if (peer.greeted) s.greet(peer);
    }
    s.broadcast();
  }
  s.last_turn = now;
  std::vector<Pipe> silent;
  for (const auto& [pipe, peer] : s.peers) {
    if (peer.link.silent(now)) silent.push_back(pipe);
  }
  for (const Pipe pipe : silent) s.lost(pipe);
  if (s.was_ready != s.computed_ready()) s.broadcast();
  if (now - s.last_beat >= kHeartbeat) {
    s.last_beat = now;
    s.calls.turn();
    for (auto& [pipe, peer] : s.peers) {
      if (!peer.greeted) continue;
      *s.item.mutable_heartbeat() = peer.link.make_heartbeat(now, s.was_ready);
      s.put(peer, s.item);
    }
  }
  return s.last_beat + kHeartbeat;
}

void MapperNode::flush() {
  if (!s_->queued) return;
  s_->queued = false;
  for (auto& [pipe, peer] : s_->peers) {
    if (!peer.link.flush(s_->clock.now())) s_->queued = true;
  }
}

void MapperNode::expect(std::vector<std::string> edges) { s_->options.expected = std::move(edges); }

void MapperNode::reconsider() {
  State& s = *s_;
  std::vector<Pipe> refused;
  for (const auto& [pipe, peer] : s.peers) {
    const std::string why = peer.greeted ? s.objection(pipe, peer, peer.member) : "";
    if (why.empty()) continue;
    refused.push_back(pipe);
    s.user.refused(peer.member.name() + " was put out: " + why);
  }
  for (const Pipe pipe : refused) s.lost(pipe);
}

void MapperNode::ask(const std::string& to, std::string_view text, std::function<void(std::string)> reply) {
  s_->calls.ask(to, text, std::move(reply));
}

void MapperNode::drain(bool on) {
  s_->draining = on;
  s_->broadcast();
}

bool MapperNode::ready() const { return s_->was_ready; }
std::string MapperNode::missing() const { return s_->missing(); }
const std::vector<pb::Member>& MapperNode::members() const { return s_->members; }
const std::map<std::string, Time>& MapperNode::gone() const { return s_->gone; }
bool MapperNode::has_our_configuration(const pb::Member& one) const { return s_->has_our_configuration(one); }
uint64_t MapperNode::members_version() const { return s_->members_version; }
uint64_t MapperNode::epoch() const { return s_->options.epoch; }

std::vector<LinkFigures> MapperNode::links() const {
  std::vector<LinkFigures> out;
  for (const auto& [pipe, peer] : s_->peers) out.push_back(peer.link.figures(s_->clock.now()));
  return out;
}

}  // namespace stox::bus
