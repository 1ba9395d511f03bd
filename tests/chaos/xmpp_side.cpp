#include "tests/chaos/xmpp_side.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "common/base/hash.h"
#include "tests/chaos/sip_side.h"

namespace stox::chaos {
namespace {

constexpr int64_t kPingEvery = 50'000;
// 60 s to begin and a client transaction's 32 s behind it, and some for the way.
constexpr int64_t kGiveUp = 105'000'000;
constexpr uint16_t kMaxPending = 5;
constexpr std::string_view kProof = "proof-";

uint64_t number_of(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

XmppSide::XmppSide(ends::Names names, const std::vector<sockaddr_in>& here, uint32_t conversations,
                   Ledger& ledger)
    : names_(std::move(names)), ledger_(ledger), workers_(here.size()), conversations_(conversations) {
  for (std::size_t i = 0; i < here.size(); ++i) {
    int& listener = workers_[i].listener;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, reinterpret_cast<const sockaddr*>(&here[i]), sizeof here[i]) != 0 ||
        listen(listener, 8) != 0)
      throw std::runtime_error("cannot listen on tcp " + ends::text_of(here[i]));
  }
  ledger_.on_settled([this](uint64_t number) { settle(number); });
  for (uint32_t i = 0; i < conversations; ++i)
    conversations_[i].worker = static_cast<uint8_t>(i / 2 % here.size());
}

XmppSide::~XmppSide() {
  for (const Worker& worker : workers_) close(worker.listener);
}

bool XmppSide::up(std::size_t worker) const {
  return workers_[worker].stream && workers_[worker].stream->ready();
}

bool XmppSide::ready() const {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (!up(i)) return false;
  }
  return true;
}

int XmppSide::descriptor(std::size_t worker) const {
  const Worker& w = workers_[worker];
  return w.stream && w.stalled_until_us < ends::now_us() ? w.stream->descriptor() : -1;
}

bool XmppSide::wants_to_write(std::size_t worker) const {
  return descriptor(worker) >= 0 && workers_[worker].stream->wants_to_write();
}

void XmppSide::stall(std::size_t worker, double seconds) {
  workers_[worker].stalled_until_us = ends::now_us() + static_cast<int64_t>(seconds * 1e6);
}

void XmppSide::accept(std::size_t worker) {
  const int socket = accept4(workers_[worker].listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (socket < 0) return;
  end_stream(worker);
  workers_[worker].stream = std::make_unique<ends::ComponentStream>(
      socket, names_.component, [this, worker](const ends::ReadStanza& s) { stanza(worker, s); });
}

void XmppSide::read(std::size_t worker) {
  if (!workers_[worker].stream->read()) end_stream(worker);
}

void XmppSide::end_stream(std::size_t worker) {
  Worker& w = workers_[worker];
  if (!w.stream) return;
  for (const auto number : w.unproved) {
    if (!ledger_.settled(number)) ledger_.unread(number);
  }
  w.unproved.clear();
  w.pings.clear();
  w.stream.reset();
  for (Conversation& c : conversations_) {
    if (c.worker != worker) continue;
    c.left_behind = static_cast<uint16_t>(c.left_behind + c.pending);
    c.pending = 0;
  }
}

bool XmppSide::owed() const {
  return std::any_of(waiting_.begin(), waiting_.end(), [this](uint64_t number) {
    const Message& m = ledger_.at(number);
    return !ledger_.settled(number) && !m.unread && !m.with_killed;
  });
}

bool XmppSide::can_send(uint32_t conversation) const {
  const Conversation& c = conversations_[conversation];
  const bool answers = recipient(Way::kToSip, conversation) == Recipient::kThere;
  if (c.pending >= (answers ? kMaxPending : 1)) return false;
  if (c.pending + c.left_behind > 0) return up(c.worker);
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (up(i)) return true;
  }
  return false;
}

