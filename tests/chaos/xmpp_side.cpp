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
constexpr int64_t kConnectEvery = 300'000;
constexpr const char* kSecret = "secret";
constexpr std::string_view kProof = "proof-";

uint64_t number_of(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

XmppSide::XmppSide(const std::vector<sockaddr_in>& here, const std::vector<Real>& real,
                   uint32_t conversations, Ledger& ledger)
    : ledger_(ledger),
      played_(here.size()),
      doors_(here.size() + real.size()),
      conversations_(conversations) {
  for (std::size_t i = 0; i < here.size(); ++i) {
    int& listener = doors_[i].listener;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, reinterpret_cast<const sockaddr*>(&here[i]), sizeof here[i]) != 0 ||
        listen(listener, 8) != 0)
      throw std::runtime_error("cannot listen on tcp " + ends::text_of(here[i]));
  }
  for (std::size_t i = 0; i < real.size(); ++i) doors_[played_ + i].real = real[i];
  ledger_.on_settled([this](uint64_t number) { settle(number); });
  for (uint32_t i = 0; i < conversations; ++i) {
    const auto found =
        std::find_if(real.begin(), real.end(), [&](const Real& r) { return r.domain == xmpp_domain(i); });
    if (found == real.end() && peer(i) != Peer::kPlayed)
      throw std::runtime_error("no server has users of " + xmpp_domain(i));
    conversations_[i].door = static_cast<uint8_t>(
        found == real.end() ? i / 2 % played_ : played_ + static_cast<std::size_t>(found - real.begin()));
  }
}

XmppSide::~XmppSide() {
  for (const Door& door : doors_) {
    if (door.listener >= 0) close(door.listener);
  }
}

bool XmppSide::up(std::size_t door) const { return doors_[door].stream && doors_[door].stream->ready(); }

bool XmppSide::ready() const {
  for (std::size_t i = 0; i < doors_.size(); ++i) {
    if (!up(i)) return false;
  }
  return true;
}

int XmppSide::descriptor(std::size_t door) const {
  const Door& d = doors_[door];
  return d.stream && d.stalled_until_us < ends::now_us() ? d.stream->descriptor() : -1;
}

bool XmppSide::wants_to_write(std::size_t door) const {
  return descriptor(door) >= 0 && doors_[door].stream->wants_to_write();
}

void XmppSide::stall(std::size_t door, double seconds) {
  doors_[door].stalled_until_us = ends::now_us() + static_cast<int64_t>(seconds * 1e6);
}

void XmppSide::accept(std::size_t door) {
  const int socket = accept4(doors_[door].listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (socket < 0) return;
  end_stream(door);
  doors_[door].stream = std::make_unique<ends::ComponentStream>(
      socket, gateway_domain(0), [this, door](const ends::ReadStanza& s) { stanza(door, s); });
}

void XmppSide::connect(std::size_t door) {
  Door& d = doors_[door];
  d.connect_us = ends::now_us() + kConnectEvery;
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&d.real.address), sizeof d.real.address) != 0 &&
      errno != EINPROGRESS) {
    close(socket);
    return;
  }
  ++d.streams;
  d.stream = std::make_unique<ends::ComponentStream>(
      socket, d.real.domain, [this, door](const ends::ReadStanza& s) { stanza(door, s); }, kSecret);
}

void XmppSide::read(std::size_t door) {
  if (!doors_[door].stream->read()) end_stream(door);
}

void XmppSide::end_stream(std::size_t door) {
  Door& d = doors_[door];
  if (!d.stream) return;
  broken(door);
  d.stream.reset();
}

