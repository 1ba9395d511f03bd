#include "mapper/mapper.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/bus/zmq/queues_json.h"

namespace stox {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(250);
constexpr Duration kRefusedLately = std::chrono::seconds(10);
constexpr Duration kSayAgain = std::chrono::minutes(1);
constexpr Duration kSayNext = std::chrono::seconds(1);
// What is still out after so long without traffic is asked for through another mapper, or this one restarted.
constexpr Duration kQuiet = std::chrono::seconds(1);

const char* text_of(pb::ProcessState state) {
  switch (state) {
    case pb::READY:
      return "ready";
    case pb::STANDBY:
      return "standby";
    case pb::DRAINING:
      return "draining";
    default:
      return "starting";
  }
}

const char* role_of(const pb::Member& member) {
  return member.role() == pb::FRONT ? "sip_front" : "xmpp_worker";
}

std::vector<std::string> edges_of(const service::Config& config) {
  std::vector<std::string> out;
  for (const auto& front : config.sip_fronts) out.push_back(front.name);
  for (const auto& worker : config.xmpp_workers) out.push_back(worker.name);
  return out;
}

// Which kind of process a ready mapper has none of, and what that means, for people.
std::string nobody_of(const std::vector<pb::Member>& members, bool ready) {
  if (!ready) return {};
  const auto has = [&](pb::Role role) {
    return std::any_of(members.begin(), members.end(),
                       [role](const pb::Member& m) { return m.role() == role; });
  };
  const bool front = has(pb::FRONT), worker = has(pb::WORKER);
  if (front && worker) return {};
  if (!front && !worker) return "no sip_front and no xmpp_worker is connected: nothing crosses";
  return front ? "no xmpp_worker is connected: no message from SIP gets through"
               : "no sip_front is connected: no message from XMPP gets through";
}

// Keys that are listed without a name may be any section's.
std::vector<bus::EdgeKey> edge_keys(const service::Config& config) {
  std::vector<bus::EdgeKey> out;
  const auto add = [&](const auto& sections, pb::Role role) {
    for (const auto& section : sections) {
      const auto own = config.curve.section_keys.find(section.name);
      if (own != config.curve.section_keys.end()) out.push_back({own->second, section.name, role});
      for (const std::string& key : config.curve.edge_public_keys) out.push_back({key, section.name, role});
    }
  };
  add(config.sip_fronts, pb::FRONT);
  add(config.xmpp_workers, pb::WORKER);
  return out;
}

}  // namespace

Result<std::unique_ptr<service::Process>> Mapper::create(const service::Context& context) {
  const auto& mappers = context.config.mappers;
  const auto own = std::find_if(mappers.begin(), mappers.end(), [&](const service::MapperConfig& m) {
    return m.name == context.identity.section;
  });
  if (own == mappers.end()) return error("no [[mapper]] section named \"" + context.identity.section + "\"");
  auto rules = Translation::rules(context.config);
  if (!rules) return error(context.config.file + ": " + rules.error().text);

  bus::MapperOptions options;
  options.name = context.identity.full;
  options.epoch = static_cast<uint64_t>(context.loop.clock().wall_us());
  options.expected = edges_of(context.config);
  options.shared = service::shared_digest(context.config);
  const auto& curve = context.config.curve;

  auto mapper = std::make_unique<Mapper>(context, std::move(*rules));
  auto wire = bus::ZmqMapper::create(
      context.loop, std::move(options),
      {own->bind, curve.secret_key, curve.mapper_public_key, edge_keys(context.config)}, *mapper);
  if (!wire) return error(wire.error().text);
  mapper->wire_ = std::move(*wire);
  mapper->look();
  return mapper;
}

Mapper::Mapper(const service::Context& context, Translation::Rules rules)
    : context_(context),
      translation_(std::move(rules), context.loop.clock(), context.log, context.trace),
      alarm_(context.loop, [this] { look(); }) {}

bus::Placement Mapper::place(pb::Envelope& envelope) {
  look_at_members();
  last_passed_ = context_.loop.now();
  return translation_.place(envelope);
}

void Mapper::translate(pb::Outcome& outcome) {
  look_at_members();
  last_passed_ = context_.loop.now();
  translation_.translate(outcome);
}

void Mapper::came(const pb::Member& edge) {
  context_.log.info("{} ({}) is connected", edge.name(), role_of(edge));
}

// The same once a minute, others once a second: a stranger may cause any number.
void Mapper::refused(const std::string& text) {
  const Time now = context_.loop.now();
  if (now - refused_said_ >= (text == refused_ ? kSayAgain : kSayNext)) {
    context_.log.warn("{}{}", text,
                      refused_unsaid_ > 0
                          ? fmt::format(" ({} more since the last such line)", refused_unsaid_)
                          : std::string());
    refused_said_ = now;
    refused_unsaid_ = 0;
    refused_ = text;
  } else {
    ++refused_unsaid_;
  }
  refused_at_ = now;
}

