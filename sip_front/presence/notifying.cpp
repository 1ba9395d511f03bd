#include "sip_front/presence/notifying.h"

#include <utility>

namespace stox {
namespace {

constexpr Duration kSendWithin = std::chrono::seconds(32);
constexpr std::size_t kHeaders = 500;  // bytes, about, of a NOTIFY without its addresses

// About, in bytes.
std::size_t size_of(const sip::Dialog& dialog, std::string_view body) {
  std::size_t size = kHeaders + body.size() + dialog.call_id.size() + dialog.local_uri.size() +
                     dialog.remote_uri.size() + dialog.remote_target.size();
  for (const std::string& route : dialog.route_set) size += route.size();
  return size;
}

}  // namespace

Notifying::Notifying(char domain_separator, const Clock& clock, service::Log& log, Reception& reception,
                     RequestSender& sender, const sip::Outlet& transports, PresenceOutbox::Outlet& bus)
    : clock_(clock),
      log_(log),
      reception_(reception),
      sender_(sender),
      transports_(transports),
      bus_(bus),
      watchers_(kMaxDialogs, domain_separator, clock, *this) {
  reception_.add(sip::Method::kSubscribe, "presence", *this);
}

void Notifying::take(const ReceivedRequest& received) {
  const sip::Message& request = received.message;
  const sip::Notifier::Taken taken = watchers_.subscribe(
      request, reception_.to_tag(request), received.sender.uri, reception_.source_of(received.flow));
  sip::ResponseHeaders headers;
  headers.lines = taken.lines;
  headers.retry_after_s = taken.retry_after_s;
  if (taken.status == 200) {
    headers.contact = transports_.contact(received.flow);
    return reception_.respond(reception_.open(received), taken.status, taken.reason, headers);
  }
  if (taken.status != 480 && taken.status != 503)
    return reception_.answer(received, taken.status, taken.reason, headers);
  sip::Verdict refusal = sip::refusal(sip::Refused::kShare, taken.status, taken.reason);
  refusal.headers = std::move(headers);
  reception_.refuse(received, std::move(refusal));
}

void Notifying::members_changed(std::vector<pb::Member> members) {
  members_ = std::move(members);
  watchers_.members_changed();
}

// --- to XMPP

Result<uint64_t> Notifying::submit(pb::Envelope& envelope) {
  const Time now = clock_.now();
  return bus_.submit_presence(envelope, now + PresenceOutbox::kBeginWithin, now + PresenceOutbox::kEndWithin);
}

void Notifying::not_kept(const std::string& why) {
  log_.warn("{}; whom XMPP users let see them may be forgotten with this process", why);
}

// --- to SIP

void Notifying::send_notify(sip::Id id, const sip::Notify& notify) {
  const Sent& sent = sent_[id.number()] = {notify.dialog, std::string(notify.lines), std::string(notify.type),
                                           std::string(notify.body)};
  const std::string uri = sip::next_hop_uri(sent.dialog);
  RequestSender::Start start;
  start.user = this;
  start.token = id.number();
  start.method = sip::Method::kNotify;
  start.way.uri = uri;
  start.way.is_route = !sent.dialog.route_set.empty();
  // Who sent the SUBSCRIBE is trusted, and where his users can be reached only he knows.
  start.way.chosen = sip::NextHop::Chosen::kByTrusted;
  start.begin_before = clock_.now() + kSendWithin;
  start.cseq = sent.dialog.local_cseq;
  start.size = size_of(sent.dialog, sent.body);
  start.with_contact = true;
  sender_.start(start);
}

void Notifying::fill(uint64_t token, sip::Request& request) {
  const Sent& sent = sent_.find(token)->second;
  sip::address_within(sent.dialog, request);
  request.lines = sent.lines;
  request.content_type = sent.type;
  request.body = sent.body;
}

void Notifying::responded(uint64_t token, RequestSender::FinalResponse answer) {
  sent_.erase(token);
  if (answer.response.status >= 300) {
    log_.debug("NOTIFY to {}: {} {}", answer.response.to.uri, answer.response.status, answer.text);
  }
  sip::Notifier& notifier = watchers_.notifier();
  notifier.used_cseq(sip::Id::of(token), answer.cseq);
  notifier.answered(sip::Id::of(token), answer.response, clock_.now());
}

void Notifying::failed(uint64_t token, RequestSender::Failure failure) {
  log_.debug("NOTIFY to {}: {}", sent_[token].dialog.remote_uri, failure.text);
  sent_.erase(token);
  sip::Notifier& notifier = watchers_.notifier();
  notifier.used_cseq(sip::Id::of(token), failure.cseq);
  if (failure.why == RequestSender::Failure::Why::kTimedOut) {
    notifier.unanswered(sip::Id::of(token));
  } else {
    notifier.undelivered(sip::Id::of(token), clock_.now());
  }
}

}  // namespace stox
