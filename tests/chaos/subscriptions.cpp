#include "tests/chaos/subscriptions.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace stox::chaos {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kTimerF = 32 * kSecond;
constexpr int64_t kGranted = 60 * kSecond;   // to who watches a SIP user: refreshed after half of it
constexpr int64_t kExpires = 120 * kSecond;  // of a phone
constexpr int64_t kRefresh = 25 * kSecond;
constexpr int64_t kAgain = 3 * kSecond;  // after a failure that passes
constexpr std::string_view kBranch = "branch=z9hG4bK-";

std::string value(std::string_view head, std::string_view name) {
  const auto at = head.find("\r\n" + std::string(name) + ": ");
  if (at == std::string_view::npos) return {};
  const auto begin = at + name.size() + 4;
  return std::string(head.substr(begin, head.find("\r\n", begin) - begin));
}

uint64_t number(std::string_view text) {
  uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

std::string uri_of(const std::string& contact) {
  const auto open = contact.find('<');
  return open == std::string::npos ? contact : contact.substr(open + 1, contact.find('>') - open - 1);
}

// Of a URI with an address and a port in it.
sockaddr_in address_of(const std::string& uri) {
  auto begin = uri.find('@');
  begin = begin == std::string::npos ? uri.find(':') + 1 : begin + 1;
  std::string host = uri.substr(begin, uri.find_first_of(";>", begin) - begin);
  if (host.find(':') == std::string::npos) host += ":5060";
  return ends::parse_address(host);
}

}  // namespace

std::string presence_user(char side, uint32_t pair) { return std::string("p") + side + std::to_string(pair); }

bool pair_in(std::string_view address, uint32_t& pair) {
  for (const std::string_view prefix : {"pu", "pv"}) {
    for (auto at = address.find(prefix); at != std::string_view::npos; at = address.find(prefix, at + 1)) {
      const char* begin = address.data() + at + 2;
      const auto [end, bad] = std::from_chars(begin, address.data() + address.size(), pair);
      if (bad == std::errc() && end < address.data() + address.size() && *end == '@') return true;
    }
  }
  return false;
}

std::string pidf_of(State state) {
  const bool open = state != 0;
  return "<?xml version=\"1.0\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"pres:chaos\">"
         "<tuple id=\"t1\"><status><basic>" +
         std::string(open ? "open" : "closed") + "</basic></status>" +
         (open ? "<note>" + std::to_string(state) + "</note>" : "") + "</tuple></presence>";
}

State state_in(std::string_view pidf) {
  if (pidf.find("<basic>open<") == std::string_view::npos) return 0;
  const auto note = pidf.find("<note");
  return note == std::string_view::npos ? 0 : number(pidf.substr(pidf.find('>', note) + 1));
}

// --- requests

void SipClient::send(uint64_t token, const sockaddr_in& to, const std::string& method,
                     const std::string& target, uint32_t cseq, const std::string& lines,
                     const std::string& body) {
  const uint64_t id = ++last_;
  std::string bytes = method + " " + target + " SIP/2.0\r\nVia: SIP/2.0/UDP " + side_.here() + ";rport;";
  bytes += kBranch;
  bytes += name_ + std::to_string(id) + "\r\nMax-Forwards: 70\r\n" + lines + "CSeq: " + std::to_string(cseq) +
           " " + method + "\r\nEvent: presence\r\nContact: <sip:" + side_.here() +
           ">\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  const Open& open = open_.emplace(id, Open{token, to, std::move(bytes), ends::now_us()}).first->second;
  write(open);
  repeats_.add(id, open.sent_us);
}

void SipClient::write(const Open& open) { side_.next(open.to) += open.bytes; }

bool SipClient::response(std::string_view bytes) {
  const auto at = bytes.find(kBranch);
  if (at == std::string_view::npos || !bytes.substr(at + kBranch.size()).starts_with(name_)) return false;
  const int status = static_cast<int>(number(bytes.substr(8, 3)));
  const auto found = open_.find(number(bytes.substr(at + kBranch.size() + name_.size())));
  if (status < 200 || found == open_.end()) return true;
  const uint64_t token = found->second.token;
  open_.erase(found);
  done_(token, status, bytes);
  return true;
}

