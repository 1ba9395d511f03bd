#include "common/service/probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "common/base/sip_uri.h"

namespace stox::service {
namespace {

using Clock = std::chrono::steady_clock;

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> find(const std::string& host, uint16_t port, bool udp, int flags) {
  addrinfo hints{};
  hints.ai_socktype = udp ? SOCK_DGRAM : SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int failure = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (failure != 0) return error(fmt::format("{}: {}", host, gai_strerror(failure)));
  return Addresses(list);
}

std::string text_of(const sockaddr* address, socklen_t size, bool with_port) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  getnameinfo(address, size, host.data(), host.size(), port.data(), port.size(),
              NI_NUMERICHOST | NI_NUMERICSERV);
  const std::string text = host.data();
  if (!with_port) return text;
  return fmt::format("{}:{}", text.find(':') == std::string::npos ? text : "[" + text + "]", port.data());
}

int left_ms(Clock::time_point until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  return static_cast<int>(std::max<int64_t>(0, left));
}

// A socket that is connected when this returns, or why not.
Result<int> connected(const addrinfo& to, Clock::time_point until) {
  const int descriptor = socket(to.ai_family, to.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return error(std::strerror(errno));
  int failure = ::connect(descriptor, to.ai_addr, to.ai_addrlen) == 0 ? 0 : errno;
  if (failure == EINPROGRESS) {
    pollfd one{descriptor, POLLOUT, 0};
    socklen_t size = sizeof failure;
    if (poll(&one, 1, left_ms(until)) != 1) {
      failure = ETIMEDOUT;
    } else {
      getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &size);
    }
  }
  if (failure == 0) return descriptor;
  close(descriptor);
  return error(std::strerror(failure));
}

}  // namespace

Result<Probe> Probe::connect(const std::string& address, uint16_t port, bool udp) {
  const auto list = find(address, port, udp, AI_NUMERICHOST);
  if (!list) return tl::make_unexpected(list.error());
  const addrinfo& to = **list;
  const std::string peer = text_of(to.ai_addr, to.ai_addrlen, true);
  const auto descriptor = connected(to, Clock::now() + kProbeTime);
  if (!descriptor) return error(peer + ": " + descriptor.error().text);
  return Probe(*descriptor, peer);
}

Probe::~Probe() {
  if (descriptor_ >= 0) close(descriptor_);
}

Result<net::PeerCertificate> Probe::start_tls(const TlsConfig& files, const std::string& server_name) {
  const auto context = net::TlsContext::create({files.certificate, files.key, files.ca});
  if (!context) return tl::make_unexpected(context.error());
  net::TlsSession session(*context, {net::TlsOptions::Role::kClient, server_name, ""});
  std::string wire;
  Result<void> step = session.start(wire);
  const auto until = Clock::now() + kProbeTime;
  while (step && !session.is_established()) {
    if (auto sent = write(std::exchange(wire, {})); !sent) return tl::make_unexpected(sent.error());
    const std::string came = read(until);
    if (came.empty()) return error("does not answer to TLS");
    step = session.received(came, early_, wire);
  }
  if (!step) return tl::make_unexpected(step.error());
  if (auto sent = write(wire); !sent) return tl::make_unexpected(sent.error());
  tls_ = std::move(session);
  return tls_->take_peer();
}

Result<void> Probe::send(std::string_view bytes) {
  if (!tls_) return write(bytes);
  std::string wire;
  tls_->send(bytes, wire);
  return write(wire);
}

Result<void> Probe::write(std::string_view bytes) {
  const auto until = Clock::now() + kProbeTime;
  while (!bytes.empty()) {
    const ssize_t n = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    pollfd one{descriptor_, POLLOUT, 0};
    if (errno != EAGAIN || poll(&one, 1, left_ms(until)) != 1)
      return error(fmt::format("{}: {}", peer_, std::strerror(errno)));
  }
  return {};
}

std::string Probe::receive(std::string_view end) {
  const auto until = Clock::now() + kProbeTime;
  std::string out = std::exchange(early_, {}), wire;
  while (out.find(end) == std::string::npos && out.size() < 100'000) {
    const std::string came = read(until);
    if (came.empty()) break;
    if (!tls_) {
      out += came;
    } else if (!tls_->received(came, out, wire)) {
      break;
    }
  }
  return out;
}

std::string Probe::read(Clock::time_point until) {
  std::array<char, 8192> part{};
  pollfd one{descriptor_, POLLIN, 0};
  if (poll(&one, 1, left_ms(until)) != 1) return {};
  const ssize_t n = recv(descriptor_, part.data(), part.size(), 0);
  return {part.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
}

std::string Probe::own_address() const {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  getsockname(descriptor_, reinterpret_cast<sockaddr*>(&own), &size);
  return text_of(reinterpret_cast<const sockaddr*>(&own), size, true);
}

Result<void> try_bind(const std::string& address, uint16_t port, bool udp) {
  const auto list = find(address, port, udp, AI_NUMERICHOST | AI_PASSIVE);
  if (!list) return tl::make_unexpected(list.error());
  const addrinfo& to = **list;
  const int descriptor = socket(to.ai_family, to.ai_socktype | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return error(std::strerror(errno));
  const int on = 1;
  // As the listener does it: connections that have just ended are in nobody's way.
  if (!udp) setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const bool bound =
      ::bind(descriptor, to.ai_addr, to.ai_addrlen) == 0 && (udp || listen(descriptor, 1) == 0);
  const int failure = errno;
  close(descriptor);
  if (bound) return {};
  return error(
      fmt::format("{} {}: {}", udp ? "udp" : "tcp", host_port(address, port), std::strerror(failure)));
}

}  // namespace stox::service
