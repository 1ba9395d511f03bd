#include "common/net/listener.h"

#include <asio/ip/v6_only.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

namespace stox::net {
namespace {

using asio::ip::tcp;

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
  return failure;
}

}  // namespace

Listener::Listener(Loop& loop, tcp::acceptor acceptor, Accepted accepted)
    : acceptor_(
          loop, std::move(acceptor),
          [accepted](tcp::socket socket) {
            asio::error_code failure;
            const tcp::endpoint peer = socket.remote_endpoint(failure);  // it may have gone already
            if (!failure) accepted(socket.release(), {text_of(peer.address()), peer.port()});
          },
          [accepted] { accepted(-1, {}); }) {}

tl::expected<std::unique_ptr<Listener>, int> Listener::create(Loop& loop, const Address& address,
                                                              Options options, Accepted accepted) {
  asio::error_code failure;
  const auto ip = asio::ip::make_address(address.ip, failure);
  if (failure) return tl::make_unexpected(EINVAL);
  tcp::acceptor acceptor(loop.io());
  failure = open(acceptor, {ip, address.port}, options);
  if (failure) return tl::make_unexpected(failure.value());
  return std::unique_ptr<Listener>(new Listener(loop, std::move(acceptor), std::move(accepted)));
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
