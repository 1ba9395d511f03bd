#include "sip_front/sip/transaction/client_transaction.h"

#include <algorithm>

#include "common/base/hash.h"
#include "common/base/text.h"
#include "sip_front/sip/transaction/timers.h"

namespace stox::sip {
namespace {

constexpr std::size_t kUsualRequest = 4096;  // bytes

}  // namespace

void ClientTransactions::start(const Request& request, std::string& bytes, Time now) {
  const Id id = slots_.take();
  Transaction& t = slots_[id.slot];
  t.state = State::kTrying;
  t.method = request.method;
  t.token = request.token;
  t.hash = hash64(request.branch, seed_);
  t.sent_by_port = request.sent_by_port;
  t.flow = request.flow;
  t.interval = kT1;
  t.repeated = false;
  t.branch = request.branch;
  t.sent_by_host = request.sent_by_host;
  t.request.swap(bytes);
  by_branch_.insert(t.hash, id.slot);
  if (!is_reliable(t.flow.transport)) timers_.add(now + t.interval, {id, Timer::kE});
  timers_.add(now + kTimerF, {id, Timer::kF});
  send(t);
}

void ClientTransactions::send(Transaction& t) {
  t.sent = ++sent_;
  user_.send_request(t.flow, t.request);
}

// Then it was meant for somebody behind us (8.1.3.3).
static bool has_more_vias(const Message& response) {
  std::size_t vias = 0;
  response.each_value(HeaderName::kVia, [&](std::string_view) { return ++vias < 2; });
  return vias > 1;
}

bool ClientTransactions::receive(const Message& response, Time now) {
  const Via& via = response.via;
  const uint32_t slot = by_branch_.find(hash64(via.branch, seed_), [&](uint32_t at) {
    const Transaction& t = slots_[at];
    // 18.1.2: the sent-by must be what we wrote.
    return t.branch == via.branch && name_of(t.method) == response.cseq.method &&
           ascii_iequal(t.sent_by_host, via.host) && t.sent_by_port == via.port;
  });
  if (slot == HashIndex::kNone || has_more_vias(response)) return false;
  Transaction& t = slots_[slot];
  const Id id = slots_.id_of(slot);
  switch (t.state) {
    case State::kTrying:
    case State::kProceeding:
      if (response.status < 200) {
        t.state = State::kProceeding;
        return true;
      }
      if (is_reliable(t.flow.transport)) {
        terminate(id);
      } else {
        t.state = State::kCompleted;
        ++completed_;
        timers_.add(now + kTimerK, {id, Timer::kK});
      }
      user_.responded(t.token, response);
      return true;
    case State::kCompleted:
    case State::kTerminated:
      return true;
  }
  return false;
}

void ClientTransactions::fire(Due due, Time now) {
  Transaction* const t = slots_.find(due.id);
  if (t == nullptr) return;
  switch (due.timer) {
    case Timer::kE:
      if (t->state != State::kTrying && t->state != State::kProceeding) return;
      t->interval = t->state == State::kProceeding ? kT2 : std::min(2 * t->interval, kT2);
      timers_.add(now + t->interval, {due.id, Timer::kE});
      ++sent_again_;
      t->repeated = true;
      send(*t);
      return;
    case Timer::kF:
      if (t->state != State::kTrying && t->state != State::kProceeding) return;
      terminate(due.id);
      user_.timed_out(t->token);
      return;
    case Timer::kK:
      terminate(due.id);
      return;
  }
}

void ClientTransactions::terminate(Id id) {
  Transaction& t = slots_[id.slot];
  if (t.state == State::kCompleted) --completed_;
  t.state = State::kTerminated;
  if (t.request.capacity() > kUsualRequest) std::string().swap(t.request);  // as no slot keeps an unusual one
  by_branch_.erase(t.hash, id.slot);
  slots_.free(id);
}

template <class Concerned>
void ClientTransactions::fail_all(Concerned concerned, bool may_have_arrived, std::string_view why) {
  std::vector<std::pair<uint64_t, bool>>
      failed;  // told afterwards, as the user may start new transactions to the same peer
  for (uint32_t slot = 0; slot < slots_.capacity(); ++slot) {
    const Transaction& t = slots_[slot];
    if ((t.state != State::kTrying && t.state != State::kProceeding) || !concerned(t)) continue;
    failed.emplace_back(t.token, may_have_arrived || t.repeated || t.state == State::kProceeding);
    terminate(slots_.id_of(slot));
  }
  for (const auto& [token, maybe] : failed) user_.transport_failed(token, maybe, why);
}

void ClientTransactions::connection_lost(uint32_t connection, bool never_made, std::string_view why) {
  const auto concerned = [&](const Transaction& t) {
    return is_reliable(t.flow.transport) && t.flow.connection == connection;
  };
  fail_all(concerned, !never_made, why);
}

void ClientTransactions::unreachable(const Endpoint& peer, std::string_view datagram, std::string_view why) {
  const auto waits_for_peer = [&](const Transaction& t) {
    return (t.state == State::kTrying || t.state == State::kProceeding) && !is_reliable(t.flow.transport) &&
           t.flow.peer == peer;
  };
  // The latest that it may be.
  uint64_t named = 0;
  for (uint32_t slot = 0; slot < slots_.capacity(); ++slot) {
    const Transaction& t = slots_[slot];
    if (waits_for_peer(t) && t.request.starts_with(datagram)) named = std::max(named, t.sent);
  }
  if (named == 0) return;  // an answer of ours, or of what has ended
  const auto concerned = [&](const Transaction& t) {
    return waits_for_peer(t) && (t.sent == named || (t.sent > named && t.state == State::kTrying));
  };
  fail_all(concerned, false, why);
}

void ClientTransactions::abandon(const std::function<bool(uint64_t)>& which, Time now) {
  for (uint32_t slot = 0; slot < slots_.capacity(); ++slot) {
    Transaction& t = slots_[slot];
    if ((t.state != State::kTrying && t.state != State::kProceeding) || !which(t.token)) continue;
    t.state = State::kCompleted;
    ++completed_;
    timers_.add(now + kTimerF, {slots_.id_of(slot), Timer::kK});
  }
}

void ClientTransactions::turn(Time now) {
  while (const auto due = timers_.pop_due(now)) fire(*due, now);
}

}  // namespace stox::sip
