#include "tests/bench/sip_end.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/base/hash.h"

namespace stox::bench {
namespace {

constexpr std::string_view kBranch = "branch=z9hG4bK-";

}  // namespace

SipEnd::SipEnd(Names names, const sockaddr_in& here, const sockaddr_in& front, std::size_t body_bytes)
    : names_(std::move(names)),
      here_(ends::text_of(here)),
      front_(front),
      body_bytes_(body_bytes),
      socket_(here) {}

void SipEnd::begin(Tally* tally) {
  tally_ = tally;
  if (tally) ++run_;
  repeats_.clear();
}

void SipEnd::write_request(uint64_t number, std::string& out) const {
  const std::string id = std::to_string(run_) + "-" + std::to_string(number);
  const std::string pair = std::to_string(tally_->pair_of(number));
  const std::string body = ends::body_of(number, run_, body_bytes_);
  const std::string uri = "sip:v" + pair + "*" + names_.xmpp_domain + "@" + names_.gateway_domain;
  out += "MESSAGE " + uri + " SIP/2.0\r\nVia: SIP/2.0/UDP " + here_ + ";rport;";
  out += kBranch;
  out += id + "\r\nMax-Forwards: 70\r\nFrom: <sip:u" + pair + "@" + names_.sip_domain + ">;tag=" + id;
  out += "\r\nTo: <" + uri + ">\r\nCall-ID: " + id + "@" + here_ + "\r\nCSeq: 1 MESSAGE\r\n";
  out +=
      "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  out += body;
}

void SipEnd::message(uint64_t number) {
  write_request(number, socket_.next(front_));
  repeats_.add(number, ends::now_us());
}

void SipEnd::repeat() {
  repeats_.take_due(ends::now_us(), [this](uint64_t number) {
    if (tally_->is_ended(number)) return false;
    write_request(number, socket_.next(front_));
    return true;
  });
}

void SipEnd::read() {
  socket_.read([this](std::string_view bytes, const sockaddr_in& from) {
    if (!tally_) return;
    bytes.starts_with("SIP/2.0 ") ? response(bytes) : request(bytes, from);
  });
}

void SipEnd::response(std::string_view bytes) {
  int status = 0;
  std::from_chars(bytes.data() + 8, bytes.data() + bytes.size(), status);
  auto at = bytes.find(kBranch);
  if (status < 200) return;
  if (at == std::string_view::npos) return tally_->came_unasked();
  at += kBranch.size();
  uint64_t run = 0, number = 0;
  const char* end = bytes.data() + bytes.size();
  const auto parsed = std::from_chars(bytes.data() + at, end, run);
  if (run != run_ || parsed.ptr == end) return;
  std::from_chars(parsed.ptr + 1, end, number);
  tally_->answered(number, status);
}

void SipEnd::request(std::string_view bytes, const sockaddr_in& from) {
  const auto end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return tally_->came_unasked();
  const auto head = bytes.substr(0, end + 2);
  ends::write_response(head, "200 OK", socket_.next(from));
  const auto branch = head.find("branch=");
  uint64_t number = 0;
  if (ends::number_in(bytes.substr(end + 4), run_, number))
    tally_->arrived(number, hash64(head.substr(branch, head.find_first_of(";,\r", branch) - branch)));
}

}  // namespace stox::bench
