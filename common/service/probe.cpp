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
#include <optional>

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

Result<Probe> Probe::connect(const std::string& host, uint16_t port, bool udp) {
  const auto list = find(host, port, udp, 0);
  if (!list) return tl::make_unexpected(list.error());
  const auto until = Clock::now() + kProbeTime;
  std::string why;
  for (const addrinfo* one = list->get(); one != nullptr; one = one->ai_next) {
    const std::string peer = text_of(one->ai_addr, one->ai_addrlen, true);
    if (const auto descriptor = connected(*one, until))
      return Probe(*descriptor, peer);
    else
      why += fmt::format("{}{}: {}", why.empty() ? "" : ", ", peer, descriptor.error().text);
  }
  return error(why);
}

Probe::~Probe() {
  if (descriptor_ >= 0) close(descriptor_);
}

Result<void> Probe::send(std::string_view bytes) {
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
  std::string out;
  std::array<char, 8192> part{};
  while (out.find(end) == std::string::npos && out.size() < 100'000) {
    pollfd one{descriptor_, POLLIN, 0};
    if (poll(&one, 1, left_ms(until)) != 1) break;
    const ssize_t n = recv(descriptor_, part.data(), part.size(), 0);
    if (n <= 0) break;
    out.append(part.data(), static_cast<std::size_t>(n));
  }
  return out;
}

std::string Probe::own_address() const {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  getsockname(descriptor_, reinterpret_cast<sockaddr*>(&own), &size);
  return text_of(reinterpret_cast<const sockaddr*>(&own), size, true);
}

Result<std::vector<std::string>> look_up(const std::string& host) {
  const auto list = find(host, 0, false, 0);
  if (!list) return tl::make_unexpected(list.error());
  std::vector<std::string> out;
  for (const addrinfo* one = list->get(); one != nullptr; one = one->ai_next)
    out.push_back(text_of(one->ai_addr, one->ai_addrlen, false));
  return out;
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
