#include "common/bus/edge/edge.h"

#include <algorithm>
#include <utility>

#include "common/bus/wire/times.h"

namespace stox::bus {
namespace {

constexpr Duration kSayAgain = std::chrono::minutes(1);

EdgeOptions with_epoch(EdgeOptions options, const Clock& clock) {
  if (options.epoch == 0) options.epoch = static_cast<uint64_t>(clock.wall_us());
  return options;
}

}  // namespace

Edge::Edge(EdgeOptions options, std::size_t mappers, Wire& wire, const Clock& clock, EdgeUser& user)
    : options_(with_epoch(std::move(options), clock)),
      clock_(clock),
      user_(user),
      mappers_(options_, mappers, wire, clock),
      origin_(options_, clock, mappers_, user),
      target_(options_, clock, mappers_, user),
      hand_overs_(options_.name, options_.epoch, clock,
                  [this](const std::string& to, const pb::Item& item) {
                    if (const auto route = mappers_.route_to(to, {})) mappers_.put(route->pipe, item);
                  }),
      calls_(options_.name, clock, *this),
      last_turn_(clock.now()),
      last_beat_(clock.now()) {}

// --- mappers

void Edge::leave_mapper(Pipe pipe) {
  mappers_.leave(pipe);
  update_routes();
}

bool Edge::done_with(Pipe pipe) const { return mappers_.is_left(pipe) && !origin_.uses(pipe); }

void Edge::remove_mapper(Pipe pipe) {
  mappers_.remove(pipe);
  closed(pipe);
}

void Edge::opened(Pipe pipe) {
  mappers_.open(pipe);
  update_routes();
}

void Edge::closed(Pipe pipe) {
  if (!mappers_.close(pipe)) return;
  if (mappers_.is_left(pipe)) return origin_.routes_changed();  // asks for what was still in flight by it
  update_routes();
}

void Edge::update_routes() {
  if (!mappers_.update_routes()) return;
  update_members();
  origin_.routes_changed();
}

void Edge::update_members() {
  if (!mappers_.update_members()) return;
  origin_.members_changed();
  user_.members_changed();
}

// --- what comes

void Edge::frame(Pipe pipe, std::string_view bytes) {
  if (!mappers_.link(pipe).up()) opened(pipe);  // thought gone, and here it is
  Link& link = mappers_.link(pipe);
  link.heard(bytes.size(), clock_.now());
  const bool whole = reader_.read(bytes, [&](pb::Item& item) {
    link.count_received(item);
    ++received_;
    handle(pipe, item);
  });
  if (whole) return;
  link.count_dropped(1);
  trouble(link.peer() + " sent what cannot be read" +
          (reader_.why_broken().empty() ? "" : ": " + reader_.why_broken()));
}

void Edge::trouble(const std::string& text) {
  if (text == last_trouble_ && clock_.now() - trouble_said_ < kSayAgain) return;
  last_trouble_ = text;
  trouble_said_ = clock_.now();
  user_.bus_trouble(text);
}

void Edge::handle(Pipe pipe, pb::Item& item) {
  Link& link = mappers_.link(pipe);
  switch (item.kind_case()) {
    case pb::Item::kEnvelope:
      return target_.envelope(pipe, item.envelope());
    case pb::Item::kOutcome:
      return origin_.outcome(item.outcome());
    case pb::Item::kRefused:
      return origin_.refused(item.refused());
    case pb::Item::kAsk:
      return target_.ask(pipe, item.ask());
    case pb::Item::kAnswer:
      return origin_.answer(item.answer());
    case pb::Item::kHeartbeat:
      return link.heartbeat(item.heartbeat(), clock_.now());
    case pb::Item::kHello:
      link.named(item.hello().who().name(), item.hello().who().epoch());
      return update_routes();
    case pb::Item::kMembers:
      mappers_.list(pipe, item.members());
      update_routes();
      return update_members();
    case pb::Item::kHelloWanted:
      return opened(pipe);
    case pb::Item::kHelloRefused:
      if (link.objection() == item.hello_refused().why()) return;
      link.set_objection(item.hello_refused().why());
      return user_.bus_trouble("a mapper does not take us for " + name() + ": " + link.objection());
    case pb::Item::kHandOver:
      if (hand_overs_.arrived(item.hand_over())) user_.handed_over(item.hand_over());
      return;
    case pb::Item::kHandOverAck:
      return hand_overs_.acknowledged(item.hand_over_ack());
    case pb::Item::kCall:
      return calls_.arrived(item.call(),
                            [this, pipe](const pb::Item& answer) { mappers_.put(pipe, answer); });
    case pb::Item::KIND_NOT_SET:
      return link.count_dropped(1);  // of a newer version
  }
}

// --- time

Time Edge::turn() {
  const Time now = clock_.now();
  notice_standstill(now);
  for (Pipe pipe = 0; pipe < mappers_.size(); ++pipe) {
    if (mappers_.link(pipe).silent(now)) closed(pipe);
  }
  if (now - last_beat_ >= kHeartbeat) beat(now);
  origin_.turn();
  return std::min(last_beat_ + kHeartbeat, origin_.next());
}

void Edge::notice_standstill(Time now) {
  if (now - last_turn_ > kGone) {
    // Others think us gone, and may have begun elsewhere what waits for us unread: it was sent to the old
    // epoch.
    options_.epoch = std::max(options_.epoch + 1, static_cast<uint64_t>(clock_.wall_us()));
    for (Pipe pipe = 0; pipe < mappers_.size(); ++pipe) {
      if (mappers_.link(pipe).up()) opened(pipe);
    }
  }
  const bool stood_still = now - last_turn_ >= kOutOfReach;
  const bool is_out = stood_still || now - mappers_.heard() >= kOutOfReach;
  const bool was_out = std::exchange(is_out_of_reach_, is_out);
  if (stood_still || (is_out && !was_out)) user_.out_of_reach();
  last_turn_ = now;
}

void Edge::beat(Time now) {
  last_beat_ = now;
  for (Pipe pipe = 0; pipe < mappers_.size(); ++pipe) {
    if (mappers_.link(pipe).up()) mappers_.beat(pipe);
  }
  if (!hand_overs_.turn()) user_.hand_overs_lost();
  calls_.turn();
  target_.turn();
}

}  // namespace stox::bus