void SipClient::turn() {
  const auto now = ends::now_us();
  repeats_.take_due(now, [&](uint64_t id) {
    const auto found = open_.find(id);
    if (found == open_.end()) return false;
    if (now - found->second.sent_us < kTimerF) {
      write(found->second);
      return true;
    }
    const uint64_t token = found->second.token;
    open_.erase(found);
    done_(token, 0, {});
    return false;
  });
}

// --- the presence server

PresenceServer::PresenceServer(SipSide& side, uint32_t pairs)
    : side_(side),
      client_(side, "n", [this](uint64_t token, int status, std::string_view) { done(token, status); }),
      states_(pairs) {}

void PresenceServer::change(uint32_t pair, State state) {
  states_[pair] = state;
  for (auto& [id, dialog] : dialogs_) dialog.wanted = dialog.wanted || dialog.pair == pair;
}

void PresenceServer::subscribe(std::string_view head, const sockaddr_in& from) {
  const std::string call_id = value(head, "Call-ID"), to = value(head, "To");
  const bool in_dialog = to.find(";tag=") != std::string::npos;
  const auto known = std::find_if(dialogs_.begin(), dialogs_.end(),
                                  [&](const auto& each) { return each.second.call_id == call_id; });
  uint32_t pair = 0;
  std::string& out = side_.next(from);
  if (!pair_in(to, pair) || pair >= states_.size()) return ends::write_response(head, "404 Not Found", out);
  if (in_dialog && known == dialogs_.end())
    return ends::write_response(head, "481 Subscription does not exist", out);
  const uint64_t id = known == dialogs_.end() ? ++last_ : known->first;
  Dialog& dialog = dialogs_[id];
  const int64_t expires =
      std::min<int64_t>(static_cast<int64_t>(number(value(head, "Expires"))) * kSecond, kGranted);
  dialog.pair = pair;
  dialog.call_id = call_id;
  dialog.theirs = value(head, "From");
  dialog.own = in_dialog ? to : to + ";tag=s" + std::to_string(id);
  dialog.target = uri_of(value(head, "Contact"));
  dialog.expires_us = ends::now_us() + expires;
  dialog.ended = expires == 0;
  dialog.wanted = true;
  out = "SIP/2.0 200 OK\r\nVia: " + value(head, "Via") + "\r\nFrom: " + dialog.theirs +
        "\r\nTo: " + dialog.own + "\r\nCall-ID: " + call_id + "\r\nCSeq: " + value(head, "CSeq") +
        "\r\nContact: <sip:" + side_.here() + ">\r\nExpires: " + std::to_string(expires / kSecond) +
        "\r\nContent-Length: 0\r\n\r\n";
}

void PresenceServer::notify(uint64_t id, Dialog& dialog) {
  dialog.wanted = false;
  dialog.under_way = true;
  const auto left = std::to_string((dialog.expires_us - ends::now_us()) / kSecond);
  client_.send(id, address_of(dialog.target), "NOTIFY", dialog.target, ++dialog.cseq,
               "From: " + dialog.own + "\r\nTo: " + dialog.theirs + "\r\nCall-ID: " + dialog.call_id +
                   "\r\nSubscription-State: " +
                   (dialog.ended ? "terminated;reason=timeout" : "active;expires=" + left) +
                   "\r\nContent-Type: application/pidf+xml\r\n",
               pidf_of(states_[dialog.pair]));
}

void PresenceServer::done(uint64_t id, int status) {
  const auto found = dialogs_.find(id);
  if (found == dialogs_.end()) return;
  Dialog& dialog = found->second;
  dialog.under_way = false;
  if (status / 100 == 5) {
    dialog.wanted = true;
    dialog.not_before_us = ends::now_us() + kAgain;
  } else if (status / 100 != 2 || dialog.ended) {
    dialogs_.erase(found);
  }
}

void PresenceServer::turn() {
  client_.turn();
  const auto now = ends::now_us();
  std::erase_if(dialogs_,
                [&](const auto& each) { return !each.second.ended && each.second.expires_us < now; });
  for (auto& [id, dialog] : dialogs_) {
    if (dialog.wanted && !dialog.under_way && dialog.not_before_us <= now) notify(id, dialog);
  }
}

// --- phones

