#include "xmpp_worker/streams/server_streams.h"

#include <fmt/format.h>

#include "common/base/shortened.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/net/expiry.h"
#include "xmpp_worker/xmpp/s2s/peer_names.h"
#include "xmpp_worker/xmpp/s2s/s2s_stream.h"

namespace stox::worker {
namespace {

using service::Metric;

constexpr double kLines = 2000, kLinesPerSecond = 10;

std::vector<std::string> prepared(const std::vector<std::string>& domains) {
  std::vector<std::string> out;
  for (const std::string& each : domains) out.push_back(xmpp::prepared_domain(each));
  return out;
}

// For which of our domains our certificate does not stand, for people; empty: it stands for all.
std::string why_not_ours(const net::TlsContext& tls, const std::vector<std::string>& serves) {
  if (!tls.has_certificate()) return {};
  const net::Certificate& own = tls.certificate();
  const xmpp::PeerNames names{
      true, true, {}, own.subject, own.names.dns, own.names.srv_names, own.names.xmpp_addrs};
  for (const std::string& domain : serves) {
    if (!has_name(names, domain)) return why_not(names, domain);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Streams>> ServerStreams::create(const service::Context& context,
                                                       const service::XmppWorkerConfig& config,
                                                       const std::string& secret, xmpp::PathsUser& user) {
  auto resolver = net::Resolver::create(context.loop, {context.config.dns.servers, true});
  if (!resolver) return tl::make_unexpected(resolver.error());
  std::unique_ptr<ServerStreams> streams(new ServerStreams(context, secret, std::move(*resolver)));
  auto server =
      xmpp::S2sServer::create(context.loop, *streams->resolver_, streams->options_of(config), user, *streams);
  if (!server) return error("xmpp_worker " + config.name + ": " + server.error().text);
  streams->server_ = std::move(*server);
  streams->look_at_certificate(prepared(config.serves));
  if (auto listens = streams->server_->listen(); !listens)
    return error("xmpp_worker " + config.name + ": " + listens.error().text);
  return std::unique_ptr<Streams>(std::move(streams));
}

ServerStreams::ServerStreams(const service::Context& context, std::string secret,
                             std::unique_ptr<net::Resolver> resolver)
    : context_(context),
      secret_(std::move(secret)),
      resolver_(std::move(resolver)),
      lines_(kLines, kLinesPerSecond, context.loop.now()) {}

void ServerStreams::tell(service::Level level, const std::string& text) {
  if (!lines_.take(context_.loop.now())) return void(++left_out_);
  if (left_out_ > 0)
    context_.log.warn("{} lines about streams are left out here: there were too many",
                      std::exchange(left_out_, 0));
  context_.log.write(level, {}, "{}", text);
}

xmpp::S2sOptions ServerStreams::options_of(const service::XmppWorkerConfig& config) const {
  xmpp::S2sOptions options;
  options.serves = prepared(config.serves);
  options.address = config.xmpp_host;
  options.port = config.xmpp_port;
  options.dialback_secret = config.dialback_secret.empty() ? secret_ : config.dialback_secret;
  options.tls = {config.tls.certificate, config.tls.key, config.tls.ca};
  options.require_tls = config.tls_require;
  options.insecure_domains = prepared(config.insecure_domains);
  for (const auto& [domain, server] : context_.config.dns.static_servers)
    options.static_servers[xmpp::prepared_domain(domain)] = server;
  return options;
}

// Others look at it, and whoever does not like it rarely says so.
void ServerStreams::look_at_certificate(const std::vector<std::string>& serves) {
  not_ours_ = why_not_ours(server_->tls(), serves);
}

std::vector<std::string> ServerStreams::check(const service::Config& config,
                                              const service::Identity& identity) {
  std::vector<std::string> out;
  for (const service::XmppWorkerConfig& worker : config.xmpp_workers) {
    if (worker.name != identity.section || worker.backend != "server") continue;
    const auto tls = net::TlsContext::create({worker.tls.certificate, worker.tls.key, worker.tls.ca});
    if (!tls) continue;  // said already
    if (const std::string why = why_not_ours(*tls, prepared(worker.serves)); !why.empty())
      out.push_back(why + ": other servers fall back to dialback, or refuse us");
  }
  return out;
}

service::Status ServerStreams::status() const {
  const char* const but = "other servers fall back to dialback, or refuse us; put another there, then HUP";
  const net::TlsContext& tls = server_->tls();
  const std::string expiry =
      tls.has_certificate()
          ? net::expiry_trouble(tls.certificate(), context_.loop.clock().wall_us() / 1'000'000)
          : "";
  const bool expired = expiry == "has expired";
  if (!expired && !not_ours_.empty()) return {service::State::kReady, fmt::format("{}: {}", not_ours_, but)};
  if (expiry.empty()) return {service::State::kReady, {}};
  return {service::State::kReady,
          fmt::format("its certificate \"{}\" {}: {}{}", shortened(tls.certificate().subject, 100), expiry,
                      expired ? "" : "then ", but)};
}

xmpp::Path* ServerStreams::path(std::string_view from_domain, std::string_view to_domain) {
  return server_->path(from_domain, to_domain);
}

void ServerStreams::reload(const service::XmppWorkerConfig& config) {
  if (const auto read = server_->reload(options_of(config)); !read)
    return context_.log.error("the certificate stays as it was: {}", read.error().text);
  look_at_certificate(prepared(config.serves));
  context_.log.info("certificate and key are read anew: {}", server_->tls().certificate().subject);
}

nlohmann::json ServerStreams::list() const {
  return nlohmann::json::array(
      {{{"name", "other servers"},
        {"kind", "xmpp"},
        {"state", fmt::format("{} of {} streams up, {} of others", server_->routes_up(), server_->routes(),
                              server_->inbound())},
        {"reason", ""}}});
}

nlohmann::json ServerStreams::streams() const {
  nlohmann::json out = nlohmann::json::array();
  const Time now = context_.loop.now();
  for (const xmpp::StreamInfo& each : server_->list()) {
    nlohmann::json row = {{"own_domain", each.own_domain},
                          {"domain", each.domain},
                          {"direction", each.direction},
                          {"state", each.state},
                          {"address", each.address},
                          {"tls", each.tls},
                          {"authentication", each.authentication},
                          {"bidi", each.bidi},
                          {"stream_management", each.management},
                          {"unacked", each.unacked},
                          {"stanzas_in", each.stanzas_in},
                          {"stanzas_out", each.stanzas_out},
                          {"reason", each.reason}};
    if (each.last_traffic != Time{}) row["idle_ms"] = to_ms(now - each.last_traffic);
    if (each.retry_at != kNever) row["retry_ms"] = to_ms(each.retry_at - now);
    out.push_back(std::move(row));
  }
  return out;
}

std::size_t ServerStreams::close(const std::string& domain, bool reconnect) {
  const auto& name = context_.identity;
  if (reconnect && (domain == name.full || domain == name.section)) return server_->retry_all();
  const std::string prepared = xmpp::prepared_domain(domain);
  return reconnect ? server_->reconnect(prepared) : server_->close(prepared, "an operator closed it");
}

void ServerStreams::add_metrics(std::vector<Metric>& out) const {
  const auto gauge = [&](const char* name, const char* help, std::size_t value) {
    out.push_back({Metric::Kind::kGauge, name, help, static_cast<double>(value)});
  };
  if (server_->tls().has_certificate())
    out.push_back({Metric::Kind::kGauge, "stox_certificate_expiry_timestamp_seconds",
                   "When our own certificate ends, Unix time.",
                   static_cast<double>(server_->tls().certificate().not_after_s)});
  gauge("stox_xmpp_routes", "remote domains that were written to of late", server_->routes());
  gauge("stox_xmpp_routes_up", "remote domains that there is a stream to", server_->routes_up());
  gauge("stox_xmpp_inbound_streams", "connections of other servers", server_->inbound());
  out.push_back({Metric::Kind::kCounter, "stox_xmpp_connections_refused_total",
                 "connections of other servers over a bound", static_cast<double>(server_->refused())});
}

}  // namespace stox::worker
