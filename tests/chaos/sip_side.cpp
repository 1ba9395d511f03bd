#include "tests/chaos/sip_side.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/base/hash.h"

namespace stox::chaos {
namespace {

constexpr std::string_view kBranch = "branch=z9hG4bK-";
constexpr uint32_t kDomains = 8;

}  // namespace

Recipient recipient(Way way, uint32_t conversation) {
  const auto number = conversation % 200;
  if (number == 77 || number == 80 || number == 83) return Recipient::kNobody;  // one of each peer
  if (way == Way::kToSip && (number == 78 || number == 85 || number == 91)) return Recipient::kRefuses;
  return Recipient::kThere;
}

Peer peer(uint32_t conversation) {
  const auto number = conversation % 8;
  return number == 3 ? Peer::kProsody : number == 5 ? Peer::kRemote : Peer::kPlayed;
}

std::string xmpp_domain(uint32_t conversation) {
  switch (peer(conversation)) {
    case Peer::kProsody:
      return "users.prosody.test";
    case Peer::kRemote:
      return "d" + std::to_string(conversation / 8 % kRemoteDomains) + ".remote.test";
    case Peer::kPlayed:
      break;
  }
  return "d" + std::to_string(conversation / 8 % kDomains) + ".xmpp.test";
}

std::string sip_domain(uint32_t conversation) {
  constexpr const char* kNames[] = {"sip.test", "sip-prosody.test", "sip-remote.test"};
  return kNames[static_cast<std::size_t>(peer(conversation))];
}

std::string gateway_domain(uint32_t conversation) {
  constexpr const char* kNames[] = {"xmpp-sip.test", "gateway.prosody.test", "gateway.test"};
  return kNames[static_cast<std::size_t>(peer(conversation))];
}

SipSide::SipSide(const sockaddr_in& here, std::vector<sockaddr_in> fronts, uint32_t conversations,
                 Ledger& ledger)
    : here_(ends::text_of(here)),
      fronts_(std::move(fronts)),
      ledger_(ledger),
      socket_(here),
      busy_(conversations) {
  for (uint32_t i = 0; i < conversations; ++i) front_.push_back(static_cast<uint8_t>(i % fronts_.size()));
}

void SipSide::message(uint32_t conversation) {
  const auto number =
      ledger_.sent(Way::kToXmpp, conversation, front_[conversation], static_cast<uint8_t>(peer(conversation)),
                   recipient(Way::kToXmpp, conversation) != Recipient::kThere);
  busy_[conversation] = true;
  ++waiting_;
  write_request(number);
  repeats_.add(number, ends::now_us());
}

void SipSide::write_request(uint64_t number) {
  const Message& m = ledger_.at(number);
  std::string& out = socket_.next(fronts_[m.given_to]);
  const std::string id = std::to_string(number);
  const std::string who = std::to_string(m.conversation);
  const std::string body = ends::body_of(number, 1, 100);
  const std::string uri = "sip:v" + who + "@" + xmpp_domain(m.conversation);
  out += "MESSAGE " + uri + " SIP/2.0\r\nVia: SIP/2.0/UDP " + here_ + ";rport;";
  out += kBranch;
  out += id + "\r\nMax-Forwards: 70\r\nFrom: <sip:u" + who + "@" + sip_domain(m.conversation) + ">;tag=" + id;
  out += "\r\nTo: <" + uri + ">\r\nCall-ID: " + id + "@chaos\r\nCSeq: 1 MESSAGE\r\n";
  out +=
      "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  out += body;
}

void SipSide::done(uint64_t number) {
  busy_[ledger_.at(number).conversation] = false;
  --waiting_;
}

void SipSide::repeat() {
  const auto now = ends::now_us();
  repeats_.take_due(now, [this, now](uint64_t number) {
    if (ledger_.settled(number)) return false;
    if (now - ledger_.at(number).sent_us > kTimerF) {
      ledger_.unanswered(number);
      done(number);
      return false;
    }
    write_request(number);
    return true;
  });
}

void SipSide::read() {
  socket_.read([this](std::string_view bytes, const sockaddr_in& from) {
    for (const Other& other : others_) {
      if (other(bytes, from)) return;
    }
    bytes.starts_with("SIP/2.0 ") ? response(bytes) : request(bytes, from);
  });
}

void SipSide::response(std::string_view bytes) {
  int status = 0;
  std::from_chars(bytes.data() + 8, bytes.data() + bytes.size(), status);
  const auto at = bytes.find(kBranch);
  if (status < 200 || at == std::string_view::npos) return;
  uint64_t number = 0;
  std::from_chars(bytes.data() + at + kBranch.size(), bytes.data() + bytes.size(), number);
  if (!ledger_.known(number) || ledger_.settled(number)) return;
  const auto line_end = bytes.find("\r\n");
  ledger_.answered(number, status, bytes.substr(12, line_end - 12));
  const Message& m = ledger_.at(number);
  if (status == 503) front_[m.conversation] = static_cast<uint8_t>((m.given_to + 1u) % fronts_.size());
  done(number);
}

void SipSide::request(std::string_view bytes, const sockaddr_in& from) {
  const auto end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return;
  const auto head = bytes.substr(0, end + 2);
  uint64_t number = 0;
  const bool ours = ends::number_in(bytes.substr(end + 4), 1, number) && ledger_.known(number);
  const auto who = ours ? recipient(Way::kToSip, ledger_.at(number).conversation) : Recipient::kRefuses;
  if (who == Recipient::kNobody) return;
  if (ours && who == Recipient::kThere) {
    const auto front = std::find_if(fronts_.begin(), fronts_.end(), [&](const sockaddr_in& f) {
      return f.sin_addr.s_addr == from.sin_addr.s_addr && f.sin_port == from.sin_port;
    });
    auto branch = head.substr(head.find("branch="));
    branch = branch.substr(0, branch.find_first_of(";,\r"));
    ledger_.arrived(number, static_cast<uint8_t>(front - fronts_.begin()), hash64(branch), branch);
  }
  ends::write_response(head, who == Recipient::kThere ? "200 OK" : "486 Busy Here", socket_.next(from));
}

}  // namespace stox::chaos
