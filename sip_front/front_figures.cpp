// What the front shows of itself.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "sip_front/front.h"

namespace stox {

using nlohmann::json;
using service::Metric;

namespace {

constexpr std::size_t kMaxConnectionsListed = 200;
constexpr Duration kFailureShown = std::chrono::minutes(10);

}  // namespace

json Front::peers() const {
  json list = json::array();
  for (const auto& one : transports_->listening())
    list.push_back({{"name", one.name}, {"kind", "listener"}, {"state", "up"}});
  const sip::TransportFigures figures = transports_->figures();
  for (const auto& [name, by_peer, by_us] :
       {std::tuple("tcp connections", figures.tcp_in, figures.tcp_out),
        std::tuple("tls connections", figures.tls_in, figures.tls_out)}) {
    if (by_peer + by_us == 0) continue;
    list.push_back({{"name", name},
                    {"kind", "connections"},
                    {"state", fmt::format("{} in {} out", by_peer, by_us)},
                    {"opened_by_peer", by_peer},
                    {"opened_by_us", by_us}});
  }
  for (const TlsFailure& failure : tls_failures_) {
    if (now() - failure.at > kFailureShown) continue;
    list.push_back({{"name", failure.peer},
                    {"kind", "tls_failure"},
                    {"state", "no TLS"},
                    {"why", failure.why},
                    {"times", failure.times},
                    {"age_ms", to_ms(now() - failure.at)}});
  }
  for (const SilentHops::One& one : sender_->silent_hops().all()) {
    if (now() - one.at > kFailureShown) continue;
    list.push_back({{"name", one.hop.empty() ? "outbound_proxy" : one.hop},
                    {"kind", "outbound_proxy"},
                    {"state", one.hop.empty() ? "cannot find" : "no answer of outbound_proxy"},
                    {"why", one.why},
                    {"times", one.times},
                    {"age_ms", to_ms(now() - one.at)}});
  }
  add_mappers(list);
  return {{"peers", list}, {"sip", sip()}};
}

// What `stoxctl sip` shows.
json Front::sip() const {
  json listeners = json::array(), connections = json::array(), refused = json::object();
  for (const auto& one : transports_->listening())
    listeners.push_back({{"name", one.name}, {"receive_buffer_bytes", one.receive_buffer}});
  for (const auto& one : transports_->connections(kMaxConnectionsListed)) {
    connections.push_back({{"transport", name_of(one.transport)},
                           {"peer", one.peer.str()},
                           {"opened_by", one.ours ? "us" : "peer"},
                           {"state", one.state},
                           {"trusted", one.trusted},
                           {"answers_pings", one.answers_pings},
                           {"idle_ms", to_ms(one.idle)}});
  }
  json failures = json::array();
  for (const TlsFailure& one : tls_failures_) {
    failures.push_back(
        {{"peer", one.peer}, {"why", one.why}, {"times", one.times}, {"age_ms", to_ms(now() - one.at)}});
  }
  const Reception::Figures in = reception_->figures();
  for (const auto& [reason, count] : in.refused) refused[reason] = count;
  const sip::TransportFigures figures = transports_->figures();
  return {{"listeners", listeners},
          {"connections", connections},
          {"connection_count", figures.connections()},
          {"tls_failures", failures},
          {"connections_refused", figures.connections_refused},
          {"connections_crowded_out", figures.connections_crowded_out},
          {"pings_unanswered", figures.pings_unanswered},
          {"datagrams_received", figures.datagrams_in},
          {"datagrams_sent", figures.datagrams_out},
          {"server_transactions_waiting", in.waiting},
          {"server_transactions_completed", in.completed},
          {"client_transactions", sender_->waiting()},
          {"retransmissions_absorbed", in.copies},
          {"stray_responses", stray_},
          {"refused", refused},
          {"ignored", in.ignored},
          {"strangers_unanswered", in.unanswered_strangers}};
}

json Front::known_peers() const {
  json list = json::array();
  for (const auto& known : outbound_->formats().list()) {
    json takes = json::array(), refuses = json::array();
    for (const Format format : {Format::kCpim, Format::kComposing, Format::kFile}) {
      const auto one = known.takes.at(static_cast<std::size_t>(format));
      if (one == PeerFormats::Takes::kYes) takes.push_back(name_of(format));
      if (one == PeerFormats::Takes::kNo) refuses.push_back(name_of(format));
    }
    list.push_back({{"peer", known.peer},
                    {"takes", std::move(takes)},
                    {"refuses", std::move(refuses)},
                    {"forgotten_in_ms", to_ms(known.left)}});
  }
  return list;
}

json Front::presence(const std::vector<std::string>& user) const {
  json list = json::array();
  if (!watching_) return list;
  const auto add = [&](const char* kind, const std::string& from, const std::string& to, const auto& one,
                       int64_t expires_us) {
    list.push_back({{"from", from},
                    {"to", to},
                    {"kind", kind},
                    {"state", one.state},
                    {"since_us", one.since_us},
                    {"expires_us", expires_us},
                    {"error", one.error}});
  };
  for (const std::string& address : user.empty() ? std::vector<std::string>{""} : user) {
    for (const auto& one : watching_->watches().list(address, kMaxListed - list.size())) {
      const int64_t left_us = (one.expires_at - now()).count();
      add("watch", one.user, one.contact, one,
          one.expires_at == kNever ? 0 : context_.loop.clock().wall_us() + left_us);
    }
    for (const auto& one : notifying_->watchers().list(address, kMaxListed - list.size()))
      add("watcher", one.from, one.to, one, one.expires_us);
  }
  return list;
}

std::size_t Front::forget_presence(const std::vector<std::string>& user) {
  std::size_t forgotten = 0;
  for (const std::string& address : user) {
    if (watching_ && !address.empty())
      forgotten += watching_->watches().forget(address) + notifying_->watchers().forget(address);
  }
  end_of_turn_.ask();
  return forgotten;
}

std::pair<std::string, std::string> Front::addresses_of(const bus::InFlight& one) const {
  const auto space = one.conversation.find(' ');
  return {one.conversation.substr(0, space),
          space == std::string::npos ? "" : one.conversation.substr(space + 1)};
}

json Front::inflight() const {
  json list = EdgeProcess::inflight();
  for (const auto& each : outbound_->list()) {
    list.push_back({{"id", each.id},
                    {"trace", to_hex(each.trace_id)},
                    {"from", each.from},
                    {"to", each.to},
                    {"stage", each.stage},
                    {"attempts", each.attempts},
                    {"age_ms", to_ms(now() - each.came)}});
  }
  return list;
}

std::vector<Metric> Front::metrics() const {
  std::vector<Metric> out;
  reception_->add_metrics(out);
  sender_->add_metrics(out);
  outbound_->add_metrics(out);
  if (watching_) watching_->watches().add_metrics(out);
  if (notifying_) notifying_->watchers().add_metrics(out);
  const auto add = [&](Metric::Kind kind, const char* name, const char* help, auto value) {
    out.push_back({kind, name, help, static_cast<double>(value), {}});
  };
  using Kind = Metric::Kind;
  const sip::TransportFigures figures = transports_->figures();
  for (const auto& [transport, opened_by, count] :
       {std::tuple("tcp", "peer", figures.tcp_in), std::tuple("tcp", "us", figures.tcp_out),
        std::tuple("tls", "peer", figures.tls_in), std::tuple("tls", "us", figures.tls_out)}) {
    out.push_back({Kind::kGauge,
                   "stox_sip_connections",
                   "Connections, by transport and by who opened them",
                   static_cast<double>(count),
                   {{"transport", transport}, {"opened_by", opened_by}}});
  }
  if (certificate_)
    add(Kind::kGauge, "stox_certificate_expiry_timestamp_seconds",
        "When our own certificate ends, Unix time.", certificate_->not_after_s);
  add(Kind::kGauge, "stox_sip_listeners", "Addresses that are listened on", transports_->listening().size());
  add(Kind::kCounter, "stox_sip_connections_refused_total", "Connections refused at a limit",
      figures.connections_refused);
  add(Kind::kCounter, "stox_sip_connections_stuck_total", "Connections closed because the peer stalled",
      figures.connections_timed_out);
  add(Kind::kCounter, "stox_sip_connections_crowded_out_total",
      "Connections closed with half a message because all together kept too much",
      figures.connections_crowded_out);
  add(Kind::kCounter, "stox_sip_pings_unanswered_total",
      "Connections to the outbound proxy that turned out to be dead", figures.pings_unanswered);
  add(Kind::kCounter, "stox_sip_tls_failures_total",
      "TLS connections that came to nothing: handshakes, certificates", figures.tls_failures);
  add(Kind::kCounter, "stox_sip_datagrams_received_total", "UDP datagrams received", figures.datagrams_in);
  add(Kind::kCounter, "stox_sip_datagrams_sent_total", "UDP datagrams sent", figures.datagrams_out);
  add(Kind::kCounter, "stox_sip_send_failures_total", "messages that the system did not take",
      figures.send_failures);
  add(Kind::kCounter, "stox_sip_stray_responses_total", "responses to no request of ours", stray_);
  return out;
}

}  // namespace stox
