#include "sip_front/page/outbound.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/hash.h"
#include "common/base/shortened.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/bus/edge/ending_of.h"
#include "common/bus/edge/envelope_name.h"
#include "sip_front/sip/message/header_value.h"

namespace stox {
namespace {

constexpr Duration kRefreshWithin = std::chrono::seconds(5);
constexpr const char* kNothingTaken = "the peer refused such a body before; stoxctl peers shows it";
constexpr int64_t k2020 = 1'577'836'800;  // Unix time
constexpr std::size_t kLarge = 4096;      // bytes of a message

// Text of a peer, fit for the bus.
std::string clean(std::string_view text) { return is_utf8(text) ? shortened(text, 200) : std::string(); }

bool has_content(const pb::SipMessage& message) {
  return !message.parts().empty() && std::none_of(message.parts().begin(), message.parts().end(),
                                                  [](const pb::Part& p) { return p.alternatives().empty(); });
}

// The peer does not take such a body. RFC 3428 7: 415; the others come from peers that know no such method,
// event or session. COMPAT(pjsip 2.13): 488 to what is neither plain text nor a typing state.
bool refuses_form(uint16_t status) {
  constexpr uint16_t kStatuses[] = {405, 406, 415, 488, 489, 606};
  return std::find(std::begin(kStatuses), std::end(kStatuses), status) != std::end(kStatuses);
}

// RFC 3261 20.10: of a Contact, from 0 to 1; 1 if it has none.
double q_of(std::string_view contact) {
  const auto uri_end = contact.rfind('>');
  std::string_view rest = contact.substr(uri_end == std::string_view::npos ? 0 : uri_end);
  for (auto at = rest.find(';'); at != std::string_view::npos; at = rest.find(';')) {
    rest.remove_prefix(at + 1);
    const std::string_view parameter = trim(rest.substr(0, rest.find(';')));
    if (!ascii_lower(parameter.substr(0, 2)).starts_with("q=")) continue;
    return std::strtod(std::string(parameter.substr(2, 5)).c_str(), nullptr);
  }
  return 1;
}

// The trace id is in it because nobody can guess it.
std::string call_id_of(const std::string& envelope) {
  std::string bytes;
  for (const uint64_t seed : {1u, 2u}) {
    const uint64_t hash = hash64(envelope, seed);
    bytes.append(reinterpret_cast<const char*>(&hash), sizeof hash);
  }
  return to_hex(bytes);
}

}  // namespace

std::string Outbound::text_of(const pb::EnvelopeId& id) {
  return bus::envelope_name(id.origin(), id.epoch(), id.number());
}

Outbound::Outbound(const Clock& clock, service::Log& log, service::Trace& trace, sip::Random& random,
                   RequestSender& sender, Outlet& outlet)
    : clock_(clock),
      log_(log),
      trace_(trace),
      random_(random),
      sender_(sender),
      outlet_(outlet),
      seed_(random.next()),
      formats_(clock) {}

void Outbound::begin(const pb::Envelope& envelope, Time begin_before) {
  const pb::SipMessage& message = envelope.sip_message();
  if (!envelope.has_sip_message() || !has_content(message)) {
    outlet_.finish(envelope.id(), bus::failure(pb::UNSUPPORTED, "not a message that SIP can carry"));
    return;
  }
  if (message.typing() != pb::SipMessage::NONE) return begin_typing(envelope, begin_before);
  typing_.forget(message);
  const Queue& queue = queues_[queue_of(message.request_uri())];
  if (queue.size >= kMaxPerTarget) {
    ++overloaded_;
    outlet_.finish(envelope.id(),
                   bus::failure(pb::OVERLOADED,
                                std::to_string(queue.size) + " messages wait for " + message.request_uri()));
    return;
  }
  take(envelope.id(), message, envelope.trace_id(), begin_before);
}

// What there is no room or no wish for now is dropped: a state that comes late is worse than none.
void Outbound::begin_typing(const pb::Envelope& envelope, Time begin_before) {
  const pb::SipMessage& message = envelope.sip_message();
  const bool wanted = formats_.takes(message.request_uri(), Format::kComposing) == PeerFormats::Takes::kYes;
  const bool busy = is_busy(message.request_uri());
  if (message.typing() == pb::SipMessage::ACTIVE && (!wanted || busy)) return void(++typing_dropped_);
  if (!typing_.take(message, clock_.now())) return;
  if (!wanted || busy) return void(++typing_dropped_);
  take(envelope.id(), message, envelope.trace_id(), begin_before);
}

sip::Id Outbound::take(const pb::EnvelopeId& envelope, const pb::SipMessage& message,
                       const std::string& trace_id, Time begin_before) {
  const uint32_t queue_slot = queue_of(message.request_uri());
  Queue& queue = queues_[queue_slot];
  const sip::Id id = deliveries_.take();
  Delivery& d = deliveries_[id.slot];
  d.stage = Stage::kQueued;
  d.id = envelope;
  d.message = message;
  d.trace_id = trace_id;
  d.came = clock_.now();
  d.begin_before = begin_before;
  d.queue = queue_slot;
  d.next = sip::HashIndex::kNone;
  d.part = d.alternative = 0;
  d.attempts = 0;
  d.tried.assign(1, message.request_uri());
  d.to_come.clear();
  d.passed_on = d.will_be_told = false;
  service::TraceHop& hop = trace_.add(&d.hop);
  hop.envelope = text_of(d.id);
  begin_part(d, hop.envelope);
  if (d.is_typing()) ++statuses_under_way_;
  hop.trace_id = d.trace_id;
  hop.message_id = d.call_id;
  if (message.call_id().empty() && message.parts_size() > 1) {  // found by that of the last part, too
    hop.other_id = d.call_id;
    hop.message_id.resize(hop.message_id.rfind('.'));
  }
  hop.from = message.from_uri();
  hop.to = message.request_uri();
  hop.came_us = clock_.wall_us();

  if (queue.size++ == 0) {
    queue.first = queue.last = id.slot;
    start(id);
  } else {
    deliveries_[queue.last].next = id.slot;
    queue.last = id.slot;
    begin_before_.add(begin_before, id);
  }
  return id;
}

// A phone drops what has the Call-ID of a message that it knows (Linphone does), so each part has its own,
// and every further try of it the same one, also that of another front: it depends on nothing but the
// envelope.
void Outbound::begin_part(Delivery& d, const std::string& envelope) {
  const pb::SipMessage& message = d.message;
  d.cseq = 0;
  d.from_tag = random_.hex();
  d.call_id = message.call_id();
  if (!d.call_id.empty()) return;
  d.call_id = !message.message_id().empty() ? message.message_id()
              : d.id.origin().empty()       ? random_.hex()  // a state told again by this front alone
                                            : call_id_of(envelope + d.trace_id);
  if (d.part + 1 < message.parts_size()) d.call_id.append(".").append(std::to_string(d.part + 1));
}

// Of the next try of the part that is due. The time is higher than what another front began with, that had
// the message before.
uint32_t Outbound::next_cseq(const Delivery& d) {
  const auto now = static_cast<uint32_t>(std::max<int64_t>(clock_.wall_us() / 1'000'000 - k2020, 1));
  if (!d.message.call_id().empty()) return shared_cseq_ = std::max(shared_cseq_ + 1, now);
  return d.cseq == 0 ? now : d.cseq + 1;
}

void Outbound::used(Delivery& d, uint32_t cseq) {
  d.cseq = cseq;
  if (!d.message.call_id().empty()) shared_cseq_ = std::max(shared_cseq_, cseq);
}

uint32_t Outbound::find_queue(const std::string& target, uint64_t hash) const {
  return by_target_.find(hash, [&](uint32_t slot) { return queues_[slot].target == target; });
}

bool Outbound::is_busy(const std::string& target) const {
  return find_queue(target, hash64(target, seed_)) != sip::HashIndex::kNone;
}

uint32_t Outbound::queue_of(const std::string& target) {
  const uint64_t hash = hash64(target, seed_);
  const uint32_t known = find_queue(target, hash);
  if (known != sip::HashIndex::kNone) return known;
  const sip::Id id = queues_.take();
  queues_[id.slot].target = target;
  queues_[id.slot].size = 0;
  by_target_.insert(hash, id.slot);
  return id.slot;
}

void Outbound::start(sip::Id id) {
  Delivery& d = deliveries_[id.slot];
  if (clock_.now() >= d.begin_before) {
    ++expired_;
    return end(id, bus::failure(pb::DEADLINE, "waited too long for the messages before it"));
  }
  if (lines_.had(d.message)) {  // now, as the first of the two may have failed until then
    pb::Outcome outcome;
    outcome.set_verdict(pb::DELIVERED);
    outcome.set_text("the phone has got this line of the room by another worker");
    return end(id, std::move(outcome));
  }
  if (!choose_alternative(d, 0)) return fail(id, 415, "Unsupported Media Type", kNothingTaken);
  send(id);
}

// The part and alternative that are due, to the target of now.
void Outbound::send(sip::Id id) {
  Delivery& d = deliveries_[id.slot];
  d.stage = Stage::kResolving;
  d.cseq = next_cseq(d);
  RequestSender::Start start;
  start.user = this;
  start.token = id.number();
  start.way.uri = d.target();
  start.begin_before = d.begin_before;
  start.cseq = d.cseq;
  start.size = request_size(d);
  start.small = refuse_large_;
  sender_.start(start);
}

// The same to where the last one went.
void Outbound::again(sip::Id id, sip::Id request) {
  Delivery& d = deliveries_[id.slot];
  if (clock_.now() >= d.begin_before) {
    ++expired_;
    return end(id, bus::failure(pb::DEADLINE, "not all parts in time"));
  }
  d.cseq = next_cseq(d);
  sender_.again(request, d.cseq);
}

// The first form, from this alternative on, that the target may take. What nobody knows is tried only if
// nothing plainer is left; false: it has refused whatever there is.
bool Outbound::choose_alternative(Delivery& d, int from) {
  const pb::Part& part = d.message.parts(d.part);
  for (int i = from; i < part.alternatives_size(); ++i) {
    const Format format = format_of(part.alternatives(i).content_type());
    const auto takes = formats_.takes(d.message.request_uri(), format);
    const bool last = i + 1 == part.alternatives_size();
    if (takes == PeerFormats::Takes::kYes || (takes == PeerFormats::Takes::kUnknown && last)) {
      d.alternative = i;
      return true;
    }
  }
  return false;
}

void Outbound::fill(uint64_t token, sip::Request& request) {
  const Delivery& d = deliveries_[sip::Id::of(token).slot];
  const pb::SipMessage& message = d.message;
  const pb::Content& content = message.parts(d.part).alternatives(d.alternative);
  request.request_uri = d.target();
  request.from_uri = message.from_uri();
  request.from_display = message.from_display();
  request.from_tag = d.from_tag;
  request.to_uri = message.to_uri().empty() ? message.request_uri() : message.to_uri();
  request.call_id = d.call_id;
  request.subject = message.subject();
  request.language = message.language();
  request.date_s = message.date_s();
  request.content_type = content.content_type();
  request.disposition = content.disposition();
  request.body = content.data();
}

void Outbound::goes_to(uint64_t token, const sip::Hop& hop) {
  Delivery& d = deliveries_[sip::Id::of(token).slot];
  d.stage = Stage::kSent;
  ++d.attempts;
  service::TraceHop* const trace = trace_.at(d.hop);
  if (trace == nullptr) return;
  trace->decision = "MESSAGE over ";
  hop.append(trace->decision);
  if (trace->went_us == 0) trace->went_us = clock_.wall_us();
  trace_.show(*trace, d.message.parts(d.part).alternatives(d.alternative).data());
}

// Of the largest request this delivery may make; near enough to choose a transport by.
std::size_t Outbound::request_size(const Delivery& d) const {
  std::size_t largest = 0;
  for (const pb::Part& part : d.message.parts()) {
    for (int i = std::min(d.alternative, part.alternatives_size() - 1); i < part.alternatives_size(); ++i) {
      const pb::Content& content = part.alternatives(i);
      largest = std::max(largest, content.data().size() + content.content_type().size());
    }
  }
  const pb::SipMessage& m = d.message;
  return largest + 2 * m.request_uri().size() + m.from_uri().size() + m.from_display().size() +
         m.subject().size() + d.call_id.size() + 400;
}

void Outbound::responded(uint64_t token, RequestSender::FinalResponse answer) {
  const sip::Id id = sip::Id::of(token);
  Delivery* const d = deliveries_.find(id);
  if (d == nullptr) return;
  used(*d, answer.cseq);
  const sip::Message& response = answer.response;
  const Format format = format_of(d->message.parts(d->part).alternatives(d->alternative).content_type());
  if (response.status < 300) {
    d->passed_on |= response.status == 202;
    d->will_be_told |= format == Format::kCpim;
    if (response.status == 200) formats_.taken(d->message.request_uri(), format);
    if (++d->part < d->message.parts_size()) {
      begin_part(*d, text_of(d->id));
      if (!choose_alternative(*d, 0)) return fail(id, 415, "Unsupported Media Type", kNothingTaken);
      return again(id, answer.request);
    }
  } else if (refuses_form(response.status)) {
    formats_.refused(d->message.request_uri(), format);
    if (d->is_typing()) typing_.forget(d->message);
    if (choose_alternative(*d, d->alternative + 1)) {
      ++plainer_;
      return again(id, answer.request);
    }
  } else if (response.status == 302) {
    take_contacts(*d, response);
  }
  const bool elsewhere = response.status >= 300 && response.status < 600 && next_target(id);
  if (elsewhere) return;
  pb::Outcome outcome;
  outcome.set_verdict(response.status >= 300 ? pb::FAILED : d->passed_on ? pb::PASSED_ON : pb::DELIVERED);
  read_status(response, *outcome.mutable_sip_status());
  outcome.set_text(std::move(answer.text));
  outcome.set_will_be_told(d->will_be_told);
  end(id, std::move(outcome));
}

// By q, and at one in the order in which they stand. Only to hosts that the operator has named: whoever
// answers could have us send anywhere else.
void Outbound::take_contacts(Delivery& d, const sip::Message& response) {
  std::vector<std::pair<double, std::string>> found;
  response.each_value(sip::HeaderName::kContact, [&](std::string_view text) {
    const auto contact = sip::parse_name_addr(text);
    const auto uri = parse_sip_uri(contact ? contact->uri : std::string_view());
    if (uri && uri->is_sip() && outlet_.may_redirect_to(uri->host))
      found.emplace_back(q_of(text), clean(contact->uri));
    return found.size() < kMaxTargets;
  });
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  // Where it has moved to goes before what an earlier answer said.
  for (auto each = found.rbegin(); each != found.rend(); ++each) d.to_come.push_back(std::move(each->second));
}

// False: there is none.
bool Outbound::next_target(sip::Id id) {
  Delivery& d = deliveries_[id.slot];
  while (!d.to_come.empty() && d.tried.size() < kMaxTargets) {
    std::string target = std::move(d.to_come.back());
    d.to_come.pop_back();
    const bool again = std::any_of(d.tried.begin(), d.tried.end(),
                                   [&](const std::string& one) { return ascii_iequal(one, target); });
    if (again || target.empty()) continue;
    d.tried.push_back(std::move(target));
    ++redirected_;
    send(id);
    return true;
  }
  return false;
}

void Outbound::read_status(const sip::Message& response, pb::SipStatus& status) {
  status.set_code(response.status);
  status.set_reason(clean(response.reason));
  status.set_retry_after_s(
      sip::parse_delta_seconds(response.value(sip::HeaderName::kRetryAfter)).value_or(0));
  if (response.status >= 400) return;
  std::string_view contacts = response.value(sip::HeaderName::kContact);
  if (const auto contact = sip::parse_name_addr(sip::next_in_list(contacts)))
    status.set_contact(clean(contact->uri));
}

void Outbound::failed(uint64_t token, RequestSender::Failure failure) {
  using Why = RequestSender::Failure::Why;
  const sip::Id id = sip::Id::of(token);
  Delivery* const d = deliveries_.find(id);
  if (d == nullptr) return;
  used(*d, failure.cseq);
  const bool can_go_elsewhere = failure.why == Why::kUnreachable || failure.why == Why::kNoAddress ||
                                failure.why == Why::kForbidden || failure.why == Why::kTooLarge;
  if (can_go_elsewhere && !failure.may_have_arrived && next_target(id)) return;
  switch (failure.why) {
    case Why::kTimedOut:
      return unanswered(id, 408, "Request Timeout", std::move(failure));
    case Why::kUnreachable:
      return unanswered(id, 503, "Transport failure", std::move(failure));
    case Why::kNoAddress:
      return fail(id, 503, "No next hop", std::move(failure.text), failure.permanent);
    case Why::kForbidden:
      return fail(id, 403, "This gateway does not send to that SIP domain", std::move(failure.text));
    case Why::kTooLarge:  // a plainer form is shorter, and may pass
      if (!choose_alternative(*d, d->alternative + 1))
        return unanswered(id, 513, "Message too big", std::move(failure));
      ++plainer_;
      return again(id, failure.request);
    case Why::kTooLate:
      ++expired_;
      return end(id, bus::failure(pb::DEADLINE, std::move(failure.text)));
    case Why::kUnwritable:
      return fail(id, 400, "Bad Request", std::move(failure.text));
  }
}

// Sent, or tried to be, without an answer. Whoever can name any address and port is not told whether the port
// is open, closed or silent.
void Outbound::unanswered(sip::Id id, uint32_t code, std::string reason, RequestSender::Failure failure) {
  if (failure.unlisted) {
    code = 408;
    reason = failure.large ? "No answer; a message of this length needs TCP" : "No answer";
  }
  fail(id, code, std::move(reason), std::move(failure.text));
}

// No peer has said this.
void Outbound::fail(sip::Id id, uint32_t code, std::string reason, std::string text, bool unresolvable) {
  pb::Outcome outcome;
  pb::SipStatus& status = *outcome.mutable_sip_status();
  status.set_code(code);
  status.set_reason(std::move(reason));
  status.set_unresolvable(unresolvable);
  status.set_timed_out(!unresolvable && (code == 408 || code == 503));
  outcome.set_text(std::move(text));
  end(id, std::move(outcome));
}

void Outbound::end(sip::Id id, pb::Outcome outcome) {
  Delivery& d = deliveries_[id.slot];
  std::string text = outcome.reason() != pb::NOT_GIVEN ? pb::Reason_Name(outcome.reason())
                     : outcome.has_sip_status()
                         ? std::to_string(outcome.sip_status().code()) + " " + outcome.sip_status().reason()
                         : "not sent again";
  text += " (" + outcome.text() + ")";
  if (service::TraceHop* hop = trace_.at(d.hop)) {
    hop->outcome = text;
    hop->ended_us = clock_.wall_us();
    trace_.show(*hop);
  }
  if (outcome.verdict() == pb::FAILED) lines_.forget(d.message);
  const bool quiet = outcome.verdict() != pb::FAILED || d.is_typing();
  const auto level = quiet ? service::Level::kDebug : service::Level::kInfo;
  if (log_.enabled(level) && (quiet || failure_lines_.take(log_, clock_.now()))) {
    const std::string status = outcome.has_sip_status() ? std::to_string(outcome.sip_status().code()) : "";
    const std::string reason = bus::reason_of(outcome);
    log_.tell(level, {d.trace_id, d.message.from_uri(), d.message.request_uri(), status, reason},
              "MESSAGE to {} ended after {} ms: {}", d.message.request_uri(), to_ms(clock_.now() - d.came),
              text);
  }
  if (d.is_typing()) {
    --statuses_under_way_;
  } else {
    outlet_.finish(d.id, std::move(outcome));
  }

  const uint32_t queue_slot = d.queue;
  const bool was_first = queues_[queue_slot].first == id.slot;
  leave_queue(id);
  d.stage = Stage::kFree;
  if (request_size(d) > kLarge) d.message = pb::SipMessage();  // no slot keeps an unusual one
  deliveries_.free(id);
  Queue& queue = queues_[queue_slot];
  if (queue.size == 0) {
    by_target_.erase(hash64(queue.target, seed_), queue_slot);
    queues_.free(queues_.id_of(queue_slot));
  } else if (was_first) {
    start(deliveries_.id_of(queue.first));
  }
}

void Outbound::leave_queue(sip::Id id) {
  const uint32_t next = deliveries_[id.slot].next;
  Queue& queue = queues_[deliveries_[id.slot].queue];
  --queue.size;
  if (queue.first == id.slot) {
    queue.first = next;
    return;
  }
  uint32_t before = queue.first;
  while (deliveries_[before].next != id.slot) before = deliveries_[before].next;
  deliveries_[before].next = next;
  if (queue.last == id.slot) queue.last = before;
}

Time Outbound::turn() {
  const Time now = clock_.now();
  while (const auto id = begin_before_.pop_due(now)) {
    const Delivery* const d = deliveries_.find(*id);
    if (d == nullptr || d->stage != Stage::kQueued) continue;
    ++expired_;
    end(*id, bus::failure(pb::DEADLINE, "waited too long for the messages before it"));
  }
  while (const auto again = typing_.due(now)) {
    if (!is_busy(again->request_uri())) take({}, *again, {}, now + kRefreshWithin);
  }
  return std::min(begin_before_.next(), typing_.next());
}

void Outbound::give_up(pb::Reason reason, std::string_view why) {
  sender_.give_up(*this);
  // From the back, so that the end of one begins no other.
  for (auto stage : {Stage::kQueued, Stage::kResolving, Stage::kSent}) {
    for (uint32_t slot = 0; slot < deliveries_.capacity(); ++slot) {
      if (deliveries_[slot].stage != stage) continue;
      const sip::Id id = deliveries_.id_of(slot);
      if (stage == Stage::kSent) {
        fail(id, 503, "Stopped",
             fmt::format("this process {} before an answer came; it may have been delivered", why));
      } else {
        end(id, bus::failure(reason, fmt::format("this process {} before it was begun", why)));
      }
    }
  }
}

}  // namespace stox
