#include "sip_front/front.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/shortened.h"
#include "common/base/text.h"
#include "common/bodies/presence.h"
#include "common/bus/edge/ending_of.h"
#include "common/net/expiry.h"
#include "sip_front/front_config.h"

namespace stox {
namespace {

using nlohmann::json;

constexpr Duration kTick = std::chrono::seconds(1);
constexpr std::size_t kMaxTlsFailures = 16;
constexpr Duration kProxyHolds = std::chrono::minutes(1);  // where outbound_proxy was
constexpr std::size_t kGoodReceiveBuffer = 4 * 1024 * 1024;

}  // namespace

Result<std::unique_ptr<service::Process>> Front::create(const service::Context& context) {
  const auto* section = find_section(context.config, context.identity.section);
  if (section == nullptr) return error("no [[sip_front]] is named " + context.identity.section);
  const std::vector<sip::Listen> listens = make_listens(*section);
  auto policy = make_policy(context.config, *section, listens);
  if (!policy) return tl::make_unexpected(policy.error());
  std::unique_ptr<Front> front(new Front(context));

  auto resolver = net::Resolver::create(context.loop, {context.config.dns.servers, true});
  if (!resolver) return tl::make_unexpected(resolver.error());
  front->resolver_ = std::move(*resolver);
  auto next_hop = make_next_hop(context.config, *front->resolver_, front->random_);
  if (!next_hop) return tl::make_unexpected(next_hop.error());
  front->next_hop_ = std::move(*next_hop);
  front->way_back_ = *sip::NextHop::create(*front->resolver_, front->random_, {});

  auto tls = make_tls(*section);
  if (!tls) return tl::make_unexpected(tls.error());
  front->note_certificate(*tls);
  auto transports = sip::Transports::open(context.loop, listens, std::move(*tls),
                                          make_transport_options(*section, context.log), *front);
  if (!transports) return tl::make_unexpected(transports.error());
  front->transports_ = std::move(*transports);

  const auto joined = front->join_bus(pb::FRONT, 0, {section->max_in_flight, section->pace_ms});
  if (!joined) return tl::make_unexpected(joined.error());
  front->make_parts(std::move(*policy), *section);

  front->proxy_uri_ = context.config.gateway.outbound_proxy;
  front->tell_serving();
  front->log_listeners();
  front->tick_ = context.loop.now() + kTick;  // nobody listens to a status yet
  front->settle();
  return front;
}

Front::Front(const service::Context& context)
    : EdgeProcess(context),
      own_domains_(own_domains(context.config)),
      end_of_turn_(context.loop, [this] { settle(); }),
      alarm_(context.loop, [this] { settle(); }) {}

void Front::make_parts(sip::Policy policy, const service::SipFrontConfig& section) {
  const Clock& clock = context_.loop.clock();
  service::Log& log = context_.log;
  service::Trace& trace = context_.trace;
  const service::GatewayConfig& gateway = context_.config.gateway;
  RequestSender::HopFinder& finder = *this;
  Outbound::Outlet& outlet = *this;
  message_origin_.emplace(edge(), open_taken(), clock);
  reception_.emplace(std::move(policy), clock, log, trace, random_, *transports_, *message_origin_);
  sender_.emplace(clock, random_, finder, *transports_);
  sender_->configure(next_hop_->route(), make_credentials(section), !gateway.outbound_proxy.empty());
  outbound_.emplace(clock, log, trace, random_, *sender_, outlet);
  outbound_->refuse_large(gateway.long_messages == "reject");
  outbound_->formats().assume(gateway.unknown_peers_take);
  open_formats();
  inbound_.emplace(*reception_, section.max_in_flight, clock, log, trace, random_, *message_origin_,
                   outbound_->formats());
  reception_->add(sip::Method::kMessage, {}, *inbound_);
  open_presence();
}

void Front::log_listeners() {
  for (const auto& one : transports_->listening()) {
    context_.log.info("listening on {}", one.name);
    if (one.transport == sip::Transport::kUdp && one.receive_buffer < kGoodReceiveBuffer) {
      context_.log.warn(
          "{}: the system grants a receive buffer of {} kB, so bursts may be lost; allow more: sysctl -w "
          "net.core.rmem_max=8388608",
          one.name, one.receive_buffer / 1024);
    }
  }
}

void Front::settle() {
  notice_standstill();
  if (now() >= tick_) {
    tick_ = now() + kTick;
    look_for_proxy();
    check_status();
  }
  sender_->turn();  // first, as what it tells makes others do something
  const Time presence_due = turn_presence();
  const Time due = std::min({reception_->turn(), outbound_->turn(), presence_due});
  if (inbound_->idle() && outbound_->idle()) end_when_idle();
  alarm_.set(net::about(std::min({due, sender_->next_turn(), tick_})));
}

// --- bus

void Front::begin(const pb::Envelope& envelope, Time begin_before) {
  if (envelope.has_sip_presence() || envelope.has_sip_state()) {
    begin_presence(envelope);
  } else {
    outbound_->begin(envelope, begin_before);
  }
  end_of_turn_.ask();
}

void Front::begin_presence(const pb::Envelope& envelope) {
  const pb::Presence& presence = presence_in(envelope);
  if (!watching_) return finish(envelope.id(), bus::failure(pb::UNSUPPORTED, "gateway.presence is off"));
  trace_presence(envelope, ", to the SIP side");
  notifying_->watchers().take(presence);  // a state is for both
  if (watching_->watches().take(presence) == Watches::Took::kOverloaded) {
    finish(envelope.id(), bus::failure(pb::OVERLOADED, "no more SIP users can be watched now"));
  } else {
    presences_.push_back(envelope.id());
  }
}

Result<uint64_t> Front::submit_presence(pb::Envelope& envelope, Time begin_before, Time end_by) {
  envelope.set_trace_id(random_.id());
  trace_presence(envelope, ", to a mapper");
  return origin().submit(envelope, begin_before, end_by);
}

Time Front::turn_presence() {
  if (!watching_) return kNever;
  const Time due = std::min(watching_->turn(), notifying_->turn());
  for (const pb::EnvelopeId& id : std::exchange(presences_, {})) {
    pb::Outcome outcome;
    outcome.set_verdict(pb::DELIVERED);
    finish(id, std::move(outcome));
  }
  return due;
}

void Front::ended(uint64_t number, const pb::Outcome& outcome) {
  const bool is_presence = watching_ && (watching_->watches().ended(number, outcome) ||
                                         notifying_->watchers().ended(number, outcome));
  if (!is_presence) inbound_->ended(number, outcome);
  end_of_turn_.ask();
}

void Front::members_changed() {
  if (message_origin_) message_origin_->members_changed();
  if (watching_) {
    watching_->watches().members_changed(edge().members());
    notifying_->members_changed(edge().members());
    end_of_turn_.ask();
  }
  check_status();
  if (is_ending()) end_of_turn_.ask();
}

// Before any event lets something out that the bus would have had us drop.
void Front::notice_standstill() {
  if (has_joined() && now() >= tick_ + bus::kOutOfReach - kTick) edge().turn();
}

void Front::out_of_reach() {
  outbound_->give_up(pb::LINK_DOWN, "was out of reach");
  end_of_turn_.ask();
}

void Front::note_certificate(const net::TlsContext& tls) {
  certificate_ = tls.has_certificate() ? std::optional(tls.certificate()) : std::nullopt;
}

// Null: it cannot be had.
std::unique_ptr<TakenRequests> Front::open_taken() {
  const auto& directory = context_.config.runtime.state_directory;
  auto taken =
      TakenRequests::open(directory + "/" + context_.identity.full + ".taken", context_.loop.clock());
  if (taken) return std::move(*taken);
  context_.log.warn("{}; a message may be delivered twice when this process and an XMPP worker die at once",
                    taken.error().text);
  return nullptr;
}

void Front::open_formats() {
  const auto& directory = context_.config.runtime.state_directory;
  const auto kept = outbound_->formats().keep_in(directory + "/" + context_.identity.full + ".peers");
  if (!kept) context_.log.warn("{}; what SIP peers take is learnt anew after a restart", kept.error().text);
}

void Front::open_presence() {
  if (!context_.config.gateway.presence) return;
  const std::string path = context_.config.runtime.state_directory + "/" + context_.identity.full;
  PresenceOutbox::Outlet& bus = *this;
  watching_ = std::make_unique<Watching>(make_watch_options(context_.config), context_.loop.clock(),
                                         context_.log, random_, *reception_, *sender_, bus);
  notifying_ = std::make_unique<Notifying>(reception_->policy().domain_separator, context_.loop.clock(),
                                           context_.log, *reception_, *sender_, *transports_, bus);
  if (const auto kept = watching_->watches().keep_in(path + ".watches"); !kept) {
    context_.log.warn("{}; whom XMPP users watch is known again only when they log in anew after a restart",
                      kept.error().text);
  }
  if (const auto kept = notifying_->watchers().keep_in(path + ".watchers"); !kept) {
    context_.log.warn("{}; after a restart SIP users see no XMPP user before their phones subscribe anew",
                      kept.error().text);
  }
}

void Front::finish(const pb::EnvelopeId& id, pb::Outcome outcome) { target().finish(id, std::move(outcome)); }

// --- transports

void Front::received(const sip::Message& message, const sip::Flow& flow) {
  notice_standstill();
  if (!message.is_request) {
    if (!sender_->response(message)) ++stray_;
  } else if (!reception_->request(message, flow)) {
    transports_->finish(flow);
  }
  end_of_turn_.ask();
}

void Front::faulty(const sip::Message& message, const sip::Fault& fault, const sip::Flow& flow) {
  if (!reception_->fault(message, fault, flow)) transports_->finish(flow);
}

void Front::connection_lost(uint32_t connection, bool never_made, std::string_view why) {
  notice_standstill();
  sender_->connection_lost(connection, never_made, why);
  end_of_turn_.ask();
}

// RFC 3261 18.2.2, the last resort. Not for a stranger: we would connect to whomever he names.
void Front::no_way_back(const sip::Flow& asked, std::string_view response) {
  const std::string uri =
      reception_->trusts(asked) ? sip::uri_of_sent_by(response, asked.transport) : std::string();
  if (uri.empty()) return transports_->send_by({}, response);
  const auto send = [this, response = std::string(response)](sip::Hops hops) {
    transports_->send_by(hops ? std::move(*hops) : std::vector<sip::Hop>(), response);
    end_of_turn_.ask();
  };
  way_back_->find(uri, 0, send, sip::NextHop::Chosen::kByTrusted);
}

void Front::unreachable(const sip::Endpoint& peer, std::string_view datagram, std::string_view why) {
  notice_standstill();
  sender_->unreachable(peer, datagram, why);
  end_of_turn_.ask();
}

void Front::tls_failed(const sip::Endpoint& peer, bool ours, std::string_view why) {
  const std::string name = (ours ? "to " : "from ") + peer.str();
  const auto same = [&](const TlsFailure& one) {  // the port of who comes to us is another each time
    return one.why == why && one.peer.substr(0, one.peer.rfind(':')) == name.substr(0, name.rfind(':'));
  };
  const auto known = std::find_if(tls_failures_.begin(), tls_failures_.end(), same);
  const uint64_t times = known == tls_failures_.end() ? 1 : known->times + 1;
  if (known != tls_failures_.end()) {
    tls_failures_.erase(known);
  } else if (tls_failures_.size() >= kMaxTlsFailures) {
    tls_failures_.erase(tls_failures_.begin());
  }
  tls_failures_.push_back({now(), name, std::string(why), times});
  if (!ours && context_.trace.is_watched()) {
    service::TraceHop hop;
    hop.decision = "TLS " + name;
    hop.outcome = "no connection: " + std::string(why);
    hop.came_us = context_.loop.clock().wall_us();
    context_.trace.show_refused(hop, {});
  }
  if (times > 1) return;
  if (ours || trust_at(sip::kNoListener).networks.contain(peer)) {
    context_.log.warn("no TLS connection {}: {}", name, why);
  } else if (logged_strangers_.take(now())) {
    context_.log.info("no TLS connection {}: {}", name, why);
  }
}

// In sip_domains, and not our own: that would be a loop.
bool Front::may_redirect_to(std::string_view host) const {
  return next_hop_->reach().lists(host) &&
         std::find(own_domains_.begin(), own_domains_.end(), ascii_lower(host)) == own_domains_.end();
}

void Front::find_hops(const RequestSender::Way& way, std::size_t size, std::function<void(sip::Hops)> found) {
  auto then = [this, found = std::move(found)](sip::Hops hops) {
    found(std::move(hops));
    end_of_turn_.ask();
  };
  if (way.is_route) return next_hop_->find_route(way.uri, size, std::move(then), way.chosen);
  next_hop_->find(way.uri, size, std::move(then), way.chosen);
}

// --- what the process shows

service::Status Front::own_status() const {
  if (std::string trouble = reception_->refusals().trouble(proxy_, now()); !trouble.empty())
    return {service::State::kReady, std::move(trouble)};
  if (std::string trouble = watching_ ? watching_->trouble() : std::string(); !trouble.empty())
    return {service::State::kReady, std::move(trouble)};
  if (const std::string expiry =
          certificate_ ? net::expiry_trouble(*certificate_, context_.loop.clock().wall_us() / 1'000'000) : "";
      !expiry.empty())
    return {
        service::State::kReady,
        fmt::format("its certificate \"{}\" {}: TLS peers {}refuse us; put another there, then HUP",
                    shortened(certificate_->subject, 100), expiry, expiry == "has expired" ? "" : "will ")};
  return {service::State::kReady, {}};
}

// Its addresses, to know it by when it is refused.
void Front::look_for_proxy() {
  const bool is_known = proxy_looked_for_ != Time() && now() - proxy_looked_for_ < kProxyHolds;
  if (!reception_->refusals().has_untrusted() || is_known) return;
  proxy_looked_for_ = now();
  if (proxy_uri_.empty()) return;
  next_hop_->find(
      proxy_uri_, 0,
      [this](const sip::Hops& hops) {
        proxy_.clear();
        for (const sip::Hop& hop : hops ? *hops : std::vector<sip::Hop>()) proxy_.push_back(hop.peer);
      },
      sip::NextHop::Chosen::kByTrusted);
}

pb::Serving Front::serving() {
  pb::Serving serving;
  serving.set_state(pb::READY);
  return serving;
}

void Front::draining_changed() {
  reception_->drain(is_draining());
  if (!watching_) return;
  watching_->drain(is_draining());
  notifying_->drain(is_draining());
}

void Front::stop() {
  reception_->drain();
  inbound_->give_up();
  outbound_->give_up(pb::STOPPING, "stopped");
}

void Front::reload(const service::Config& config) {
  EdgeProcess::reload(config);
  const auto* section = find_section(config, context_.identity.section);
  if (section == nullptr) return;
  const auto& opened = *find_section(context_.config, context_.identity.section);
  auto policy = make_policy(config, *section, make_listens(opened));
  auto next_hop = make_next_hop(config, *resolver_, random_);
  if (!policy || !next_hop) {
    context_.log.error("{}; the old values stay", (policy ? next_hop.error() : policy.error()).text);
    return;
  }
  if (auto tls = make_tls(*section)) {
    note_certificate(*tls);
    transports_->set_tls(std::move(*tls), make_allow_wildcard(*section));
  } else {
    context_.log.error("{}; the old certificates stay", tls.error().text);
  }
  reception_->set_policy(std::move(*policy));
  transports_->trust_changed();
  own_domains_ = own_domains(config);
  outbound_->formats().assume(config.gateway.unknown_peers_take);
  outbound_->refuse_large(config.gateway.long_messages == "reject");
  if (watching_) watching_->watches().configure(make_watch_options(config));
  next_hop_ = std::move(*next_hop);
  proxy_uri_ = config.gateway.outbound_proxy;
  proxy_looked_for_ = {};
  sender_->configure(next_hop_->route(), make_credentials(*section), !config.gateway.outbound_proxy.empty());
}

void Front::inject(const std::string& from, const std::string& to, const std::string& text, Injected done) {
  inbound_->inject(from, to, text, [done = std::move(done)](const Inbound::Injected& result) {
    done(result.trace_id, result.text, result.ok);
  });
}

}  // namespace stox