void Mapper::look_at_members() {
  const uint64_t version = wire_->node().members_version();
  if (members_known_ && version == members_version_) return;
  members_known_ = true;
  members_version_ = version;
  std::vector<pb::Member> placeable;
  for (const pb::Member& one : wire_->node().members()) {
    if (wire_->node().has_our_configuration(one)) placeable.push_back(one);
  }
  translation_.set_members(placeable);
}

void Mapper::look() {
  const bool ready = wire_->node().ready();
  std::string missing = wire_->node().missing();
  std::string nobody = who_is_missing();
  if (ready != was_ready_ || missing != was_missing_ || nobody != nobody_) {
    was_ready_ = ready;
    was_missing_ = std::move(missing);
    nobody_ = std::move(nobody);
    context_.status_changed();
  }
  const Time now = context_.loop.now();
  if (drained_ && now >= last_passed_ + kQuiet) std::exchange(drained_, nullptr)();
  alarm_.set(now + kLook);
}

// As it is now: who asks for the status must not hear of what ended since the last look.
std::string Mapper::who_is_missing() const {
  std::string differ = others_differ();
  return differ.empty() ? nobody_of(wire_->node().members(), wire_->node().ready()) : differ;
}

service::Status Mapper::status() const {
  if (draining_) return {service::State::kDraining, "passes no new messages on"};
  if (was_ready_) return {service::State::kReady, who_is_missing()};
  std::string why =
      "waiting for " + (was_missing_.empty() ? "the first heartbeats" : was_missing_ + " to connect");
  if (!refused_.empty() && context_.loop.now() - refused_at_ < kRefusedLately) why += "; " + refused_;
  return {service::State::kStarting, why};
}

std::string Mapper::others_differ() const {
  std::string names;
  for (const pb::Member& one : wire_->node().members()) {
    if (!wire_->node().has_our_configuration(one)) names += (names.empty() ? "" : ", ") + one.name();
  }
  if (names.empty()) return {};
  return "restart pending: " + names +
         " and this mapper have other values of the keys that all processes share "
         "(gateway_domain, xmpp_domain, domain_separator, gwmap), and pass each other nothing";
}

void Mapper::drain(std::function<void()> done) {
  draining_ = true;
  drained_ = std::move(done);
  last_passed_ = context_.loop.now();
  wire_->node().drain();
  context_.status_changed();
}

void Mapper::accept_new(bool on) {
  if (drained_) return;  // it ends
  draining_ = !on;
  wire_->node().drain(!on);
  look();
  context_.status_changed();
}

void Mapper::reload(const service::Config& config) {
  wire_->node().expect(edges_of(config));
  wire_->let_in(edge_keys(config));
  auto rules = Translation::rules(config);
  if (!rules) {
    context_.log.error("{}: {}; the old rules stay", config.file, rules.error().text);
    return;
  }
  translation_.set_rules(std::move(*rules));
}

nlohmann::json Mapper::peers() const {
  auto peers = nlohmann::json::array();
  for (const pb::Member& member : wire_->node().members()) {
    peers.push_back({{"name", member.name()},
                     {"role", role_of(member)},
                     {"state", wire_->node().has_our_configuration(member) ? text_of(member.serving().state())
                                                                           : "restart pending"},
                     {"reason", member.serving().reason()}});
  }
  auto gone = nlohmann::json::array();
  for (const auto& [name, since] : wire_->node().gone())
    gone.push_back({{"name", name}, {"since_ms", to_ms(context_.loop.now() - since)}});
  return {{"peers", std::move(peers)}, {"gone", std::move(gone)}};
}

nlohmann::json Mapper::queues() const { return bus::queues_json(wire_->node()); }

nlohmann::json Mapper::inflight() const {
  return nlohmann::json::array();
}  // edges keep envelopes, mappers none

void Mapper::send(const nlohmann::json&, service::Reply reply) {
  reply({{"ok", false}, {"error", "a mapper sends nothing of its own: name a sip_front or an xmpp_worker"}});
}

std::vector<std::string> Mapper::others() const { return bus::names_of_others(wire_->node()); }

std::vector<service::Metric> Mapper::metrics() const {
  auto out = translation_.metrics();
  out.push_back({service::Metric::Kind::kGauge, "stox_mapper_edges", "Fronts and workers connected",
                 static_cast<double>(wire_->node().members().size())});
  return out;
}

}  // namespace stox
