#include "sip_front/page/inbound.h"

#include <algorithm>
#include <cstring>

#include "common/base/addressing.h"
#include "common/base/hash.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/bus/edge/ending_of.h"
#include "sip_front/page/peer_formats.h"

namespace stox {
namespace {

using sip::HeaderName;
using sip::Method;
using sip::Verdict;

constexpr Duration kTypingWithin = std::chrono::seconds(5);

// Never 401, 405 or 407 without what they owe, never 408 (RFC 4320 4.2), nothing that is no final response.
uint16_t allowed_status(uint32_t status) {
  switch (status) {
    case 401:
    case 407:
      return 403;
    case 405:
      return 501;
    case 408:
      return 504;
    default:
      return status >= 200 && status <= 699 ? static_cast<uint16_t>(status) : 500;
  }
}

// A URI without its password, which nobody behind us has a use for.
void set_uri(std::string& out, std::string_view uri) {
  out.assign(uri);
  const std::string_view password = password_in(uri);
  if (password.empty()) return;
  const auto at = static_cast<std::size_t>(password.data() - uri.data());
  out.erase(at - 1, password.size() + 1);  // with its colon
}

}  // namespace

Inbound::Inbound(sip::Policy policy, std::size_t max_in_flight, const Clock& clock, service::Log& log,
                 service::Trace& trace, sip::Random& random, sip::ResponseSender& sender, EnvelopeSink& sink)
    : policy_(std::move(policy)),
      clock_(clock),
      log_(log),
      trace_(trace),
      random_(random),
      sender_(sender),
      sink_(sink),
      seed_(random.next()),
      tag_key_{random.next(), random.next()},
      transactions_(kMaxCompleted, seed_, tag_key_, sender),
      sources_(seed_),
      from_domains_(seed_),
      shares_(max_in_flight, random.next()) {}

bool Inbound::request(const sip::Message& request, const sip::Flow& flow) {
  const Verdict verdict = sip::check_request(request, flow, policy_);
  auto match = sip::ServerTransactions::Match::kNew;
  if (verdict.kind == Verdict::Kind::kTake) {
    match = transactions_.match(request, flow);
    if (match == sip::ServerTransactions::Match::kCopy) return true;
  }
  if (over_limit(request, flow, verdict)) {
    Verdict refusal{Verdict::Kind::kRefuse, sip::Refused::kRate, 480, "Too many requests"};
    refusal.headers.retry_after_s = 1;
    return apply(std::move(refusal), request, flow);
  }
  if (verdict.kind != Verdict::Kind::kTake) return apply(verdict, request, flow);
  take(request, flow, match);
  return true;
}

// Whether its sender has sent enough for now.
bool Inbound::over_limit(const sip::Message& request, const sip::Flow& flow, const Verdict& verdict) {
  const Time now = clock_.now();
  if (verdict.kind == Verdict::Kind::kIgnore || verdict.why == sip::Refused::kUntrusted) return false;
  if (!sources_.take(flow.peer, policy_.max_rate_per_source, now)) return true;
  if (verdict.kind != Verdict::Kind::kTake || policy_.max_rate_per_from_domain == 0) return false;
  const std::string domain = sip::domain_of(sip::sender_of(request, flow, policy_), policy_);
  return !from_domains_.take(domain, policy_.max_rate_per_from_domain, now);
}

bool Inbound::fault(const sip::Message& request, const sip::Fault& fault, const sip::Flow& flow) {
  return apply(sip::check_fault(request, fault, flow, policy_), request, flow);
}

bool Inbound::apply(Verdict verdict, const sip::Message& request, const sip::Flow& flow,
                    std::string_view detail) {
  switch (verdict.kind) {
    case Verdict::Kind::kTake:  // see request()
      break;
    case Verdict::Kind::kOptions: {
      // As a MESSAGE would be answered: who asks sends those elsewhere, then.
      Answer answer = draining_ || !sink_.is_connected() ? unavailable() : Answer{200, "OK", {}};
      answer.headers.allow = answer.headers.accept = true;  // 11.2
      answer.headers.accept_encoding = answer.headers.supported = true;
      answer_stateless(request, flow, answer);
      break;
    }
    case Verdict::Kind::kCancel:
      // It came too late to cancel anything (9.2): a MESSAGE is answered as it would have been.
      answer_stateless(request, flow,
                       transactions_.has_cancelled(request) ? Answer{200, "OK", {}} : Answer{481, {}, {}});
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
          !strangers_.take(kStrangersAnsweredPerSecond, clock_.now())) {
        ++unanswered_strangers_;
        return false;
      }
      if (verdict.status == 503) verdict.headers.retry_after_s = unavailable().headers.retry_after_s;
      answer_stateless(request, flow,
                       {verdict.status, std::move(verdict.reason), std::move(verdict.headers)});
      break;
  }
  return verdict.why != sip::Refused::kUntrusted;
}

