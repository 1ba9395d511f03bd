#include "common/edge_process/edge_process.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/text.h"
#include "common/bodies/bodies.h"
#include "common/bodies/presence.h"
#include "common/bus/edge/envelope_name.h"
#include "common/bus/zmq/queues_json.h"

namespace stox {

using nlohmann::json;
using service::State;

namespace {

// Both edges together add so much at the median, and twice as much at most.
constexpr Duration kAutomaticPace = std::chrono::milliseconds(8);

}  // namespace

Result<void> EdgeProcess::join_bus(pb::Role role, uint64_t epoch, const Bounds& bounds) {
  const service::Config& config = context_.config;
  bus::EdgeOptions options;
  options.name = context_.identity.full;
  options.role = role;
  options.epoch = epoch;
  options.max_in_flight = bounds.max_in_flight;
  context_.loop.pace().set_longest(bounds.pace_ms ? std::chrono::milliseconds(*bounds.pace_ms)
                                                  : kAutomaticPace);
  options.resend_on_doubt = config.gateway.resend_on_doubt;
  options.bodies = bodies();
  options.shared = service::shared_digest(config);
  const bus::MapperAddresses mappers{config.mapper_endpoints(), config.curve.secret_key,
                                     config.curve.mapper_public_key, config.dns.servers};
  auto bus = bus::ZmqEdge::create(context_.loop, std::move(options), mappers, *this);
  if (!bus) return tl::make_unexpected(bus.error());
  bus_ = std::move(*bus);
  return {};
}

void EdgeProcess::reload(const service::Config& config) { bus_->connect_to(config.mapper_endpoints()); }

// --- what it says of itself

service::Status EdgeProcess::status() const {
  if (draining_)
    return {State::kDraining,
            fmt::format("{} messages are under way", origin().awaited() + target().begun())};
  // Ready when the others have been restarted, for which nobody need wait.
  if (edge().restart_pending()) return {State::kReady, bus_->why_no_mapper()};
  if (!edge().has_mapper()) return {State::kStarting, bus_->why_no_mapper()};
  return own_status();
}

void EdgeProcess::check_status() {
  if (!bus_) return;
  service::Status current = status();
  const bool is_other = is_news(told_, current);  // asked each time, as it may remember
  if (current.state == told_.state && !is_other) return;
  told_ = std::move(current);
  context_.status_changed();
}

void EdgeProcess::tell_serving() {
  if (!bus_) return;
  pb::Serving what = serving();
  if (draining_) what.set_state(pb::DRAINING);
  edge().set_serving(std::move(what));
}

json EdgeProcess::queues() const { return bus::queues_json(edge()); }

json EdgeProcess::inflight() const {
  json list = json::array();
  for (const bus::InFlight& each : origin().list_in_flight(kMaxListed)) {
    auto [from, to] = addresses_of(each);
    list.push_back({{"id", bus::envelope_name(edge().name(), each.id_epoch, each.id_number)},
                    {"trace", to_hex(each.trace_id)},
                    {"from", std::move(from)},
                    {"to", std::move(to)},
                    {"stage", each.stage},
                    {"attempts", each.attempts},
                    {"age_ms", to_ms(now() - each.submitted)}});
  }
  return list;
}

json EdgeProcess::failed() const { return bus::failed_json(edge(), now()); }

std::vector<std::string> EdgeProcess::others() const { return bus::names_of_others(edge()); }

void EdgeProcess::add_mappers(json& peers) const {
  for (json& mapper : bus::peers_json(bus_->mappers())) peers.push_back(std::move(mapper));
}

void EdgeProcess::trace_presence(const pb::Envelope& envelope, const char* where) {
  const pb::Presence& presence = presence_in(envelope);
  context_.trace.presence_passed(envelope.trace_id(), presence.from(), presence.to(),
                                 pb::Presence::Kind_Name(presence.kind()) + where,
                                 context_.loop.clock().wall_us());
}

void EdgeProcess::send(const json& request, service::Reply reply) {
  const auto text = [&](const char* key) {
    return request.contains(key) && request[key].is_string() ? request[key].get<std::string>() : "";
  };
  inject(
      text("from"), text("to"), text("text"),
      [reply = std::move(reply)](const std::string& trace_id, const std::string& outcome, bool ok) {
        reply({{"ok", ok}, {"trace", to_hex(trace_id)}, {"outcome", outcome}, {"error", ok ? "" : outcome}});
      });
  look_soon();
}

// --- its end

void EdgeProcess::drain(std::function<void()> done) {
  draining_ = true;
  drained_ = std::move(done);
  draining_changed();
  tell_serving();
  check_status();
  look_soon();
}

void EdgeProcess::accept_new(bool on) {
  if (is_ending()) return;
  draining_ = !on;
  draining_changed();
  tell_serving();
  check_status();
}

void EdgeProcess::end_when_idle() {
  if (is_ending() && origin().awaited() == 0 && target().begun() == 0 && edge().has_last_envelope())
    std::exchange(drained_, nullptr)();
}

}  // namespace stox
