#include "common/net/listener.h"

#include <asio/ip/tcp.hpp>
#include <asio/ip/v6_only.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

namespace stox::net {
namespace {

using asio::ip::tcp;

constexpr int kAtOnce = 64;                                             // per wakeup
constexpr Duration kOutOfDescriptors = std::chrono::milliseconds(100);  // until the next try

std::string text_of(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  return address.to_string();
}

asio::error_code open(tcp::acceptor& acceptor, const tcp::endpoint& at, const Listener::Options& options) {
  using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
  const bool takes_ipv4 = options.takes_ipv4 && at.address().is_unspecified();
  asio::error_code failure, ignored;
  acceptor.open(at.protocol(), failure);
  if (!failure) acceptor.set_option(tcp::acceptor::reuse_address(true), ignored);
  if (!failure && options.with_others) acceptor.set_option(ReusePort(true), ignored);
  if (!failure && at.address().is_v6()) acceptor.set_option(asio::ip::v6_only(!takes_ipv4), failure);
  if (!failure) acceptor.bind(at, failure);
  if (!failure) acceptor.listen(tcp::acceptor::max_listen_connections, failure);
  if (!failure) acceptor.non_blocking(true, failure);
  return failure;
}

}  // namespace

struct Listener::Acceptor {
  using Shared = std::shared_ptr<Acceptor>;
  Acceptor(Loop& loop, Accepted then) : socket(loop.io()), again(loop.io()), accepted(std::move(then)) {}

  static void wait(const Shared& a) {
    a->socket.async_wait(tcp::acceptor::wait_read, [a](const asio::error_code&) {
      if (!a->closed) accept(a);
    });
  }
  static void accept(const Shared& a) {
    for (int i = 0; i < kAtOnce && !a->closed; ++i) {
      asio::error_code failure;
      tcp::endpoint peer;
      tcp::socket socket(a->socket.get_executor());
      a->socket.accept(socket, peer, failure);
      if (failure == asio::error::would_block || failure == asio::error::try_again) break;
      if (failure == asio::error::no_descriptors || failure == asio::error::no_buffer_space)
        return wait_for_descriptors(a);
      if (failure) continue;
      a->is_short = false;
      a->accepted(socket.release(failure), {text_of(peer.address()), peer.port()});
    }
    if (!a->closed) wait(a);
  }
  // The connection stays in the kernel's queue and would wake us at once.
  static void wait_for_descriptors(const Shared& a) {
    if (!std::exchange(a->is_short, true)) a->accepted(-1, {});
    if (a->closed) return;
    a->again.expires_after(kOutOfDescriptors);
    a->again.async_wait([a](const asio::error_code&) {
      if (!a->closed) accept(a);
    });
  }

  tcp::acceptor socket;
  asio::steady_timer again;
  Accepted accepted;
  bool closed = false;
  bool is_short = false;  // of descriptors, and has said so
};

Listener::Listener(std::shared_ptr<Acceptor> acceptor) : acceptor_(std::move(acceptor)) {}

Listener::~Listener() {
  acceptor_->closed = true;
  asio::error_code ignored;
  acceptor_->socket.close(ignored);
  acceptor_->again.cancel();
}

tl::expected<std::unique_ptr<Listener>, int> Listener::create(Loop& loop, const Address& address,
                                                              Options options, Accepted accepted) {
  asio::error_code failure;
  const auto ip = asio::ip::make_address(address.ip, failure);
  if (failure) return tl::make_unexpected(EINVAL);
  auto acceptor = std::make_shared<Acceptor>(loop, std::move(accepted));
  failure = open(acceptor->socket, {ip, address.port}, options);
  if (failure) return tl::make_unexpected(failure.value());
  Acceptor::wait(acceptor);
  return std::unique_ptr<Listener>(new Listener(std::move(acceptor)));
}

uint16_t Listener::port() const {
  asio::error_code ignored;
  return acceptor_->socket.local_endpoint(ignored).port();
}

std::string describe_listen_failure(std::string_view name, int error_number, const ListenKeys& keys) {
  std::string text = "cannot listen on ";
  text.append(name).append(": ").append(std::strerror(error_number));
  switch (error_number) {
    case EADDRINUSE:
      text.append("; another program has this port").append(keys.suspect);
      return text.append(": stop it, or change ").append(keys.port);
    case EADDRNOTAVAIL:
      return text.append("; no interface of this machine has this address: correct ").append(keys.address);
    case EACCES:
      text.append("; ports below 1024 need the capability CAP_NET_BIND_SERVICE: grant it, or change ");
      return text.append(keys.port);
    case EINVAL:
      return text.append("; write an IPv4 or IPv6 address: correct ").append(keys.address);
    default:
      return text.append("; correct ").append(keys.address);
  }
}

}  // namespace stox::net