Phones::Phones(SipSide& side, const std::vector<sockaddr_in>& fronts, uint32_t pairs,
               std::function<void(uint32_t, const std::string&)> broken)
    : side_(side),
      client_(side, "w",
              [this](uint64_t token, int status, std::string_view head) {
                done(static_cast<uint32_t>(token), status, head);
              }),
      phones_(pairs),
      broken_(std::move(broken)) {
  for (uint32_t i = 0; i < pairs; ++i) phones_[i].front = fronts[i % fronts.size()];
}

void Phones::subscribe_all() {
  for (uint32_t i = 0; i < phones_.size(); ++i) subscribe(i);
}

void Phones::subscribe(uint32_t pair) {
  Phone& phone = phones_[pair];
  const std::string whom = "sip:" + presence_user('v', pair) + "@" + xmpp_domain(pair);
  const bool is_new = phone.target.empty();
  if (phone.call_id.empty()) phone.call_id = std::to_string(++calls_) + "@phone" + std::to_string(pair);
  phone.under_way = true;
  phone.subscribe_us = 0;
  const std::string lines =
      "From: <sip:" + presence_user('u', pair) + "@" + sip_domain(pair) +
      ">;tag=f\r\nTo: " + (is_new ? "<" + whom + ">" : phone.to) + "\r\nCall-ID: " + phone.call_id +
      "\r\nAccept: application/pidf+xml\r\nExpires: " + std::to_string(kExpires / kSecond) + "\r\n";
  client_.send(pair, is_new ? phone.front : address_of(phone.target), "SUBSCRIBE",
               is_new ? whom : phone.target, ++phone.cseq, lines, {});
}

void Phones::begin_anew(uint32_t pair, const std::string& why) {
  Phone& phone = phones_[pair];
  broken_(pair, why);
  phone.call_id.clear();
  phone.target.clear();
  phone.seen_cseq = 0;
  phone.active = false;
  if (!phone.under_way) phone.subscribe_us = ends::now_us();
}

void Phones::done(uint32_t pair, int status, std::string_view head) {
  Phone& phone = phones_[pair];
  const auto now = ends::now_us();
  phone.under_way = false;
  phone.subscribe_us = now + kAgain;
  if (status / 100 == 2 && value(head, "Call-ID") == phone.call_id) {
    phone.to = value(head, "To");
    phone.target = uri_of(value(head, "Contact"));
    phone.subscribe_us = now + kRefresh;
    phone.expires_us = now + static_cast<int64_t>(number(value(head, "Expires"))) * kSecond;
  } else if (status == 481 && !phone.target.empty()) {
    begin_anew(pair, "his subscription was forgotten");
  } else if (status / 100 == 4) {
    broken_(pair, "SUBSCRIBE was answered " + std::to_string(status));
  }
}

void Phones::notify(std::string_view head, std::string_view body, const sockaddr_in& from) {
  uint32_t pair = 0;
  std::string& out = side_.next(from);
  if (!pair_in(value(head, "To"), pair) || pair >= phones_.size() ||
      value(head, "Call-ID") != phones_[pair].call_id)
    return ends::write_response(head, "481 Subscription does not exist", out);
  Phone& phone = phones_[pair];
  ends::write_response(head, "200 OK", out);
  const auto cseq = static_cast<uint32_t>(number(value(head, "CSeq")));
  if (cseq <= phone.seen_cseq) return;  // a copy, perhaps a late one
  phone.seen_cseq = cseq;
  const std::string state = value(head, "Subscription-State");
  phone.active = state.starts_with("active");
  if (phone.active && !body.empty()) phone.state = state_in(body);
  if (state.starts_with("terminated")) begin_anew(pair, "his subscription ended: " + state);
}

void Phones::turn() {
  client_.turn();
  const auto now = ends::now_us();
  for (uint32_t i = 0; i < phones_.size(); ++i) {
    Phone& phone = phones_[i];
    if (!phone.target.empty() && phone.expires_us < now) begin_anew(i, "no refresh was answered");
    if (!phone.under_way && phone.subscribe_us != 0 && phone.subscribe_us <= now) subscribe(i);
  }
}

bool Phones::sees(uint32_t pair, State state) const {
  return phones_[pair].active && phones_[pair].state == state;
}

std::string Phones::shown(uint32_t pair) const {
  const Phone& phone = phones_[pair];
  return phone.active ? std::to_string(phone.state) : "nothing";
}

}  // namespace stox::chaos
