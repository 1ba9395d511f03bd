#include "xmpp_worker/xmpp/stream/listener.h"

#include <asio/ip/tcp.hpp>
#include <asio/ip/v6_only.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>

#include "common/base/sip_uri.h"

namespace stox::xmpp {
namespace {

using asio::ip::tcp;

constexpr int kAtOnce = 64;                                             // per wakeup
constexpr Duration kOutOfDescriptors = std::chrono::milliseconds(100);  // until the next try

// The address as IPv4 if that is what it is.
std::string text_of(asio::ip::address address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  return address.to_string();
}

}  // namespace

struct Listener::Acceptor {
  Acceptor(net::Loop& loop, Accepted then) : socket(loop.io()), again(loop.io()), accepted(std::move(then)) {}
  tcp::acceptor socket;
  asio::steady_timer again;
  Accepted accepted;
  bool closed = false;
};

Listener::Listener(std::shared_ptr<Acceptor> acceptor) : acceptor_(std::move(acceptor)) {}

Listener::~Listener() {
  acceptor_->closed = true;
  asio::error_code ignored;
  acceptor_->socket.close(ignored);
  acceptor_->again.cancel();
}

Result<std::unique_ptr<Listener>> Listener::create(net::Loop& loop, const std::string& address, uint16_t port,
                                                   Accepted accepted) {
  asio::error_code failure;
  const auto ip = asio::ip::make_address(address, failure);
  if (failure) return error(address + " is no address to listen at; write an IPv4 or IPv6 address");
  auto acceptor = std::make_shared<Acceptor>(loop, std::move(accepted));
  const tcp::endpoint at(ip, port);
  using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
  asio::error_code ignored;
  acceptor->socket.open(at.protocol(), failure);
  if (!failure) acceptor->socket.set_option(tcp::acceptor::reuse_address(true), ignored);
  if (!failure) acceptor->socket.set_option(ReusePort(true), ignored);
  if (!failure && ip.is_v6()) acceptor->socket.set_option(asio::ip::v6_only(!ip.is_unspecified()), ignored);
  if (!failure) acceptor->socket.bind(at, failure);
  if (!failure) acceptor->socket.listen(tcp::acceptor::max_listen_connections, failure);
  if (!failure) acceptor->socket.non_blocking(true, failure);
  if (failure) {
    std::string text = "cannot listen at " + host_port(address, port) + ": " + failure.message();
    if (failure.value() == EADDRINUSE)
      text += "; another program has this port: stop it, or change xmpp_port";
    if (failure.value() == EADDRNOTAVAIL)
      text += "; no interface of this machine has this address: correct xmpp_host";
    return error(std::move(text));
  }
  wait(acceptor);
  return std::unique_ptr<Listener>(new Listener(std::move(acceptor)));
}

void Listener::wait(const std::shared_ptr<Acceptor>& acceptor) {
  acceptor->socket.async_wait(tcp::acceptor::wait_read, [acceptor](const asio::error_code&) {
    if (!acceptor->closed) accept(acceptor);
  });
}

void Listener::accept(const std::shared_ptr<Acceptor>& acceptor) {
  for (int i = 0; i < kAtOnce && !acceptor->closed; ++i) {
    asio::error_code failure;
    tcp::endpoint peer;
    tcp::socket socket(acceptor->socket.get_executor());
    acceptor->socket.accept(socket, peer, failure);
    if (failure == asio::error::would_block || failure == asio::error::try_again) break;
    if (failure == asio::error::no_descriptors || failure == asio::error::no_buffer_space) {
      // The connection stays in the kernel's queue and would wake us at once.
      acceptor->again.expires_after(kOutOfDescriptors);
      return acceptor->again.async_wait([acceptor](const asio::error_code&) {
        if (!acceptor->closed) wait(acceptor);
      });
    }
    if (failure) continue;
    acceptor->accepted(socket.release(failure), text_of(peer.address()), peer.port());
  }
  if (!acceptor->closed) wait(acceptor);
}

}  // namespace stox::xmpp