void Inbound::take(const sip::Message& request, const sip::Flow& flow, sip::ServerTransactions::Match match) {
  const auto refuse = [&](sip::Refused why, uint16_t status, std::string_view detail = {}) {
    apply({Verdict::Kind::kRefuse, why, status}, request, flow, detail);
  };
  using Match = sip::ServerTransactions::Match;
  if (match == Match::kMerged) return refuse(sip::Refused::kMerged, 482);
  if (match == Match::kReused) {
    return refuse(
        sip::Refused::kMerged, 482,
        "it has Call-ID, CSeq and From tag of a message with another text; its sender must raise CSeq");
  }
  if (draining_) return refuse(sip::Refused::kUnavailable, 503, "this process is draining");
  const bool typing = format_of(request.value(HeaderName::kContentType)) == Format::kComposing;
  if (!typing && !sink_.has_room())
    return refuse(sip::Refused::kUnavailable, 503, "max_in_flight messages are in flight");
  const Duration valid_for = sip::valid_for(request, clock_.wall_us() / 1'000'000);
  if (valid_for <= Duration::zero()) {
    apply({Verdict::Kind::kRefuse, sip::Refused::kExpired, 480, "Message expired"}, request, flow);
    return;
  }
  fill(request, sip::sender_of(request, flow, policy_));
  const Shares::Claim claim = claim_of(flow);
  if (!typing && !shares_.allows(claim, waiting_.size())) {
    Verdict refusal{Verdict::Kind::kRefuse, sip::Refused::kShare, 480, "Too many messages under way"};
    refusal.headers.retry_after_s = 2;
    apply(std::move(refusal), request, flow);
    return;
  }
  refusals_.let_in(flow.peer, clock_.now());
  sink_.took(envelope_.sip_message().from_uri(), request);
  if (typing) return take_typing(transactions_.open(request, flow, clock_.now()));
  const auto waiting = submit(request.call_id, valid_for, request.body);
  if (!waiting) return refuse(sip::Refused::kUnavailable, 503, waiting.error().text);
  (*waiting)->transaction = transactions_.open(request, flow, clock_.now());
  (*waiting)->claim = claim;
  shares_.take(claim);
}

// Of the message that fill() has read. Who is trusted for his address, as a proxy is, stands for many.
Shares::Claim Inbound::claim_of(const sip::Flow& flow) {
  const auto domain_in = [](std::string_view address) { return address.substr(address.rfind('@') + 1); };
  const std::string_view from = from_key_, to = to_key_;
  const std::string_view user = to.substr(0, to.rfind('@'));
  const auto separator = user.rfind(policy_.domain_separator);
  const std::string_view to_domain =
      separator == std::string_view::npos ? domain_in(to) : user.substr(separator + 1);
  std::string source;
  if (!policy_.trust_at(flow.listener).networks.contain(flow.peer)) {
    flow.peer.append_ip(source);
    source = source_network(source);
  }
  return shares_.claim({from, source}, {domain_in(from), to_domain});
}

// A typing state is answered at once: whatever becomes of it, nobody is told (RFC 3994).
void Inbound::take_typing(sip::Id transaction) {
  fill_conversation();
  sink_.submit_lossy(envelope_, clock_.now() + kTypingWithin);
  count(Method::kMessage, 200);
  transactions_.respond(transaction, 200, "Accepted", {}, clock_.now());
}