void XmppSide::message(uint32_t conversation) {
  Conversation& c = conversations_[conversation];
  if (c.pending + c.left_behind == 0) {
    c.worker = static_cast<uint8_t>(conversation / 2 % workers_.size());
    while (!up(c.worker)) c.worker = static_cast<uint8_t>((c.worker + 1u) % workers_.size());
  }
  Worker& w = workers_[c.worker];
  const auto number = ledger_.sent(Way::kToSip, conversation, c.worker,
                                   recipient(Way::kToSip, conversation) != Recipient::kThere);
  const std::string who = std::to_string(conversation);
  w.stream->out() += "<message from='v" + who + "@" + xmpp_domain(names_, conversation) + "/chaos' to='u" +
                     who + "*" + names_.sip_domain + "@" + names_.component + "' id='" +
                     std::to_string(number) + "' type='chat'><body>" + ends::body_of(number, 1, 100) +
                     "</body></message>";
  w.unproved.push_back(number);
  w.last_written = number;
  waiting_.push_back(number);
  ++c.pending;
}

void XmppSide::settle(uint64_t number) {
  Conversation& c = conversations_[ledger_.at(number).conversation];
  if (c.left_behind > 0) {  // they were written before those of the stream that is up now
    --c.left_behind;
  } else if (c.pending > 0) {
    --c.pending;
  }
}

void XmppSide::turn() {
  const auto now = ends::now_us();
  while (!waiting_.empty()) {
    const auto number = waiting_.front();
    if (!ledger_.settled(number)) {
      if (now - ledger_.at(number).sent_us < kGiveUp) break;
      ledger_.give_up(number);
    }
    waiting_.pop_front();
  }
  if (now - pinged_us_ < kPingEvery) return;
  pinged_us_ = now;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    Worker& w = workers_[i];
    if (!up(i) || w.unproved.empty()) continue;
    if (!w.pings.empty() && w.pings.back().second == w.last_written) continue;
    w.pings.emplace_back(++pings_, w.last_written);
    w.stream->out() += "<iq type='get' id='" + std::string(kProof) + std::to_string(pings_) +
                       "' from='prover@" + xmpp_domain(names_, 0) + "' to='" + names_.component +
                       "'><ping xmlns='urn:xmpp:ping'/></iq>";
  }
}

void XmppSide::proved(Worker& w, uint64_t ping) {
  while (!w.pings.empty() && w.pings.front().first <= ping) {
    while (!w.unproved.empty() && w.unproved.front() <= w.pings.front().second) {
      ledger_.proved(w.unproved.front());
      w.unproved.pop_front();
    }
    w.pings.pop_front();
  }
}

void XmppSide::flush() {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (descriptor(i) >= 0) workers_[i].stream->flush();
  }
}

ends::ComponentStream& XmppSide::any_stream(std::size_t else_worker) {
  const auto any = random_() % workers_.size();
  return *workers_[up(any) ? any : else_worker].stream;
}

void XmppSide::stanza(std::size_t worker, const ends::ReadStanza& stanza) {
  Worker& w = workers_[worker];
  uint64_t number = 0;
  if (stanza.name == "iq") {
    if (stanza.type == "get") return any_stream(worker).answer_ping(stanza);
    if (stanza.id.starts_with(kProof))
      proved(w, number_of(std::string_view(stanza.id).substr(kProof.size())));
  } else if (stanza.name == "message" && stanza.type == "error") {
    number = number_of(stanza.id);
    if (!ledger_.known(number)) return;
    ledger_.errored(number, stanza.condition, stanza.text);
  } else if (stanza.name == "message" && ends::number_in(stanza.body, 1, number) && ledger_.known(number)) {
    if (recipient(Way::kToXmpp, ledger_.at(number).conversation) == Recipient::kThere)
      return ledger_.arrived(number, static_cast<uint8_t>(worker), hash64(stanza.id), stanza.id);
    any_stream(worker).out() += "<message type='error' id='" + stanza.id + "' from='" + stanza.to + "' to='" +
                                stanza.from +
                                "'><error type='cancel'><item-not-found "
                                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";
  }
}

}  // namespace stox::chaos