// What was proved a moment ago may have been written to the connection that has ended, and its ping to the
// next.
void XmppSide::broken(std::size_t door) {
  Door& d = doors_[door];
  for (const auto number : d.unproved) {
    if (!ledger_.settled(number)) ledger_.unread(number);
  }
  d.unproved.clear();
  d.pings.clear();
  if (is_real(door)) {
    d.is_new = true;
    ledger_.broken(static_cast<uint8_t>(door));
  }
  for (Conversation& c : conversations_) {
    if (c.door != door) continue;
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
  if (is_real(c.door) || c.pending + c.left_behind > 0) return up(c.door);
  for (std::size_t i = 0; i < played_; ++i) {
    if (up(i)) return true;
  }
  return false;
}

void XmppSide::message(uint32_t conversation) {
  Conversation& c = conversations_[conversation];
  if (!is_real(c.door) && c.pending + c.left_behind == 0) {
    c.door = static_cast<uint8_t>(conversation / 2 % played_);
    while (!up(c.door)) c.door = static_cast<uint8_t>((c.door + 1u) % played_);
  }
  Door& d = doors_[c.door];
  const auto number =
      ledger_.sent(Way::kToSip, conversation, c.door, static_cast<uint8_t>(peer(conversation)),
                   recipient(Way::kToSip, conversation) != Recipient::kThere);
  const std::string who = std::to_string(conversation);
  d.stream->out() += "<message from='v" + who + "@" + xmpp_domain(conversation) + "/chaos' to='u" + who +
                     "@" + gateway_domain(conversation) + "' id='" + std::to_string(number) +
                     "' type='chat'><body>" + ends::body_of(number, 1, 100) + "</body></message>";
  d.unproved.push_back(number);
  d.last_written = number;
  waiting_.push_back(number);
  ++c.pending;
}

bool XmppSide::write(uint32_t conversation, std::string_view xml) {
  std::size_t door = conversations_[conversation].door;
  if (!is_real(door)) {
    door = conversation / 2 % played_;
    for (std::size_t i = 1; i < played_ && !up(door); ++i) door = (door + 1) % played_;
  }
  if (!up(door)) return false;
  doors_[door].stream->out() += xml;
  return true;
}

uint64_t XmppSide::stream(uint32_t conversation) const {
  const auto at = door(conversation);
  return up(at) ? doors_[at].streams : 0;
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
  for (std::size_t i = 0; i < doors_.size(); ++i) {
    Door& d = doors_[i];
    if (!d.stream && is_real(i) && now > d.connect_us) connect(i);
    if (!up(i) || d.unproved.empty()) continue;
    if (!d.pings.empty() && d.pings.back().second == d.last_written) continue;
    d.pings.emplace_back(++pings_, d.last_written);
    const auto conversation = ledger_.at(d.last_written).conversation;
    d.stream->out() += "<iq type='get' id='" + std::string(kProof) + std::to_string(pings_) +
                       "' from='prover@" + xmpp_domain(conversation) + "' to='" +
                       gateway_domain(conversation) + "'><ping xmlns='urn:xmpp:ping'/></iq>";
  }
}

// A real server may go on writing to a connection that has ended until it notices: the first answer by the
// next one proves nothing of what was given to it before that ping.
void XmppSide::proved(Door& d, uint64_t ping) {
  if (d.pings.empty() || d.pings.front().first > ping) return;
  for (; !d.pings.empty() && d.pings.front().first <= ping; d.pings.pop_front()) {
    while (!d.unproved.empty() && d.unproved.front() <= d.pings.front().second) {
      const auto number = d.unproved.front();
      d.unproved.pop_front();
      if (!d.is_new) {
        ledger_.proved(number);
      } else if (!ledger_.settled(number)) {
        ledger_.unread(number);
      }
    }
  }
  d.is_new = false;
}

void XmppSide::flush() {
  for (std::size_t i = 0; i < doors_.size(); ++i) {
    if (descriptor(i) >= 0) doors_[i].stream->flush();
  }
}

// Where an answer to what came there goes: a played server's on any of a component's connections.
ends::ComponentStream& XmppSide::stream_for(std::size_t door) {
  const auto any = is_real(door) ? door : random_() % played_;
  return *doors_[up(any) ? any : door].stream;
}

void XmppSide::stanza(std::size_t door, const ends::ReadStanza& stanza) {
  uint64_t number = 0;
  if (stanza.name == "iq") {
    if (stanza.type == "get") return stream_for(door).answer_ping(stanza);
    // Through a real server an error may be the server's own, while the gateway is not there.
    if (stanza.id.starts_with(kProof) && (stanza.type == "result" || !is_real(door)))
      proved(doors_[door], number_of(std::string_view(stanza.id).substr(kProof.size())));
  } else if (stanza.name == "presence" || stanza.type == "groupchat") {
    for (const auto& other : others_) other(stanza);
  } else if (stanza.name == "message" && stanza.type == "error") {
    number = number_of(stanza.id);
    if (!ledger_.known(number)) return;
    ledger_.errored(number, stanza.condition, stanza.text);
  } else if (stanza.name == "message" && ends::number_in(stanza.body, 1, number) && ledger_.known(number)) {
    if (recipient(Way::kToXmpp, ledger_.at(number).conversation) == Recipient::kThere)
      return ledger_.arrived(number, static_cast<uint8_t>(door), hash64(stanza.id), stanza.id);
    stream_for(door).out() += "<message type='error' id='" + stanza.id + "' from='" + stanza.to + "' to='" +
                              stanza.from +
                              "'><error type='cancel'><item-not-found "
                              "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";
  }
}

}  // namespace stox::chaos