// Sets every field, as the envelope is an old one.
void Inbound::fill(const sip::Message& request, const sip::NameAddr& sender) {
  pb::SipMessage& message = *envelope_.mutable_sip_message();
  set_uri(*message.mutable_request_uri(), request.request_uri);
  set_uri(*message.mutable_from_uri(), sender.uri);
  set_uri(*message.mutable_to_uri(), request.to.uri);
  from_key_ = address_keys_.get(message.from_uri(), address_key);
  to_key_ = address_keys_.get(message.request_uri(), address_key);
  message.mutable_call_id()->assign(request.call_id);
  const auto set_text = [](std::string& out, std::string_view text) {  // protobuf carries UTF-8 only
    out.assign(is_utf8(text) ? text : std::string_view());
  };
  set_text(*message.mutable_from_display(), sip::unquote(sender.display));
  message.mutable_subject()->assign(request.value(HeaderName::kSubject));
  set_text(*message.mutable_language(), request.value(HeaderName::kContentLanguage));
  message.set_date_s(sip::parse_date(request.value(HeaderName::kDate)).value_or(0));
  message.clear_parts();
  // A type says something without a body, too.
  if (!request.body.empty() || !request.value(HeaderName::kContentType).empty()) {
    pb::Content& content = *message.add_parts()->add_alternatives();
    content.mutable_content_type()->assign(request.value(HeaderName::kContentType));
    content.mutable_disposition()->assign(request.value(HeaderName::kContentDisposition));
    content.mutable_encoding()->assign(request.value(HeaderName::kContentEncoding));
    content.mutable_transfer_encoding()->assign(request.value(HeaderName::kContentTransferEncoding));
    content.mutable_data()->assign(request.body);
  }
  uint64_t key = hash64(request.call_id, request.cseq.number);
  key = hash64(request.from.tag, key);
  key = hash64(request.body, key);  // COMPAT: stacks that send each text of a session as the same request
  key = hash64(request.request_uri, key);
  envelope_.set_dedup_key(key != 0 ? key : 1);
}

void Inbound::fill_conversation() {
  std::string conversation = conversation_of_keys(from_key_, to_key_);
  // Decoded, a user part may be any bytes; the mapper will refuse it, but the bus must carry it there.
  if (!is_utf8(conversation)) conversation = to_hex(conversation);
  envelope_.set_conversation(std::move(conversation));
  const std::array<uint64_t, 2> id = {random_.next(), random_.next()};
  envelope_.set_trace_id(std::string(reinterpret_cast<const char*>(id.data()), sizeof id));
}

// Hands the envelope that fill() made to the bus; returns who waits for its end.
Result<Inbound::Waiting*> Inbound::submit(std::string_view call_id, Duration valid_for,
                                          std::string_view body) {
  const pb::SipMessage& message = envelope_.sip_message();
  fill_conversation();
  std::string trace_id = envelope_.trace_id();

  service::Trace::Handle handle = 0;
  service::Hop& hop = trace_.add(&handle);
  hop.trace_id = trace_id;
  hop.message_id = call_id;
  hop.from = message.from_uri();
  hop.to = message.request_uri();
  hop.came_in = true;
  hop.came_us = clock_.wall_us();

  const Time now = clock_.now();
  const auto number = sink_.submit(envelope_, now + std::min(kDeadline, valid_for), now + kDeadline);
  if (!number) {
    hop.decision = "refused: " + number.error().text;
    hop.outcome = "503";
    hop.ending = Ending::kRefusedHere;
    trace_.messages().ended(hop.ending, 0, "503", to_us(now) / 1'000'000);
    hop.ended_us = clock_.wall_us();
    trace_.show(hop, body);
    return tl::make_unexpected(number.error());
  }
  hop.envelope = sink_.id_of(*number);
  hop.decision = "to a mapper";
  hop.went_us = clock_.wall_us();
  trace_.show(hop, body);

  const sip::Id slot = waiting_.take();
  by_number_.insert(*number, slot.slot);
  Waiting& waiting = waiting_[slot.slot];
  waiting.number = *number;
  waiting.transaction = {};
  waiting.injected = nullptr;
  waiting.hop = handle;
  waiting.trace_id = std::move(trace_id);
  waiting.came = now;
  waiting.claim = {};
  return &waiting;
}

