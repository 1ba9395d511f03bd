#include "xmpp_worker/streams/component_streams.h"

#include <utility>

#include "common/base/hash.h"
#include "common/base/sip_uri.h"
#include "xmpp_worker/page/to_xmpp.h"

namespace stox::worker {

using service::Metric;
using service::State;

namespace {
// Each name has one of these, below those that systems give: the stream of a process that ended with its
// host, or while its cable was pulled, ends by the first connection of the next one.
constexpr uint16_t kFirstPort = 20'000, kPorts = 10'000;
}  // namespace

Result<std::unique_ptr<Streams>> ComponentStreams::create(const service::Context& context,
                                                          const service::XmppWorkerConfig& config,
                                                          const std::string& domain, xmpp::StanzaIds& ids,
                                                          xmpp::PathsUser& user) {
  auto resolver = net::Resolver::create(context.loop, {context.config.dns.servers, true});
  if (!resolver) return tl::make_unexpected(resolver.error());
  return std::unique_ptr<Streams>(
      new ComponentStreams(context, config, domain, std::move(*resolver), ids, user));
}

ComponentStreams::ComponentStreams(const service::Context& context, const service::XmppWorkerConfig& config,
                                   const std::string& domain, std::unique_ptr<net::Resolver> resolver,
                                   xmpp::StanzaIds& ids, xmpp::PathsUser& user)
    : loop_(context.loop),
      log_(context.log),
      identity_(context.identity),
      host_(config.xmpp_host),
      port_(config.xmpp_port),
      user_(user),
      resolver_(std::move(resolver)),
      component_({.domain = domain,
                  .secret = config.xmpp_password,
                  .server = host_port(host_, port_),
                  .jitter_seed = static_cast<uint32_t>(context.loop.clock().wall_us()),
                  .last_connection = static_cast<uint64_t>(context.loop.clock().wall_us()),
                  .has_predecessor = true},
                 ids, *this, user),
      connector_(loop_, static_cast<uint16_t>(kFirstPort + hash64(context.identity.full) % kPorts)),
      socket_(loop_, *this),
      alarm_(loop_, [this] {
        component_.turn(loop_.now());
        arrange();
      }) {}

xmpp::Path* ComponentStreams::path(std::string_view, std::string_view) { return &component_; }

bool ComponentStreams::holds(Time now) const { return may_hold(component_, now); }

void ComponentStreams::start() {
  component_.start(loop_.now());
  arrange();
}

void ComponentStreams::stop() {
  component_.stop(loop_.now());
  arrange();
}

void ComponentStreams::set_holder(const std::string& worker) {
  component_.set_holder(worker, loop_.now());
  arrange();
}

void ComponentStreams::keepalive_came_elsewhere(uint64_t number) {
  component_.keepalive_came_elsewhere(number, loop_.now());
  arrange();
}

void ComponentStreams::reload(const service::XmppWorkerConfig& config) {
  component_.set_secret(config.xmpp_password, loop_.now());
  arrange();
}

void ComponentStreams::arrange() {
  if (!component_.output().empty()) socket_.write_soon();
  alarm_.set(net::about(component_.next()));
}

void ComponentStreams::other_lost() {
  component_.other_lost(loop_.now());
  arrange();
}

void ComponentStreams::renew_connection() { component_.renew_connection(loop_.now()); }

void ComponentStreams::connect() {
  waits_to_connect_ = true;
  user_.state_changed();
}

void ComponentStreams::may_connect() {
  if (!std::exchange(waits_to_connect_, false)) return;
  socket_.close();
  connector_.connect(*resolver_, host_, port_, [this](int descriptor, const std::string& text) {
    if (descriptor < 0) return socket_closed(text);
    socket_.adopt(descriptor);
    component_.connected(loop_.now());
    arrange();
  });
}

void ComponentStreams::disconnect() {
  waits_to_connect_ = false;
  connector_.cancel();
  socket_.close();
}

void ComponentStreams::abort() {
  connector_.cancel();
  socket_.abort();
}

void ComponentStreams::write_soon() { socket_.write_soon(); }

// That there is no stream, and why, is the process's status, which is logged.
void ComponentStreams::state_changed() {
  if (component_.is_up())
    log_.info("connected to {} as {}", host_port(host_, port_), component_.own_domain());
  if (component_.is_contended()) log_.error("{}", component_.reason());
  user_.state_changed();
}

std::size_t ComponentStreams::unsent() const { return socket_.unsent(); }

void ComponentStreams::socket_received(std::string_view bytes) {
  component_.received(bytes, loop_.now());
  arrange();
}

void ComponentStreams::socket_closed(const std::string& why) {
  component_.disconnected(why, loop_.now());
  arrange();
}

void ComponentStreams::about_to_write() {
  if (component_.is_up()) user_.about_to_write(component_);
  socket_.send(component_.output());
  component_.output().clear();
  alarm_.set(net::about(component_.next()));
}

service::Status ComponentStreams::status() const {
  if (component_.is_up()) return {State::kReady, {}};
  if (component_.is_standby()) return {State::kStandby, component_.reason()};
  return {State::kStarting, "no XMPP stream: " + component_.reason()};
}

std::optional<Streams::Silence> ComponentStreams::silence() const {
  const Duration silent = component_.silent_for(loop_.now());
  if (silent == Duration{}) return {};
  return Silence{host_port(host_, port_), silent};
}

std::size_t ComponentStreams::close(const std::string& name, bool reconnect) {
  const bool is_meant =
      name == identity_.full || name == identity_.section || name == component_.own_domain();
  if (!reconnect || !is_meant || !component_.reconnect(loop_.now())) return 0;
  arrange();
  return 1;
}

nlohmann::json ComponentStreams::list() const {
  return nlohmann::json::array({{{"name", host_port(host_, port_)},
                                 {"kind", "xmpp"},
                                 {"state", component_.is_up()        ? "up"
                                           : component_.is_standby() ? "standby"
                                                                     : "down"},
                                 {"reason", component_.reason()}}});
}

nlohmann::json ComponentStreams::streams() const {
  nlohmann::json one = {{"own_domain", component_.own_domain()},
                        {"domain", "*"},
                        {"direction", "component"},
                        {"state", component_.is_up() ? "up" : "down"},
                        {"address", host_port(host_, port_)},
                        {"tls", ""},
                        {"authentication", component_.is_up() ? "password" : ""},
                        {"bidi", false},
                        {"stream_management", false},
                        {"unacked", 0},
                        {"reason", component_.reason()}};
  if (component_.retry_at() != kNever) one["retry_ms"] = to_ms(component_.retry_at() - loop_.now());
  return nlohmann::json::array({one});
}

void ComponentStreams::add_metrics(std::vector<Metric>& out) const {
  const auto gauge = Metric::Kind::kGauge;
  out.push_back({gauge, "stox_xmpp_stream_up", "1 while the component's stream is up",
                 static_cast<double>(component_.is_up())});
  out.push_back({gauge, "stox_xmpp_stream_contended", "1 while another program is connected as our component",
                 static_cast<double>(component_.is_contended())});
  out.push_back({Metric::Kind::kCounter, "stox_xmpp_streams_total", "streams that came up",
                 static_cast<double>(component_.streams())});
  out.push_back({gauge, "stox_xmpp_unsent_bytes", "written and not yet taken by the kernel",
                 static_cast<double>(socket_.unsent())});
}

}  // namespace stox::worker
