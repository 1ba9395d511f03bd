#include "tests/chaos/presence.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "tests/support/ends/words.h"

namespace stox::chaos {
namespace {

constexpr int64_t kChangeEvery = 80'000;
// What was refused or unreachable is tried again ever more rarely.
constexpr int64_t kSettle = 240'000'000;
constexpr uint64_t kOfflineEvery = 5;  // changes

std::string jid_of_sip_user(uint32_t pair) { return presence_user('u', pair) + "@" + gateway_domain(pair); }
std::string jid(uint32_t pair) { return presence_user('v', pair) + "@" + xmpp_domain(pair); }

std::string presence(const std::string& from, const std::string& to, std::string_view type,
                     std::string_view more = {}) {
  std::string out = "<presence from='" + from + "' to='" + to + "'";
  if (!type.empty()) out.append(" type='").append(type).append("'");
  return out.append(">").append(more).append("</presence>");
}

}  // namespace

Presence::Presence(SipSide& sip, XmppSide& xmpp, const std::vector<sockaddr_in>& fronts, uint32_t pairs,
                   uint64_t seed, std::function<void(const std::string&)> violated)
    : xmpp_(xmpp),
      server_(sip, pairs),
      phones_(sip, fronts, pairs,
              [this](uint32_t pair, const std::string& why) { broken(pair, "a phone: " + why); }),
      states_(pairs),
      contacts_(pairs),
      random_(seed),
      violated_(std::move(violated)) {
  sip.show_first([this](std::string_view bytes, const sockaddr_in& from) { return request(bytes, from); });
  xmpp.show_others([this](const ends::ReadStanza& each) { stanza(each); });
}

void Presence::begin() {
  for (uint32_t i = 0; i < states_.size(); ++i) {
    states_[i] = ++last_state_;
    server_.change(i, ++last_state_);
    xmpp_.write(i, presence(jid(i), jid_of_sip_user(i), "subscribe"));
  }
  phones_.subscribe_all();
  begun_ = true;
}

bool Presence::is_seen(uint32_t pair) const {
  const Contact& contact = contacts_[pair];
  return contact.granted && contact.is_known && contact.seen == server_.state(pair) &&
         phones_.sees(pair, states_[pair]);
}

bool Presence::all_seen() const {
  for (uint32_t i = 0; i < states_.size(); ++i) {
    if (!is_seen(i) && !(going_ && peer(i) == Peer::kRemote)) return false;
  }
  return true;
}

// What is lost of a last change stays lost, whenever that was.
void Presence::go(double seconds) {
  going_ = true;
  change_us_ = ends::now_us();
  for (std::size_t i = 0; i < 2 * states_.size(); ++i)
    until_us_.push_back(change_us_ +
                        static_cast<int64_t>(seconds * 1e3 * static_cast<double>(100 + random_() % 900)));
}

void Presence::end() { ended_us_ = ends::now_us(); }

bool Presence::owed() const { return begun_ && settled_us_ == 0 && ends::now_us() - ended_us_ < kSettle; }

State Presence::next_state() { return random_() % kOfflineEvery == 0 ? 0 : ++last_state_; }

void Presence::turn() {
  if (!begun_) return;
  server_.turn();
  phones_.turn();
  const auto now = ends::now_us();
  if (ended_us_ != 0) {
    if (!all_seen()) {
      settled_us_ = 0;
    } else if (settled_us_ == 0) {
      settled_us_ = now;
    }
  }
  if (!going_ || ended_us_ != 0) return;
  for (; change_us_ < now; change_us_ += kChangeEvery) {
    const auto user = random_() % until_us_.size();
    const auto pair = static_cast<uint32_t>(user / 2);
    if (now > until_us_[user]) continue;
    ++changes_;
    if (user % 2 == 0) {
      server_.change(pair, next_state());
    } else {
      states_[pair] = next_state();
      show(pair);
    }
  }
}

void Presence::show(uint32_t pair) {
  const State state = states_[pair];
  const bool written =
      xmpp_.write(pair, presence(jid(pair) + "/chaos", jid_of_sip_user(pair), state == 0 ? "unavailable" : "",
                                 state == 0 ? "" : "<status>" + std::to_string(state) + "</status>"));
  if (!written) ++lost_;
}

bool Presence::request(std::string_view bytes, const sockaddr_in& from) {
  if (bytes.starts_with("SIP/2.0 "))
    return server_.client().response(bytes) || phones_.client().response(bytes);
  const auto end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return false;
  const auto head = bytes.substr(0, end + 2);
  if (bytes.starts_with("SUBSCRIBE ")) {
    server_.subscribe(head, from);
  } else if (bytes.starts_with("NOTIFY ")) {
    phones_.notify(head, bytes.substr(end + 4), from);
  } else {
    return false;
  }
  return true;
}

void Presence::stanza(const ends::ReadStanza& stanza) {
  uint32_t pair = 0;
  if (!pair_in(stanza.to, pair) || pair >= states_.size()) return;
  Contact& contact = contacts_[pair];
  if (stanza.type == "probe") {
    show(pair);
  } else if (stanza.type == "subscribe" || stanza.type == "subscribed" || stanza.type == "unsubscribe" ||
             stanza.type == "unsubscribed") {
    // Between servers what may have been lost with a stream is written again; being let see twice changes
    // nothing (RFC 6121 3.1.6).
    const bool is_again = stanza.type == "subscribed" && contact.granted && peer(pair) == Peer::kRemote;
    if (going_ && !is_again) broken(pair, "an XMPP user got " + stanza.type);
    if (stanza.type == "subscribe") {
      xmpp_.write(pair, presence(jid(pair), jid_of_sip_user(pair), "subscribed"));
      show(pair);
    }
    contact.granted = contact.granted || stanza.type == "subscribed";
  } else if (stanza.type.empty() || stanza.type == "unavailable") {
    contact.is_known = true;
    contact.seen = 0;
    if (stanza.type.empty())
      std::from_chars(stanza.status.data(), stanza.status.data() + stanza.status.size(), contact.seen);
  }
}

void Presence::broken(uint32_t pair, const std::string& what) {
  if (!going_) return;
  ++broken_[what];
  say(pair, what);
}

void Presence::say(uint32_t pair, const std::string& text) {
  violated_(nlohmann::json{{"violation", "presence"},
                           {"text", text},
                           {"users", {presence_user('u', pair), presence_user('v', pair)}},
                           {"domains", {sip_domain(pair), xmpp_domain(pair)}}}
                .dump());
}

nlohmann::json Presence::report() {
  uint64_t wrong = 0, between_servers = 0;
  for (uint32_t i = 0; begun_ && i < states_.size(); ++i) {
    if (is_seen(i)) continue;
    if (peer(i) == Peer::kRemote) {
      ++between_servers;
      continue;
    }
    ++wrong;
    say(i, jid(i) + " sees " + std::to_string(contacts_[i].seen) + " and should see " +
               std::to_string(server_.state(i)) + ", the phone shows " + phones_.shown(i) +
               " and should show " + std::to_string(states_[i]));
  }
  return {{"pairs", states_.size()},
          {"changes", changes_},
          {"lost", lost_},
          {"wrong", wrong},
          {"between_servers", between_servers},
          {"broken", broken_},
          {"settled_s", static_cast<double>(settled_us_ == 0 ? 0 : settled_us_ - ended_us_) / 1e6}};
}

}  // namespace stox::chaos