void Inbound::ended(uint64_t number, const pb::Outcome& outcome) {
  const uint32_t slot = by_number_.find(number, [&](uint32_t at) { return waiting_[at].number == number; });
  if (slot == sip::HashIndex::kNone) return;
  Waiting& waiting = waiting_[slot];
  const Answer answer = answer_to(outcome);
  std::string text = std::to_string(answer.status) + " " + answer.reason;
  if (!outcome.text().empty() && outcome.text() != answer.reason) text += " (" + outcome.text() + ")";

  std::string between;
  if (service::Hop* hop = trace_.at(waiting.hop)) {
    hop->outcome = text;
    hop->ending = bus::ending_of(outcome);
    hop->ended_us = clock_.wall_us();
    trace_.show(*hop);
    between = " from " + hop->from + " to " + hop->to;
  }
  trace_.messages().ended(bus::ending_of(outcome), (clock_.now() - waiting.came).count(),
                          bus::reason_of(outcome), to_us(clock_.now()) / 1'000'000);
  if (answer.status < 300 || failure_lines_.take(log_, clock_.now()))
    log_.write(answer.status < 300 ? service::Level::kDebug : service::Level::kInfo, waiting.trace_id,
               "MESSAGE{} answered {} after {} ms", between, text, to_ms(clock_.now() - waiting.came));
  shares_.release(waiting.claim);
  if (waiting.injected) {
    waiting.injected({answer.status < 300, waiting.trace_id, text});
  } else {
    count(Method::kMessage, answer.status);
    transactions_.respond(waiting.transaction, answer.status, answer.reason, answer.headers, clock_.now());
  }
  waiting.number = 0;
  waiting.injected = nullptr;
  by_number_.erase(number, slot);
  waiting_.free(waiting_.id_of(slot));
}

Inbound::Answer Inbound::unavailable() { return {503, {}, {.retry_after_s = random_.between(2, 30)}}; }

Inbound::Answer Inbound::answer_to(const pb::Outcome& outcome) {
  Answer answer{500, {}, {}};
  switch (outcome.reason()) {
    case pb::NOT_GIVEN:
      if (outcome.has_sip_status()) {
        const pb::SipStatus& said = outcome.sip_status();
        answer.status = allowed_status(said.code());
        answer.reason = said.reason();
        answer.headers.retry_after_s = said.retry_after_s();
        answer.headers.contact = said.contact();
      } else if (outcome.verdict() == pb::DELIVERED) {
        answer.status = 200;
      } else if (outcome.verdict() == pb::PASSED_ON) {
        answer.status = 202;
      }
      break;
    case pb::DEADLINE:
      answer.status = 504;
      answer.reason = "The recipient's server did not answer in time";
      break;
    case pb::IN_DOUBT:
      answer.status = 504;
      answer.reason = "No answer in time, the message may have been delivered";
      break;
    case pb::UNSUPPORTED:
      break;
    default:
      answer = unavailable();
      if (outcome.retry_after_s() != 0) answer.headers.retry_after_s = outcome.retry_after_s();
  }
  if (answer.status == 503 && answer.headers.retry_after_s == 0)
    answer.headers.retry_after_s = unavailable().headers.retry_after_s;
  answer.headers.accept = answer.headers.accept_encoding = answer.status == 415;
  if (answer.reason.empty()) answer.reason = sip::usual_reason(answer.status);
  return answer;
}

void Inbound::answer_stateless(const sip::Message& request, const sip::Flow& flow, const Answer& answer) {
  count(request.method, answer.status);
  sip::write_response_head(request, flow.peer, sip::to_tag(request, tag_key_), head_);
  sip::write_response(out_, head_, answer.status, answer.reason, answer.headers);
  sender_.send_response(sip::response_flow(flow, request.via, trusts(flow)), out_);
}

