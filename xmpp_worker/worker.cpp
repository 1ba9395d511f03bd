#include "xmpp_worker/worker.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/jid.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/bus/queues_json.h"
#include "xmpp_worker/words.h"
#include "xmpp_worker/xmpp/names.h"

namespace stox::worker {
namespace {

using nlohmann::json;
using service::Metric;
using service::State;
using xmpp::Stanza;

constexpr Duration kTick = std::chrono::seconds(1);
constexpr Duration kLookWhileDraining = std::chrono::milliseconds(10);
constexpr std::size_t kMaxUnsent = 4'194'304;  // bytes that the server has not read
constexpr std::size_t kMaxListed = 10'000;

const service::XmppWorkerConfig* find_section(const service::Config& config, const std::string& name) {
  for (const auto& section : config.xmpp_workers) {
    if (section.name == name) return &section;
  }
  return nullptr;
}

std::string prepared(const std::string& domain) {
  const auto jid = Jid::make({}, domain);
  return jid ? jid->domain() : domain;
}

}  // namespace

Result<std::unique_ptr<service::Process>> Worker::create(const service::Context& context) {
  const auto* section = find_section(context.config, context.identity.section);
  if (section == nullptr) return error("no [[xmpp_worker]] is named " + context.identity.section);
  if (section->backend != "component")
    return error("xmpp_worker " + section->name + ": backend = \"" + section->backend +
                 "\" is not in this version; use \"component\"");
  if (section->serves.size() != 1) {
    return error("xmpp_worker " + section->name +
                 ": a component is one domain, so serves must hold one; add another [[xmpp_worker]] for each "
                 "other domain");
  }
  auto resolver = net::Resolver::create(context.loop, {context.config.dns.servers, true});
  if (!resolver) return tl::make_unexpected(resolver.error());
  const auto epoch = static_cast<uint64_t>(context.loop.clock().wall_us());
  std::unique_ptr<Worker> worker(new Worker(context, *section, std::move(*resolver), epoch));
  bus::EdgeOptions options;
  options.name = context.identity.full;
  options.role = pb::WORKER;
  options.epoch = epoch;
  options.max_in_flight = section->max_in_flight;
  options.pace = std::chrono::milliseconds(section->pace_ms);
  options.resend_on_doubt = context.config.gateway.resend_on_doubt;
  const bus::MapperAddresses mappers{context.config.mapper_endpoints(), context.config.curve.secret_key,
                                     context.config.curve.mapper_public_key, worker->resolver_.get()};
  auto edge = bus::ZmqEdge::create(context.loop, options, mappers, *worker);
  if (!edge) return tl::make_unexpected(edge.error());
  worker->bus_ = std::move(*edge);
  worker->component_.start(worker->now());
  worker->tell_serving();
  worker->tick_ = worker->now() + kTick;  // nobody listens to a status yet
  worker->turn();
  return worker;
}

Worker::Worker(const service::Context& context, const service::XmppWorkerConfig& config,
               std::unique_ptr<net::Resolver> resolver, uint64_t epoch)
    : context_(context),
      config_(config),
      domain_(prepared(config.serves.front())),
      resolver_(std::move(resolver)),
      ids_(config.xmpp_password, context.identity.full, epoch),
      component_({domain_, config.xmpp_password, host_port(config.xmpp_host, config.xmpp_port), 200'000,
                  static_cast<uint32_t>(epoch)},
                 ids_, *this),
      socket_(context.loop, *resolver_, *this, std::chrono::milliseconds(config.pace_ms)),
      info_{STOX_VERSION},
      to_xmpp_(domain_, config.max_in_flight, component_, ids_, context.loop.clock(), context.log,
               context.trace, *this),
      to_sip_({domain_}, context.loop.clock(), context.log, context.trace, *this),
      alarm_(context.loop, [this] { turn(); }) {}

void Worker::turn() {
  component_.turn(now());
  to_xmpp_.turn();
  if (now() >= tick_) {
    tick_ = now() + kTick;
    check_status();
    if (to_sip_.has_unsent()) socket_.write_soon();
  }
  if (drained_) finish_drain();
  arrange();
}

void Worker::arrange() {
  if (!component_.output().empty()) socket_.write_soon();
  Time next = std::min({component_.next(), to_xmpp_.next(), tick_});
  if (drained_) next = std::min(next, now() + kLookWhileDraining);
  alarm_.set(next);
}

// --- bus

void Worker::begin(const pb::Envelope& envelope, Time begin_before) {
  to_xmpp_.begin(envelope, begin_before);
  arrange();
}

void Worker::ended(uint64_t number, const pb::Outcome& outcome) {
  to_sip_.ended(number, outcome);
  arrange();
}

void Worker::members_changed() { check_status(); }

void Worker::finish(const pb::EnvelopeId& id, const pb::Outcome& outcome) { edge().finish(id, outcome); }

Result<uint64_t> Worker::submit(pb::Envelope& envelope, Time begin_before, Time end_by, pb::Reason* reason) {
  auto number = edge().submit(envelope, begin_before, end_by);
  if (!number) *reason = edge().refusal();
  return number;
}

void Worker::write_envelope_name(uint64_t number, std::string* out) const {
  worker::write_envelope_name(edge().name(), edge().epoch(), number, out);
}

// --- stream

void Worker::connect() { socket_.connect(config_.xmpp_host, config_.xmpp_port); }

void Worker::disconnect() { socket_.close(); }

void Worker::socket_connected() {
  component_.connected(now());
  arrange();
}

void Worker::socket_received(std::string_view bytes) {
  component_.received(bytes, now());
  arrange();
}

void Worker::socket_closed(const std::string& why) {
  component_.disconnected(why, now());
  arrange();
}

void Worker::fill_output(std::string& out) {
  to_sip_.send_unsent();
  to_xmpp_.end_of_wakeup();
  out.append(component_.output());
  component_.output().clear();
  arrange();
}

void Worker::written() { socket_.write_soon(); }

bool Worker::has_room() const { return socket_.unsent() + component_.output().size() < kMaxUnsent; }

bool Worker::send_stanza(std::string_view from, std::string_view xml) {
  return has_room() && component_.send(from, xml) != xmpp::Component::Sent::kNotUp;
}

void Worker::stream_up() {
  to_xmpp_.stream_up();
  socket_.write_soon();
}

void Worker::stream_down() { to_xmpp_.stream_down(); }

// That there is no stream, and why, is the process's status, which is logged.
void Worker::state_changed() {
  if (component_.is_up())
    context_.log.info("connected to {} as {}", host_port(config_.xmpp_host, config_.xmpp_port), domain_);
  if (component_.is_contended()) context_.log.error("{}", component_.reason());
  tell_serving();
  check_status();
}

void Worker::stanza(const xmpp::Element& element) {
  const auto stanza = xmpp::read_stanza(element);
  if (!stanza) return;
  ++stanzas_in_;
  const bool is_message = stanza->kind == Stanza::Kind::kMessage;
  if (stanza->is_error() || stanza->type == "result") {
    if (stanza->kind != Stanza::Kind::kPresence) to_xmpp_.answer(*stanza);
    return;
  }
  if (is_message) return to_sip_.message(*stanza);
  // Who does not read what is answered gets no more answers.
  if (xmpp::domain_of(stanza->to) != domain_ || !has_room()) return void(++not_answered_);
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  if (!xmpp::answer(*stanza, info_, xml)) return;
  ++answered_;
  send_stanza(stanza->to, xml_);
}

void Worker::oversized(const xmpp::Element& element) {
  const auto stanza = xmpp::read_stanza(element);
  if (!stanza || stanza->is_error() || stanza->from.empty()) return;
  const bool owed = stanza->kind == Stanza::Kind::kMessage || stanza->type == "get" || stanza->type == "set";
  if (owed) to_sip_.refuse(*stanza, {"modify", "policy-violation", "Too large"});
  context_.log.info("an oversized stanza from {} was refused", stanza->from);
}

// --- what the process shows

service::Status Worker::status() const {
  if (draining_)
    return {State::kDraining, fmt::format("{} messages are under way", edge().in_flight() + edge().begun())};
  if (!component_.is_up()) return {State::kStarting, "no XMPP stream: " + component_.reason()};
  if (!edge().has_mapper()) return {State::kStarting, bus_->why_no_mapper()};
  return {State::kReady, {}};
}

void Worker::check_status() {
  if (!bus_) return;
  service::Status current = status();
  if (current.state == told_.state && current.reason == told_.reason) return;
  told_ = std::move(current);
  context_.status_changed();
}

void Worker::tell_serving() {
  if (!bus_) return;
  pb::Serving serving;
  serving.set_state(draining_ ? pb::DRAINING : component_.is_up() ? pb::READY : pb::STARTING);
  serving.set_reason(component_.reason());
  serving.set_backend(pb::COMPONENT);
  for (const std::string& domain : config_.domains) serving.add_domains(prepared(domain));
  serving.add_serves(domain_);
  edge().set_serving(std::move(serving));
}

void Worker::drain(std::function<void()> done) {
  draining_ = true;
  drained_ = std::move(done);
  tell_serving();
  check_status();
  turn();
}

// What is in flight first, then the stream.
void Worker::finish_drain() {
  const bool busy =
      edge().in_flight() > 0 || edge().begun() > 0 || (to_sip_.has_unsent() && component_.is_up());
  if (busy) return;
  if (!component_.is_stopped()) component_.stop(now());
  if (component_.is_stopped()) std::exchange(drained_, nullptr)();
}

void Worker::stop() {
  to_xmpp_.stop();
  to_sip_.stop();
  component_.stop(now());
  arrange();
}

void Worker::reload(const service::Config& config) {
  bus_->connect_to(config.mapper_endpoints());
  const auto* section = find_section(config, context_.identity.section);
  if (section == nullptr) return;
  component_.set_secret(section->xmpp_password, now());
  arrange();
}

json Worker::peers() const {
  json list = json::array();
  list.push_back({{"name", host_port(config_.xmpp_host, config_.xmpp_port)},
                  {"kind", "xmpp"},
                  {"state", component_.is_up() ? "up" : "down"},
                  {"reason", component_.reason()}});
  for (json& mapper : bus::peers_json(bus_->mappers())) list.push_back(std::move(mapper));
  return {{"peers", list}};
}

json Worker::queues() const { return bus::queues_json(edge()); }

json Worker::inflight() const {
  json list = json::array();
  for (const auto& each : edge().list_in_flight(kMaxListed)) {
    const auto* pending = to_sip_.find(each.number);
    std::string id;
    write_envelope_name(each.number, &id);
    list.push_back({{"id", id},
                    {"trace", to_hex(each.trace_id)},
                    {"from", pending ? pending->from : ""},
                    {"to", pending ? pending->to : ""},
                    {"stage", each.stage},
                    {"attempts", each.attempts},
                    {"age_ms", to_ms(now() - each.submitted)}});
  }
  return list;
}

void Worker::send(const json& request, service::Reply reply) {
  const auto text = [&](const char* key) {
    return request.contains(key) && request[key].is_string() ? request[key].get<std::string>() : "";
  };
  to_sip_.inject(
      text("from"), text("to"), text("text"),
      [reply = std::move(reply)](const std::string& trace_id, const std::string& outcome, bool ok) {
        reply({{"ok", ok}, {"trace", to_hex(trace_id)}, {"outcome", outcome}, {"error", ok ? "" : outcome}});
      });
  arrange();
}

std::vector<Metric> Worker::metrics() const {
  const auto counter = [](const char* name, const char* help, uint64_t value) {
    return Metric{Metric::Kind::kCounter, name, help, static_cast<double>(value)};
  };
  const auto gauge = [](const char* name, const char* help, auto value) {
    return Metric{Metric::Kind::kGauge, name, help, static_cast<double>(value)};
  };
  const auto& out = to_xmpp_.figures();
  const auto& in = to_sip_.figures();
  return {
      gauge("stox_xmpp_stream_up", "1 while the component's stream is up", component_.is_up()),
      gauge("stox_xmpp_stream_contended", "1 while another program is connected as our component",
            component_.is_contended()),
      counter("stox_xmpp_streams_total", "streams that came up", component_.streams()),
      gauge("stox_xmpp_unsent_bytes", "written and not yet taken by the kernel", socket_.unsent()),
      gauge("stox_xmpp_unproved", "messages written whose processing is not proved", to_xmpp_.unproved()),
      gauge("stox_xmpp_held", "messages that wait for the stream", to_xmpp_.held()),
      gauge("stox_xmpp_mute_domains", "domains that answer no pings", to_xmpp_.mute_domains()),
      counter("stox_xmpp_stanzas_received_total", "stanzas that came in", stanzas_in_),
      counter("stox_xmpp_written_total", "messages written to the stream", out.written),
      counter("stox_xmpp_delivered_total", "messages whose processing was proved", out.delivered),
      counter("stox_xmpp_passed_on_total", "messages passed on without proof", out.passed_on),
      counter("stox_xmpp_bounced_total", "messages refused by XMPP", out.bounced),
      counter("stox_xmpp_failed_total", "messages to XMPP that failed in the gateway", out.failed),
      counter("stox_xmpp_late_errors_total", "errors that came after the answer", out.late_errors),
      counter("stox_sip_taken_total", "messages taken in for SIP", in.taken),
      counter("stox_sip_delivered_total", "messages delivered to SIP", in.delivered),
      counter("stox_sip_failed_total", "messages to SIP that failed", in.failed),
      counter("stox_xmpp_refused_total", "error stanzas sent", in.refused),
      counter("stox_xmpp_errors_lost_total", "error stanzas that could not be sent", in.errors_lost),
      counter("stox_xmpp_answers_total", "IQs and presence answered", answered_),
      counter("stox_xmpp_unanswered_total", "IQs not answered, because the server does not read",
              not_answered_),
  };
}

}  // namespace stox::worker
