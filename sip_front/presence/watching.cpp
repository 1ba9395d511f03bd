#include "sip_front/presence/watching.h"

#include <utility>

namespace stox {
namespace {

constexpr Duration kBeginWithin = std::chrono::seconds(32);

// As good as a final response to whoever wants to see this address.
uint16_t status_of(const RequestSender::Failure& failure) {
  using Why = RequestSender::Failure::Why;
  const bool nowhere = failure.why == Why::kForbidden || failure.why == Why::kUnwritable ||
                       (failure.why == Why::kNoAddress && failure.permanent);
  return nowhere ? 404 : 0;
}

}  // namespace

Watching::Watching(const WatchOptions& options, const Clock& clock, service::Log& log, sip::Random& random,
                   Reception& reception, RequestSender& sender, PresenceOutbox::Outlet& outlet)
    : clock_(clock),
      log_(log),
      reception_(reception),
      sender_(sender),
      watches_(options, clock, log, random, *this, outlet) {
  reception_.add(sip::Method::kNotify, "presence", *this);
}

void Watching::take(const ReceivedRequest& request) {
  watches_.notify(request.message, [&](uint16_t status) {
    if (status == 200) {
      reception_.respond(reception_.open(request), status, "OK");
    } else {
      reception_.answer(request, status);
    }
  });
}

void Watching::subscribe(uint64_t token, const Request& request) {
  Sent& sent = sent_[token];
  sent.dialog = request.dialog;
  sent.lines.append("Event: ").append(request.package);
  sent.lines.append("\r\nAccept: ").append(request.accept);
  sent.lines.append("\r\nExpires: ").append(std::to_string(request.expires_s)).append("\r\n");
  RequestSender::Start start;
  start.user = this;
  start.token = token;
  start.method = sip::Method::kSubscribe;
  // Who sent the NOTIFY that made the dialog is trusted. The contact himself an XMPP user has chosen.
  const bool in_dialog = !sent.dialog.remote_tag.empty();
  const std::string uri = sip::next_hop_uri(sent.dialog);
  start.way.uri = uri;
  start.way.is_route = !sent.dialog.route_set.empty();
  start.way.chosen = in_dialog ? sip::NextHop::Chosen::kByTrusted : sip::NextHop::Chosen::kByAnybody;
  start.begin_before = clock_.now() + kBeginWithin;
  start.cseq = sent.dialog.local_cseq;
  start.with_contact = true;
  sender_.start(start);
}

void Watching::fill(uint64_t token, sip::Request& request) {
  const Sent& sent = sent_.find(token)->second;
  sip::address_within(sent.dialog, request);
  request.lines = sent.lines;
}

void Watching::responded(uint64_t token, RequestSender::FinalResponse answer) {
  sent_.erase(token);
  const std::string hop = answer.hop.str();
  if (answer.response.status != 403) {
    refusing_.erase(hop);
  } else if (refusing_.contains(hop) || refusing_.size() < kMaxHops) {
    ++refusing_[hop];
  }
  if (answer.response.status >= 300) log_.debug("SUBSCRIBE for {}: {}", answer.response.to.uri, answer.text);
  watches_.subscriber().responded(token, answer.response, clock_.now());
}

void Watching::failed(uint64_t token, RequestSender::Failure failure) {
  log_.debug("SUBSCRIBE for {}: {}", sent_[token].dialog.remote_uri, failure.text);
  sent_.erase(token);
  watches_.subscriber().no_answer(token, failure.cseq, status_of(failure), clock_.now());
}

std::string Watching::trouble() const {
  for (const auto& [hop, times] : refusing_) {
    if (times < kRefusedAlways) continue;
    return hop + " answers 403 to every SUBSCRIBE of ours (" + std::to_string(times) +
           " in a row), so XMPP users see no SIP user's presence: let it take SUBSCRIBE from this gateway as "
           "it takes MESSAGE, or set gateway.presence = false";
  }
  return {};
}

}  // namespace stox
