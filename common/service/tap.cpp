#include "common/service/tap.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/text.h"

namespace stox::service {
namespace {

using nlohmann::json;

bool flag(const json& request, const char* key) {
  const auto found = request.find(key);
  return found != request.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

Tap::Tap(net::Loop& loop, Trace& trace) : loop_(loop), trace_(trace), alarm_(loop, [this] { turn(); }) {}

Tap::~Tap() { trace_.watch(nullptr); }

void Tap::answer(const json& request, const Reply& reply_to) {
  const Time now = loop_.now();
  const auto after = request.find("after");
  Waiting one{first_ + events_.size(), flag(request, "refused"), flag(request, "bodies"), now + kWait,
              reply_to};
  (one.refused ? refusals_until_ : messages_until_) = now + kLapse;
  if (one.bodies) bodies_until_ = now + kLapse;
  trace_.watch(this);
  const bool first = after == request.end() || !after->is_number_unsigned();
  if (!first) one.after = after->get<uint64_t>();
  if (!reply(one, first)) waiting_.push_back(std::move(one));
  turn();
}

void Tap::passed(const TraceHop& hop, std::string_view body) {
  if (loop_.now() < messages_until_) add(hop, false, loop_.now() < bodies_until_, body);
}

void Tap::refused(const TraceHop& hop, std::string_view packet) {
  if (loop_.now() < refusals_until_) add(hop, true, true, packet);
}

void Tap::add(const TraceHop& hop, bool refused, bool with_body, std::string_view body) {
  Event event;
  event.time_us = std::max({hop.came_us, hop.went_us, hop.ended_us});
  event.refused = refused;
  event.trace = to_hex(hop.trace_id);
  event.id = hop.message_id;
  event.from = hop.from;
  event.to = hop.to;
  event.decision = hop.decision;
  event.outcome = hop.outcome;
  if (with_body) event.body = body.substr(0, kMaxBody);
  bytes_ += event.body.size();
  events_.push_back(std::move(event));
  while (events_.size() > kEvents || bytes_ > kBytes) {
    bytes_ -= events_.front().body.size();
    events_.pop_front();
    ++first_;
  }
  if (!waiting_.empty()) alarm_.set(loop_.now());  // at the end of what happens now
}

// False: there is nothing to tell yet.
bool Tap::reply(const Waiting& to, bool even_if_empty) const {
  json events = json::array();
  const uint64_t next = first_ + events_.size();
  for (uint64_t n = std::max(to.after, first_); n < next; ++n) {
    const Event& event = events_[n - first_];
    if (event.refused != to.refused) continue;
    json row = {{"kind", event.refused ? "refused" : "passed"},
                {"time_us", event.time_us},
                {"trace", event.trace},
                {"id", event.id},
                {"from", event.from},
                {"to", event.to},
                {"decision", event.decision},
                {"outcome", event.outcome}};
    if (!event.body.empty() && (to.bodies || event.refused)) row["body"] = event.body;
    events.push_back(std::move(row));
  }
  if (events.empty() && !even_if_empty) return false;
  const uint64_t missed = to.after < first_ ? first_ - to.after : 0;
  to.reply({{"ok", true}, {"next", next}, {"missed", missed}, {"events", std::move(events)}});
  return true;
}

// Answers those that something came for and those that have waited long; lets go what nobody looks at.
void Tap::turn() {
  const Time now = loop_.now();
  std::erase_if(waiting_, [&](const Waiting& one) { return reply(one, now >= one.until); });
  const Time last = std::max(messages_until_, refusals_until_);
  if (now >= last) {
    trace_.watch(nullptr);
    first_ += events_.size();
    events_.clear();
    bytes_ = 0;
    return alarm_.set(kNever);
  }
  Time next = last;
  for (const Waiting& one : waiting_) next = std::min(next, one.until);
  alarm_.set(next);
}

}  // namespace stox::service
