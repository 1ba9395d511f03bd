#include "sip_front/page/inbound.h"

#include <algorithm>
#include <cstring>

#include "common/base/addressing.h"
#include "common/base/hash.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/bus/edge/ending_of.h"
#include "sip_front/page/peer_formats.h"
#include "sip_front/sip/message/header_value.h"
#include "sip_front/sip/message/parser.h"
#include "sip_front/sip/policy/request_check.h"

namespace stox {
namespace {

using sip::HeaderName;
using sip::Verdict;

constexpr Duration kTypingWithin = std::chrono::seconds(5);
constexpr std::size_t kCpimHead = 2000;  // bytes in which a CPIM says what it holds
constexpr std::string_view kComposingType = "application/im-iscomposing+xml";

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

Inbound::Inbound(Reception& reception, std::size_t max_in_flight, const Clock& clock, service::Log& log,
                 service::Trace& trace, sip::Random& random, EnvelopeSink& sink, PeerFormats& formats)
    : reception_(reception),
      clock_(clock),
      log_(log),
      trace_(trace),
      random_(random),
      sink_(sink),
      formats_(formats),
      shares_(max_in_flight, random.next()) {}

void Inbound::take(const ReceivedRequest& received) {
  const sip::Message& request = received.message;
  const auto unavailable = [&](std::string_view detail) {
    reception_.refuse(received, sip::refusal(sip::Refused::kUnavailable, 503), detail);
  };
  if (auto refusal = sip::check_content(request)) return reception_.refuse(received, std::move(*refusal));
  const bool typing = format_of(request.value(HeaderName::kContentType)) == Format::kComposing;
  if (!typing && !sink_.has_room()) return unavailable("max_in_flight messages are in flight");
  const Duration valid_for = sip::valid_for(request, clock_.wall_us() / 1'000'000);
  if (valid_for <= Duration::zero())
    return reception_.refuse(received, sip::refusal(sip::Refused::kExpired, 480, "Message expired"));
  fill(request, received.sender);
  const Shares::Claim claim = claim_of(received.flow);
  if (!typing && !shares_.allows(claim, waiting_.size())) {
    Verdict refusal = sip::refusal(sip::Refused::kShare, 480, "Too many messages under way");
    refusal.headers.retry_after_s = 2;
    return reception_.refuse(received, std::move(refusal));
  }
  reception_.let_in(received.flow);
  learn_format(request);
  if (typing) return take_typing(reception_.open(received));
  const auto waiting = submit(request.call_id, valid_for, request.body);
  if (!waiting) return unavailable(waiting.error().text);
  (*waiting)->transaction = reception_.open(received);
  (*waiting)->claim = claim;
  shares_.take(claim);
}

// Of the message that fill() has read.
Shares::Claim Inbound::claim_of(const sip::Flow& flow) {
  const auto domain_in = [](std::string_view address) { return address.substr(address.rfind('@') + 1); };
  const std::string_view from = from_key_, to = to_key_;
  const std::string_view on_xmpp = xmpp_domain_in(to, reception_.policy().domain_separator);
  return shares_.claim({from, reception_.source_of(flow)},
                       {domain_in(from), on_xmpp.empty() ? domain_in(to) : on_xmpp});
}

// Who sends a form takes it. A typing state may come in a CPIM, and will be taken so or so.
void Inbound::learn_format(const sip::Message& request) {
  const std::string& from = envelope_.sip_message().from_uri();
  const Format format = format_of(request.value(HeaderName::kContentType));
  formats_.taken(from, format);
  formats_.is_program(from, request.value(HeaderName::kUserAgent));
  if (format == Format::kCpim &&
      request.body.substr(0, kCpimHead).find(kComposingType) != std::string_view::npos)
    formats_.taken(from, Format::kComposing);
}

// A typing state is answered at once: whatever becomes of it, nobody is told (RFC 3994).
void Inbound::take_typing(sip::Id transaction) {
  fill_conversation();
  sink_.submit_lossy(envelope_, clock_.now() + kTypingWithin);
  reception_.respond(transaction, 200, "Accepted");
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
  envelope_.set_trace_id(random_.id());
}

// Hands the envelope that fill() made to the bus; returns who waits for its end.
Result<Inbound::Waiting*> Inbound::submit(std::string_view call_id, Duration valid_for,
                                          std::string_view body) {
  const pb::SipMessage& message = envelope_.sip_message();
  fill_conversation();
  std::string trace_id = envelope_.trace_id();

  service::Trace::Handle handle = 0;
  service::TraceHop& hop = trace_.add(&handle);
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
  const Response answer = response_to(outcome);
  std::string text = std::to_string(answer.status) + " " + answer.reason;
  if (!outcome.text().empty() && outcome.text() != answer.reason) text += " (" + outcome.text() + ")";

  service::TraceHop* const hop = trace_.at(waiting.hop);
  if (hop != nullptr) {
    hop->outcome = text;
    hop->ending = bus::ending_of(outcome);
    hop->ended_us = clock_.wall_us();
    trace_.show(*hop);
  }
  const std::string reason = bus::reason_of(outcome);
  trace_.messages().ended(bus::ending_of(outcome), (clock_.now() - waiting.came).count(), reason,
                          to_us(clock_.now()) / 1'000'000);
  const bool failed = answer.status >= 300;
  if (failed ? failure_lines_.take(log_, clock_.now()) : log_.enabled(service::Level::kDebug)) {
    const std::string between = hop != nullptr ? " from " + hop->from + " to " + hop->to : "";
    const std::string status = std::to_string(answer.status);
    service::About about{waiting.trace_id, {}, {}, status, reason};
    if (hop != nullptr) {
      about.from = hop->from;
      about.to = hop->to;
    }
    log_.tell(failed ? service::Level::kInfo : service::Level::kDebug, about,
              "MESSAGE{} answered {} after {} ms", between, text, to_ms(clock_.now() - waiting.came));
  }
  shares_.release(waiting.claim);
  if (waiting.injected) {
    waiting.injected({answer.status < 300, waiting.trace_id, text});
  } else {
    reception_.respond(waiting.transaction, answer.status, answer.reason, answer.headers);
  }
  waiting.number = 0;
  waiting.injected = nullptr;
  by_number_.erase(number, slot);
  waiting_.free(waiting_.id_of(slot));
}

Inbound::Response Inbound::response_to(const pb::Outcome& outcome) {
  Response response{500, {}, {}};
  switch (outcome.reason()) {
    case pb::NOT_GIVEN:
      if (outcome.has_sip_status()) {
        const pb::SipStatus& said = outcome.sip_status();
        response.status = allowed_status(said.code());
        response.reason = said.reason();
        response.headers.retry_after_s = said.retry_after_s();
        response.headers.contact = said.contact();
      } else if (outcome.verdict() == pb::DELIVERED) {
        response.status = 200;
      } else if (outcome.verdict() == pb::PASSED_ON) {
        response.status = 202;
      }
      break;
    case pb::DEADLINE:
      response.status = 504;
      response.reason = "The recipient's server did not answer in time";
      break;
    case pb::IN_DOUBT:
      response.status = 504;
      response.reason = "No answer in time, the message may have been delivered";
      break;
    case pb::UNSUPPORTED:
      break;
    default:
      response.status = 503;
      response.headers.retry_after_s = outcome.retry_after_s();
  }
  response.headers.accept = response.headers.accept_encoding = response.status == 415;
  if (response.reason.empty()) response.reason = sip::usual_reason(response.status);
  return response;
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

  sip::Flow flow{sip::Transport::kTcp, 0, 0, {}};
  flow.certified = true;  // the operator is trusted
  const Verdict verdict = reception_.check(*message, flow);
  if (verdict.kind != Verdict::Kind::kTake) {
    std::string answer = std::to_string(verdict.status) + " ";
    answer += verdict.reason.empty() ? std::string(sip::usual_reason(verdict.status)) : verdict.reason;
    if (verdict.why == sip::Refused::kDomain)
      answer.append(" (").append(to).append(": not an address at this gateway's domain)");
    return done({false, {}, std::move(answer)});
  }
  fill(*message, message->from);
  const auto waiting = reception_.draining() ? tl::make_unexpected(Error{"this process is draining"})
                                             : submit(call_id, kDeadline, text);
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

}  // namespace stox
