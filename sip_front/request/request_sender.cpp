#include "sip_front/request/request_sender.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "sip_front/sip/message/header_value.h"
#include "sip_front/sip/message/parser.h"
#include "sip_front/sip/policy/request_check.h"

namespace stox {
namespace {

constexpr Duration kAvoid = std::chrono::seconds(30);       // a hop that did not answer
constexpr Duration kLongestRest = std::chrono::minutes(5);  // that a Retry-After gets
constexpr std::size_t kCredentials = 300;                   // bytes, about
constexpr std::size_t kUsualText = 40;                      // "from UDP 255.255.255.255:65535" and more

}  // namespace

RequestSender::RequestSender(const Clock& clock, sip::Random& random, HopFinder& finder, sip::Outlet& outlet)
    : clock_(clock),
      random_(random),
      finder_(finder),
      outlet_(outlet),
      transactions_(random.next(), *this),
      passwords_(random) {}

void RequestSender::configure(std::string route, std::vector<sip::Credentials> credentials, bool has_proxy) {
  route_ = std::move(route);
  passwords_.set(std::move(credentials), has_proxy);
  // Without a proxy a hop is somebody's phone, and that one is switched off is no trouble of ours.
  silent_ = SilentHops(has_proxy);
}

void RequestSender::start(const Start& start) {
  const sip::Id id = sendings_.take();
  Sending& s = sendings_[id.slot];
  s.start = start;
  s.uri = start.way.uri;
  s.start.way.uri = s.uri;
  s.hops.clear();
  s.at_hop = s.too_large = 0;
  s.answered.clear();
  s.refused.clear();
  find_hops(id,
            start.size + (start.way.is_route ? 0 : route_.size()) + (passwords_.any() ? kCredentials : 0));
}

void RequestSender::again(sip::Id id, uint32_t cseq) {
  Sending* const s = sendings_.find(id);
  if (s == nullptr || s->stage != Stage::kTold) return;
  s->start.cseq = cseq;
  s->too_large = 0;
  s->answered.clear();
  s->refused.clear();
  try_hops(id, {});
}

void RequestSender::find_hops(sip::Id id, std::size_t size) {
  Sending& s = sendings_[id.slot];
  s.stage = Stage::kResolving;
  s.sought_large = size > kSmall;
  finder_.find_hops(s.start.way, size, [this, id](sip::Hops hops) { resolved(id, std::move(hops)); });
}

void RequestSender::resolved(sip::Id id, sip::Hops hops) {
  Sending* const s = sendings_.find(id);
  if (s == nullptr || s->stage != Stage::kResolving) return;
  const bool is_route = s->start.way.is_route;
  if (!hops) {
    sip::NoHop& none = hops.error();
    if (!none.refused && !is_route) silent_.not_found(none.text, clock_.now());
    return fail(id, {none.refused ? Why::kForbidden : Why::kNoAddress, false, none.permanent},
                std::move(none.text));
  }
  if (!is_route) silent_.found();
  s->hops = std::move(*hops);
  s->at_hop = 0;
  s->refused.clear();  // by one of the hops of before
  resting_.put_last(s->hops, clock_.now());
  if (clock_.now() >= s->start.begin_before) return fail(id, {Why::kTooLate}, "no next hop in time");
  try_hops(id, {});
}

// Sends it to the first hop, from at_hop on, that there is a way to. `why`: what sent it on from another one.
void RequestSender::try_hops(sip::Id id, std::string why) {
  Sending& s = sendings_[id.slot];
  if (!why.empty() && clock_.now() >= s.start.begin_before)
    return fail(id, {Why::kTooLate}, "no other hop in time: " + why);
  for (; s.at_hop < s.hops.size(); ++s.at_hop) {
    const auto flow = outlet_.flow_to(s.hop());
    if (!flow) {
      why = flow.error().text;
      continue;
    }
    const sip::SentBy sent_by = outlet_.sent_by(*flow);
    if (const auto written = write(s, *flow, sent_by); !written)
      return fail(id, {Why::kUnwritable}, written.error().text);
    if (s.bytes > kSmall) {
      s.too_large = s.bytes;
      if (s.start.small) return none_left(id, {});
      if (!sip::is_reliable(flow->transport)) continue;
    }
    s.stage = Stage::kSent;
    s.start.user->goes_to(s.start.token, s.hop());
    transactions_.start({id.number(), branch_, sent_by.host, sent_by.port, s.start.method, *flow}, out_,
                        clock_.now());
    return;
  }
  none_left(id, std::move(why));
}

Result<void> RequestSender::write(Sending& s, const sip::Flow& flow, const sip::SentBy& sent_by) {
  sip::Request request;
  request.method = s.start.method;
  request.cseq = s.start.cseq;
  if (!s.start.way.is_route) request.route = route_;
  s.start.user->fill(s.start.token, request);
  request.transport = flow.transport;
  via_.clear();
  append_host_port(via_, sent_by.host, sent_by.port);
  request.sent_by = via_;
  branch_ = sip::make_branch(random_.next(), request.request_uri);
  request.branch = branch_;
  answers_.clear();
  passwords_.append_answers(answers_, s.hop(), name_of(request.method), request.request_uri);
  request.answers = answers_;
  if (s.start.with_contact) {
    contact_ = outlet_.contact(flow);
    request.contact = contact_;
  }
  auto written = sip::write_request(out_, request);
  s.bytes = out_.size();
  return written;
}

void RequestSender::responded(uint64_t token, const sip::Message& response) {
  const sip::Id id = sip::Id::of(token);
  Sending* const s = sendings_.find(id);
  if (s == nullptr) return;
  ++statuses_[s->start.method][response.status];
  silent_.answered(s->hop());
  resting_.answered(s->hop());
  std::string text;
  text.reserve(kUsualText);
  text = "from ";
  s->hop().append(text);
  if (response.status == 401 || response.status == 407) {
    std::string why;
    if (answer_challenge(*s, response, &why)) return try_hops(id, "the answer to a challenge came too late");
    text += ", " + why;
  } else if (response.status == 503 && pass_over(*s, response)) {
    return try_hops(id, text + ": 503");
  }
  answer(id, response, std::move(text));
}

bool RequestSender::answer_challenge(Sending& s, const sip::Message& response, std::string* why) {
  sip::Request request;
  request.method = s.start.method;
  s.start.user->fill(s.start.token, request);
  if (!passwords_.can_answer(response, s.hop(), request.request_uri, s.start.way.is_route, s.answered, why))
    return false;
  ++challenged_;
  ++s.start.cseq;  // RFC 3261 22.2
  return true;
}

// Whether there is another server to turn to after a 503 (RFC 3263 4.3, RFC 3261 21.5.4). The same one by
// another transport would say the same.
bool RequestSender::pass_over(Sending& s, const sip::Message& response) {
  const sip::Hop& refused = s.hop();
  const std::chrono::seconds rest(
      sip::parse_delta_seconds(response.value(sip::HeaderName::kRetryAfter)).value_or(0));
  if (rest.count() > 0) resting_.rest(refused, clock_.now() + std::min<Duration>(rest, kLongestRest));
  const auto other = std::find_if(s.hops.begin() + static_cast<std::ptrdiff_t>(s.at_hop), s.hops.end(),
                                  [&](const sip::Hop& hop) { return hop.peer != refused.peer; });
  if (other == s.hops.end()) return false;
  s.refused = response.head;
  s.refused_by = s.at_hop;
  go_on_to(s, static_cast<std::size_t>(other - s.hops.begin()));
  return true;
}

void RequestSender::go_on_to(Sending& s, std::size_t hop) {
  s.at_hop = hop;
  ++failed_over_;
  ++s.start.cseq;
  s.answered.clear();
}

void RequestSender::timed_out(uint64_t token) {
  const sip::Id id = sip::Id::of(token);
  Sending* const s = sendings_.find(id);
  if (s == nullptr) return;
  // It may have arrived: only the next request goes elsewhere.
  resting_.rest(s->hop(), clock_.now() + kAvoid);
  note_failure(*s, "did not answer in 32 s");
  fail(id, {Why::kTimedOut, true}, "no answer in 32 s from " + s->hop().str());
}

void RequestSender::transport_failed(uint64_t token, bool may_have_arrived, std::string_view why) {
  const sip::Id id = sip::Id::of(token);
  Sending* const s = sendings_.find(id);
  if (s == nullptr) return;
  const std::string hop = s->hop().str();
  if (may_have_arrived && why.empty() && sip::is_reliable(s->hop().transport)) {
    return fail(
        id, {Why::kUnreachable, true},
        fmt::format(
            "{} closed the connection instead of answering about {} bytes; it may have been delivered", hop,
            s->bytes));
  }
  std::string text = "cannot be reached";
  if (!why.empty()) text.append(" (").append(why).append(")");
  note_failure(*s, text);
  text = hop + " " + text;
  if (may_have_arrived)
    return fail(id, {Why::kUnreachable, true}, text + " any more; it may have been delivered");
  resting_.rest(s->hop(), clock_.now() + kAvoid);
  if (s->at_hop + 1 == s->hops.size()) return none_left(id, std::move(text));
  go_on_to(*s, s->at_hop + 1);
  try_hops(id, std::move(text));
}

void RequestSender::note_failure(const Sending& s, std::string why) {
  if (!s.start.way.is_route) silent_.failed(s.hop(), std::move(why), clock_.now());
}

// Nothing has arrived at any hop. What one of them said tells more than that others are silent.
void RequestSender::none_left(sip::Id id, std::string why) {
  Sending& s = sendings_[id.slot];
  const std::size_t bytes = std::exchange(s.too_large, 0);
  if (bytes != 0 && !s.sought_large && !s.start.small) {  // larger than it was thought
    ++s.start.cseq;
    return find_hops(id, bytes);
  }
  if (!s.refused.empty()) {
    std::string head = std::exchange(s.refused, {});
    sip::Message said;
    s.at_hop = s.refused_by;
    if (sip::parse_head(head, said)) return answer(id, said, "from another server; " + why);
  }
  if (bytes == 0) return fail(id, {Why::kUnreachable}, std::move(why));
  fail(id, {Why::kTooLarge},
       s.start.small ? fmt::format("{} bytes; long_messages = \"reject\"", bytes)
                     : fmt::format("{} bytes are too many for UDP, and the next hop takes no TCP or TLS{}{}",
                                   bytes, why.empty() ? "" : ": ", why));
}

void RequestSender::answer(sip::Id id, const sip::Message& response, std::string text) {
  Sending& s = sendings_[id.slot];
  tell(id, [&] {
    s.start.user->responded(s.start.token, {id, response, s.hop(), s.start.cseq, std::move(text)});
  });
}

void RequestSender::fail(sip::Id id, Failure failure, std::string text) {
  Sending& s = sendings_[id.slot];
  if (failure.why != Why::kTooLate && failure.why != Why::kTooLarge) ++statuses_[s.start.method][0];
  failure.request = id;
  failure.cseq = s.start.cseq;
  failure.text = std::move(text);
  failure.unlisted = !s.hops.empty() && s.hops.front().unlisted;
  failure.large = s.sought_large;
  s.at_hop = 0;
  tell(id, [&] { s.start.user->failed(s.start.token, std::move(failure)); });
}

template <class Tell>
void RequestSender::tell(sip::Id id, Tell tell) {
  sendings_[id.slot].stage = Stage::kTold;
  tell();
  Sending* const s = sendings_.find(id);
  if (s == nullptr || s->stage != Stage::kTold) return;  // sent again
  s->stage = Stage::kFree;
  sendings_.free(id);
}

void RequestSender::give_up(const User& user) {
  const auto is_his = [&](const Sending& s) { return s.stage != Stage::kFree && s.start.user == &user; };
  transactions_.abandon(
      [&](uint64_t token) {
        const Sending* const s = sendings_.find(sip::Id::of(token));
        return s != nullptr && is_his(*s);
      },
      clock_.now());
  for (uint32_t slot = 0; slot < sendings_.capacity(); ++slot) {
    if (!is_his(sendings_[slot])) continue;
    sendings_[slot].stage = Stage::kFree;
    sendings_.free(sendings_.id_of(slot));
  }
}

void RequestSender::add_metrics(std::vector<service::Metric>& out) const {
  using Kind = service::Metric::Kind;
  for (const auto& [method, statuses] : statuses_) {
    for (std::size_t i = 0; i < statuses.size(); ++i) {
      if (statuses[i] == 0) continue;
      out.push_back(
          {Kind::kCounter,
           "stox_sip_sent_total",
           "Requests sent, by method and by the final status that came",
           static_cast<double>(statuses[i]),
           {{"method", std::string(name_of(method))}, {"status", i == 0 ? "none" : std::to_string(i)}}});
    }
  }
  const auto add = [&](Kind kind, const char* name, const char* help, auto value) {
    out.push_back({kind, name, help, static_cast<double>(value), {}});
  };
  add(Kind::kCounter, "stox_sip_retransmissions_sent_total", "Copies of requests sent (Timer E)",
      transactions_.sent_again());
  add(Kind::kCounter, "stox_sip_challenges_answered_total", "401 and 407 responses answered with a password",
      challenged_);
  add(Kind::kCounter, "stox_sip_failovers_total", "Requests that went to another hop after one had failed",
      failed_over_);
  add(Kind::kGauge, "stox_sip_client_transactions", "Requests without a final response",
      transactions_.waiting());
}

}  // namespace stox
