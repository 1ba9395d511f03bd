#include "sip_front/request/reception.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/shares.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "sip_front/sip/subscription/event_header.h"

namespace stox {
namespace {

using sip::Method;
using sip::Verdict;
using Match = sip::ServerTransactions::Match;

void add_once(std::vector<std::string_view>& list, std::string_view value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

}  // namespace

Reception::Reception(sip::Policy policy, const Clock& clock, service::Log& log, service::Trace& trace,
                     sip::Random& random, sip::FlowSender& sender, const EnvelopeSink& bus)
    : policy_(std::move(policy)),
      clock_(clock),
      log_(log),
      trace_(trace),
      random_(random),
      sender_(sender),
      bus_(bus),
      seed_(random.next()),
      tag_key_{random.next(), random.next()},
      transactions_(kMaxCompleted, seed_, tag_key_, sender),
      sources_(seed_),
      from_domains_(seed_) {}

void Reception::add(Method method, std::string_view package, RequestHandler& handler) {
  rows_.push_back({method, std::string(package), &handler});
  methods_.set(static_cast<std::size_t>(method));
  std::vector<std::string_view> methods, packages;
  for (const Row& row : rows_) {
    add_once(methods, sip::name_of(row.method));
    if (!row.package.empty()) add_once(packages, row.package);
  }
  allow_ = fmt::format("Allow: {}, OPTIONS\r\n", fmt::join(methods, ", "));
  if (!packages.empty()) allow_events_ = fmt::format("Allow-Events: {}\r\n", fmt::join(packages, ", "));
}

// Nothing: its method has rows, but of other packages.
RequestHandler* Reception::handler_of(const sip::Message& request) const {
  for (const Row& row : rows_) {
    if (row.method != request.method) continue;
    if (row.package.empty()) return row.handler;
    if (const auto event = sip::event_of(request); event && event->package == row.package) return row.handler;
  }
  return nullptr;
}

bool Reception::request(const sip::Message& request, const sip::Flow& flow) {
  const Verdict verdict = sip::check_request(request, flow, policy_, methods_);
  Match match = Match::kNew;
  if (verdict.kind == Verdict::Kind::kTake) {
    match = transactions_.match(request, flow);
    if (match == Match::kCopy) return true;
  }
  if (over_limit(flow, verdict)) {
    // A 480 would end the dialog (RFC 5057).
    Verdict refusal =
        sip::refusal(sip::Refused::kRate, sip::is_in_dialog(request) ? 500 : 480, "Too many requests");
    refusal.headers.retry_after_s = 1;
    return apply(std::move(refusal), request, flow);
  }
  if (verdict.kind != Verdict::Kind::kTake) return apply(verdict, request, flow);
  hand_on({request, flow, verdict.sender}, match);
  return true;
}

// Whether its sender has sent enough for now.
bool Reception::over_limit(const sip::Flow& flow, const Verdict& verdict) {
  const Time now = clock_.now();
  if (verdict.kind == Verdict::Kind::kIgnore || verdict.why == sip::Refused::kUntrusted) return false;
  if (!sources_.take(flow.peer, policy_.max_rate_per_source, now)) return true;
  if (verdict.kind != Verdict::Kind::kTake || policy_.max_rate_per_from_domain == 0) return false;
  return !from_domains_.take(sip::domain_of(verdict.sender, policy_), policy_.max_rate_per_from_domain, now);
}

bool Reception::fault(const sip::Message& request, const sip::Fault& fault, const sip::Flow& flow) {
  return apply(sip::check_fault(request, fault, flow, policy_), request, flow);
}

bool Reception::apply(Verdict verdict, const sip::Message& request, const sip::Flow& flow,
                      std::string_view detail) {
  switch (verdict.kind) {
    case Verdict::Kind::kTake:  // see request()
      break;
    case Verdict::Kind::kOptions:
      answer_options(request, flow);
      break;
    case Verdict::Kind::kCancel:
      // It came too late to cancel anything (9.2): its request is answered as it would have been.
      if (transactions_.has_cancelled(request)) {
        answer_stateless(request, flow, 200, "OK");
      } else {
        answer_stateless(request, flow, 481);
      }
      break;
    case Verdict::Kind::kIgnore:
      ++ignored_;
      if (verdict.why != sip::Refused::kNot) show_refused(request, flow, verdict, "not answered");
      break;
    case Verdict::Kind::kRefuse:
      ++refused_[static_cast<std::size_t>(verdict.why)];
      show_refused(request, flow, verdict, detail);
      note_refusal(request, flow, verdict, detail.empty() ? hint(request, flow, verdict.why) : detail);
      if (verdict.why == sip::Refused::kUntrusted && flow.transport == sip::Transport::kUdp &&
          !strangers_.take(clock_.now())) {
        ++unanswered_strangers_;
        return false;
      }
      if (verdict.why == sip::Refused::kMethod && request.method != Method::kUnknown)
        verdict.headers.lines = allow_;
      if (verdict.why == sip::Refused::kEvent) verdict.headers.lines = allow_events_;
      answer_stateless(request, flow, verdict.status, verdict.reason, verdict.headers);
      break;
  }
  return verdict.why != sip::Refused::kUntrusted;
}

// As a MESSAGE would be answered: who asks sends those elsewhere, then.
void Reception::answer_options(const sip::Message& request, const sip::Flow& flow) {
  sip::ResponseHeaders headers;  // 11.2
  headers.lines = allow_ + allow_events_;
  headers.accept = headers.accept_encoding = headers.supported = true;
  if (draining_ || !bus_.is_connected()) {
    answer_stateless(request, flow, 503, {}, headers);
  } else {
    answer_stateless(request, flow, 200, "OK", headers);
  }
}

void Reception::hand_on(const ReceivedRequest& received, Match match) {
  if (match == Match::kMerged) return refuse(received, sip::refusal(sip::Refused::kMerged, 482));
  if (match == Match::kReused) {
    return refuse(
        received, sip::refusal(sip::Refused::kMerged, 482),
        "it has Call-ID, CSeq and From tag of a message with another text; its sender must raise CSeq");
  }
  if (draining_ && !sip::is_in_dialog(received.message))
    return refuse(received, sip::refusal(sip::Refused::kUnavailable, 503), "this process is draining");
  RequestHandler* const handler = handler_of(received.message);
  if (handler == nullptr) {
    return refuse(received, sip::refusal(sip::Refused::kEvent, 489),
                  "its Event is \"" + one_line(received.message.value(sip::HeaderName::kEvent), 50) + "\"");
  }
  handler->take(received);
}

sip::Id Reception::open(const ReceivedRequest& received) {
  return transactions_.open(received.message, received.flow, clock_.now());
}

void Reception::respond(sip::Id id, uint16_t status, std::string_view reason,
                        const sip::ResponseHeaders& headers) {
  if (status == 503 && headers.retry_after_s == 0)
    return respond(id, status, reason, with_retry_after(headers));
  const Method method = transactions_.respond(id, status, reason, headers, clock_.now());
  if (method != Method::kUnknown) count(method, status);
}

void Reception::answer(const ReceivedRequest& received, uint16_t status, std::string_view reason,
                       const sip::ResponseHeaders& headers) {
  answer_stateless(received.message, received.flow, status, reason, headers);
}

void Reception::refuse(const ReceivedRequest& received, Verdict verdict, std::string_view detail) {
  apply(std::move(verdict), received.message, received.flow, detail);
}

std::string Reception::source_of(const sip::Flow& flow) const {
  std::string address;
  if (policy_.trust_at(flow.listener).networks.contain(flow.peer)) return address;
  flow.peer.append_ip(address);
  return source_network(address);
}

Verdict Reception::check(const sip::Message& request, const sip::Flow& flow) const {
  return sip::check_request(request, flow, policy_, methods_);
}

void Reception::answer_stateless(const sip::Message& request, const sip::Flow& flow, uint16_t status,
                                 std::string_view reason, const sip::ResponseHeaders& headers) {
  if (status == 503 && headers.retry_after_s == 0)
    return answer_stateless(request, flow, status, reason, with_retry_after(headers));
  count(request.method, status);
  sip::write_response_head(request, flow.peer, to_tag(request), head_);
  sip::write_response(out_, head_, status, reason, headers);
  sender_.send(sip::response_flow(flow, request.via, trusts(flow)), out_);
}

sip::ResponseHeaders Reception::with_retry_after(sip::ResponseHeaders headers) {
  headers.retry_after_s = random_.between(2, 30);
  return headers;
}

void Reception::count(Method method, uint16_t status) {
  ++answers_[static_cast<std::size_t>(method) * 700 + status];
}

void Reception::note_refusal(const sip::Message& request, const sip::Flow& flow, const Verdict& verdict,
                             std::string_view detail) {
  std::string why = detail.empty() ? std::string(sip::name_of(verdict.why)) : std::string(detail);
  refusals_.refused(flow.peer, verdict.why, request.method == Method::kMessage, std::move(why), clock_.now());
  if (!refusal_lines_.take(log_, clock_.now())) return;
  const std::string_view said = verdict.reason.empty() ? sip::usual_reason(verdict.status) : verdict.reason;
  const std::string from = mask_passwords(request.from.uri), to = mask_passwords(request.request_uri);
  const std::string status = std::to_string(verdict.status);
  log_.tell(service::Level::kInfo, {{}, from, to, status, sip::name_of(verdict.why)},
            "refused {} from {}, Call-ID {}: {}, {} {}{}{}", one_line(request.method_text, 20),
            flow.peer.str(), one_line(request.call_id, 100), sip::name_of(verdict.why), verdict.status, said,
            detail.empty() ? "" : ": ", detail);
}

// What would let it in.
std::string Reception::hint(const sip::Message& request, const sip::Flow& flow, sip::Refused why) const {
  std::string source;
  flow.peer.append_ip(source);
  const auto parsed = parse_sip_uri(request.request_uri);
  switch (why) {
    case sip::Refused::kUntrusted:
      return source + " is not in `trusted`; add it, if it is the SIP proxy";
    case sip::Refused::kFromDomain:
      return "its sender is at \"" +
             one_line(sip::domain_of(sip::sender_of(request, flow, policy_), policy_), 100) +
             "\", which is not in `from_domains`";
    case sip::Refused::kDomain:
      return (parsed ? one_line(parsed->host, 100) : std::string()) +
             " is not gateway_domain; the SIP proxy must send nothing else here";
    case sip::Refused::kLoop:
      return "it has been here already; the SIP proxy must not send back what comes from this gateway";
    case sip::Refused::kMethod:
      return allow_.substr(0, allow_.find('\r'));
    case sip::Refused::kScheme:
      return "only sip: and sips: URIs can be reached";
    case sip::Refused::kSize:
      return flow.transport == sip::Transport::kUdp
                 ? fmt::format("max_datagram_bytes = {}; the sender may use TCP", policy_.max_datagram_bytes)
                 : fmt::format("max_message_bytes = {}", policy_.max_message_bytes);
    case sip::Refused::kRate:
      return fmt::format("max_rate_per_source = {}, max_rate_per_from_domain = {}",
                         policy_.max_rate_per_source, policy_.max_rate_per_from_domain);
    case sip::Refused::kShare:
      return "of max_in_flight one source and one sender have a share; it is free again when messages end";
    default:
      return {};
  }
}

// To stoxctl tap --refused.
void Reception::show_refused(const sip::Message& request, const sip::Flow& flow, const Verdict& verdict,
                             std::string_view detail) const {
  if (!trace_.is_watched()) return;
  service::TraceHop hop;
  hop.message_id = request.call_id;
  hop.from = mask_passwords(request.from.uri);
  hop.to = mask_passwords(request.request_uri);
  hop.decision = std::string(request.method_text) + " over " + std::string(name_of(flow.transport)) +
                 " from " + flow.peer.str();
  hop.outcome = sip::name_of(verdict.why);
  if (verdict.status != 0) hop.outcome += ", " + std::to_string(verdict.status);
  if (!verdict.reason.empty()) hop.outcome += " " + verdict.reason;
  if (!detail.empty()) hop.outcome.append(": ").append(detail);
  hop.came_us = clock_.wall_us();
  trace_.show_refused(hop, mask_passwords(request.head));
}

Reception::Figures Reception::figures() const {
  Figures out{transactions_.waiting(),
              transactions_.completed(),
              transactions_.completed_bytes(),
              transactions_.copies(),
              ignored_,
              unanswered_strangers_,
              {}};
  for (std::size_t i = 1; i < refused_.size(); ++i) {
    if (refused_[i] > 0) out.refused.emplace_back(sip::name_of(static_cast<sip::Refused>(i)), refused_[i]);
  }
  return out;
}

void Reception::add_metrics(std::vector<service::Metric>& out) const {
  using Kind = service::Metric::Kind;
  for (std::size_t i = 0; i < answers_.size(); ++i) {
    if (answers_[i] == 0) continue;
    out.push_back({Kind::kCounter,
                   "stox_sip_requests_total",
                   "SIP requests answered, by method and status",
                   static_cast<double>(answers_[i]),
                   {{"method", std::string(sip::name_of(static_cast<Method>(i / 700)))},
                    {"status", std::to_string(i % 700)}}});
  }
  for (std::size_t i = 1; i < refused_.size(); ++i) {
    if (refused_[i] == 0) continue;
    out.push_back({Kind::kCounter,
                   "stox_sip_refused_total",
                   "SIP requests refused before they reached the bus, by reason",
                   static_cast<double>(refused_[i]),
                   {{"reason", sip::name_of(static_cast<sip::Refused>(i))}}});
  }
  const auto add = [&](Kind kind, const char* name, const char* help, auto value) {
    out.push_back({kind, name, help, static_cast<double>(value), {}});
  };
  add(Kind::kCounter, "stox_sip_ignored_total", "Garbage, ACKs and the like, which nobody is answered for",
      ignored_);
  add(Kind::kCounter, "stox_sip_strangers_unanswered_total",
      "Requests of strangers beyond those that are answered 403 each second", unanswered_strangers_);
  add(Kind::kCounter, "stox_sip_retransmissions_absorbed_total", "Copies of requests that were already taken",
      transactions_.copies());
  add(Kind::kCounter, "stox_sip_transactions_crowded_out_total",
      "Server transactions that gave way before Timer J", transactions_.crowded_out());
  add(Kind::kGauge, "stox_sip_server_transactions_waiting", "Requests not answered yet",
      transactions_.waiting());
  add(Kind::kGauge, "stox_sip_server_transactions_completed", "Answered requests kept for retransmissions",
      transactions_.completed());
  add(Kind::kGauge, "stox_sip_server_transactions_completed_bytes", "Bytes in them",
      transactions_.completed_bytes());
}

}  // namespace stox
