#include "tests/support/ends/datagrams.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "tests/support/ends/words.h"

namespace stox::ends {
namespace {

constexpr std::size_t kBatch = 64;

// The values of all headers of this name, as lines, appended.
void copy_headers(std::string_view head, std::string_view name, std::string& out) {
  for (auto at = head.find(name); at != std::string_view::npos; at = head.find(name, at + 1)) {
    out += head.substr(at + 2, head.find("\r\n", at + 2) - at);
  }
}

}  // namespace

Datagrams::Datagrams(const sockaddr_in& here)
    : socket_(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
  const int wanted = 8 << 20;
  setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
  setsockopt(socket_, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
  if (bind(socket_, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0)
    throw std::runtime_error("cannot bind udp " + text_of(here));
}

Datagrams::~Datagrams() { close(socket_); }

void Datagrams::read(const std::function<void(std::string_view, const sockaddr_in&)>& take) {
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
    for (int i = 0; i < count; ++i) take({buffers[i], messages[i].msg_len}, from[i]);
  }
}

std::string& Datagrams::next(const sockaddr_in& to) {
  if (queued_ == out_.size()) out_.emplace_back();
  auto& out = out_[queued_++];
  out.to = to;
  out.bytes.clear();
  return out.bytes;
}

void Datagrams::flush() {
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

void write_response(std::string_view head, std::string_view status, std::string& out) {
  out.append("SIP/2.0 ").append(status).append("\r\n");
  for (const auto name : {"\r\nVia:", "\r\nFrom:", "\r\nCall-ID:", "\r\nCSeq:", "\r\nTo:"})
    copy_headers(head, name, out);
  if (out.find(";tag=", out.rfind("\r\nTo:")) == std::string::npos) out.insert(out.size() - 2, ";tag=end");
  out += "Content-Length: 0\r\n\r\n";
}

}  // namespace stox::ends
