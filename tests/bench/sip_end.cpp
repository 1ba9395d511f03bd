#include "tests/bench/sip_end.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <stdexcept>
#include <utility>

#include "common/base/hash.h"

namespace stox::bench {
namespace {

constexpr std::size_t kBatch = 64;
constexpr std::string_view kBranch = "branch=z9hG4bK-";

std::string text_of(const sockaddr_in& address) {
  char host[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &address.sin_addr, host, sizeof host);
  return std::string(host) + ":" + std::to_string(ntohs(address.sin_port));
}

// The values of all headers of this name, as lines, appended.
void copy_headers(std::string_view head, std::string_view name, std::string& out) {
  for (auto at = head.find(name); at != std::string_view::npos; at = head.find(name, at + 1)) {
    out += head.substr(at + 2, head.find("\r\n", at + 2) - at);
  }
}

}  // namespace

sockaddr_in parse_address(const std::string& host_port) {
  const auto colon = host_port.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (colon == std::string::npos ||
      inet_pton(AF_INET, host_port.substr(0, colon).c_str(), &address.sin_addr) != 1)
    throw std::runtime_error("not an ADDRESS:PORT: " + host_port);
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(host_port.substr(colon + 1))));
  return address;
}

std::string body_of(uint64_t number, uint64_t run, std::size_t bytes) {
  std::string body = std::to_string(number) + " of " + std::to_string(run) + ' ';
  body.resize(std::max(bytes, body.size()), 'x');
  return body;
}

bool number_in(std::string_view body, uint64_t run, uint64_t& number) {
  const char* end = body.data() + body.size();
  auto parsed = std::from_chars(body.data(), end, number);
  uint64_t of_run = 0;
  if (parsed.ec != std::errc() || std::string_view(parsed.ptr, end).substr(0, 4) != " of ") return false;
  parsed = std::from_chars(parsed.ptr + 4, end, of_run);
  return parsed.ec == std::errc() && of_run == run;
}

SipEnd::SipEnd(Names names, const sockaddr_in& here, const sockaddr_in& front, std::size_t body_bytes)
    : names_(std::move(names)),
      here_(text_of(here)),
      front_(front),
      body_bytes_(body_bytes),
      socket_(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
  const int wanted = 8 << 20;
  setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
  setsockopt(socket_, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
  if (bind(socket_, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0)
    throw std::runtime_error("cannot bind udp " + here_);
}

void SipEnd::begin(Tally* tally) {
  tally_ = tally;
  if (tally) ++run_;
  for (auto& queue : repeats_) queue.clear();
}

std::string& SipEnd::next_out(const sockaddr_in& to) {
  if (queued_ == out_.size()) out_.emplace_back();
  auto& out = out_[queued_++];
  out.to = to;
  out.bytes.clear();
  return out.bytes;
}

void SipEnd::write_request(uint64_t number, std::string& out) const {
  const std::string id = std::to_string(run_) + "-" + std::to_string(number);
  const std::string pair = std::to_string(tally_->pair_of(number));
  const std::string body = body_of(number, run_, body_bytes_);
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
  write_request(number, next_out(front_));
  repeats_[0].push_back({now_us() + kWaits[0], number});
}

void SipEnd::repeat() {
  const auto now = now_us();
  for (std::size_t wait = 0; wait < std::size(kWaits); ++wait) {
    auto& queue = repeats_[wait];
    const auto next = std::min(wait + 1, std::size(kWaits) - 1);
    for (auto left = queue.size(); left > 0 && queue.front().at_us <= now; --left) {
      const auto number = queue.front().number;
      queue.pop_front();
      if (tally_->is_ended(number)) continue;
      write_request(number, next_out(front_));
      repeats_[next].push_back({now + kWaits[next], number});
    }
  }
}

void SipEnd::read() {
  static char buffers[kBatch][4096];
  mmsghdr messages[kBatch]{};
  iovec parts[kBatch];
  sockaddr_in from[kBatch];
  for (;;) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      parts[i] = {buffers[i], sizeof buffers[i]};
      messages[i].msg_hdr = {&from[i], sizeof from[i], &parts[i], 1, nullptr, 0, 0};
    }
    const int count = recvmmsg(socket_, messages, kBatch, 0, nullptr);
    if (count <= 0) return;
    for (int i = 0; i < count; ++i) {
      const std::string_view bytes(buffers[i], messages[i].msg_len);
      if (!tally_) continue;
      if (bytes.starts_with("SIP/2.0 ")) {
        response(bytes);
      } else {
        request(bytes, from[i]);
      }
    }
  }
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
  auto& out = next_out(from);
  out += "SIP/2.0 200 OK\r\n";
  for (const auto name : {"\r\nVia:", "\r\nFrom:", "\r\nCall-ID:", "\r\nCSeq:", "\r\nTo:"})
    copy_headers(head, name, out);
  out.insert(out.size() - 2, ";tag=bench");
  out += "Content-Length: 0\r\n\r\n";
  const auto branch = head.find("branch=");
  uint64_t number = 0;
  if (number_in(bytes.substr(end + 4), run_, number))
    tally_->arrived(number, hash64(head.substr(branch, head.find_first_of(";,\r", branch) - branch)));
}

void SipEnd::flush() {
  mmsghdr messages[kBatch]{};
  iovec parts[kBatch];
  std::size_t done = 0;
  while (done < queued_) {
    const auto count = std::min(kBatch, queued_ - done);
    for (std::size_t i = 0; i < count; ++i) {
      auto& out = out_[done + i];
      parts[i] = {out.bytes.data(), out.bytes.size()};
      messages[i].msg_hdr = {&out.to, sizeof out.to, &parts[i], 1, nullptr, 0, 0};
    }
    const int sent = sendmmsg(socket_, messages, static_cast<unsigned>(count), 0);
    if (sent <= 0) break;  // the rest is lost, as datagrams may be
    done += static_cast<std::size_t>(sent);
  }
  queued_ = 0;
}

}  // namespace stox::bench