void Inbound::count(Method method, uint16_t status) {
  ++answers_[static_cast<std::size_t>(method) * 700 + status];
}

void Inbound::note_refusal(const sip::Message& request, const sip::Flow& flow, const Verdict& verdict,
                           std::string_view detail) {
  std::string why = detail.empty() ? std::string(sip::name_of(verdict.why)) : std::string(detail);
  refusals_.refused(flow.peer, verdict.why, request.method == Method::kMessage, std::move(why), clock_.now());
  if (!refusal_lines_.take(log_, clock_.now())) return;
  const std::string_view said = verdict.reason.empty() ? sip::usual_reason(verdict.status) : verdict.reason;
  log_.info("refused {} from {}, Call-ID {}: {}, {} {}{}{}", one_line(request.method_text, 20),
            flow.peer.str(), one_line(request.call_id, 100), sip::name_of(verdict.why), verdict.status, said,
            detail.empty() ? "" : ": ", detail);
}

// What would let it in.
std::string Inbound::hint(const sip::Message& request, const sip::Flow& flow, sip::Refused why) const {
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
    default:
      return {};
  }
}

// To stoxctl tap --refused.
void Inbound::show_refused(const sip::Message& request, const sip::Flow& flow, const Verdict& verdict,
                           std::string_view detail) const {
  if (!trace_.is_watched()) return;
  service::Hop hop;
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

void Inbound::inject(std::string_view from, std::string_view to, std::string_view text,
                     std::function<void(const Injected&)> done) {
  for (const std::string_view uri : {from, to}) {
    if (const auto parsed = parse_sip_uri(uri); !parsed)
      return done({false, {}, "\"" + std::string(uri) + "\" is no SIP URI: " + parsed.error().text});
  }
  const std::string call_id = random_.hex();
  std::string request = "MESSAGE ";  // read back, so that it meets the same rules as any other
  request.append(to)
      .append(" SIP/2.0\r\nVia: SIP/2.0/UDP localhost;branch=")
      .append(sip::make_branch(random_.next(), ""));
  request.append("\r\nFrom: <").append(from).append(">;tag=").append(random_.hex());
  request.append("\r\nTo: <").append(to).append(">\r\nCall-ID: ").append(call_id);
  request.append("\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\n").append(text);
  const auto message = std::make_unique<sip::Message>();
  const auto parsed = sip::parse_datagram(request, *message);
  if (!parsed) return done({false, {}, "not a message: " + std::string(parsed.error().reason)});

  sip::Policy policy = policy_;
  policy.trusted.networks = *sip::Networks::parse({"0.0.0.0/0"});
  const Verdict verdict = sip::check_request(*message, {sip::Transport::kTcp, 0, 0, {}}, policy);
  if (verdict.kind != Verdict::Kind::kTake) {
    std::string answer = std::to_string(verdict.status) + " ";
    answer += verdict.reason.empty() ? std::string(sip::usual_reason(verdict.status)) : verdict.reason;
    if (verdict.why == sip::Refused::kDomain)
      answer.append(" (").append(to).append(": not an address at this gateway's domain)");
    return done({false, {}, std::move(answer)});
  }
  fill(*message, message->from);
  const auto waiting =
      draining_ ? tl::make_unexpected(Error{"this process is draining"}) : submit(call_id, kDeadline, text);
  if (!waiting) return done({false, {}, waiting.error().text});
  (*waiting)->injected = std::move(done);
}

void Inbound::give_up() {
  pb::Outcome outcome;
  // A worker may hold it until its stream is back, and deliver it then.
  outcome.set_reason(pb::IN_DOUBT);
  outcome.set_text("this process stopped before the outcome came; it may have been delivered");
  for (uint32_t slot = 0; slot < waiting_.capacity(); ++slot) {
    if (waiting_[slot].number != 0) ended(waiting_[slot].number, outcome);
  }
}

Inbound::Figures Inbound::figures() const {
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

void Inbound::add_metrics(std::vector<service::Metric>& out) const {
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
