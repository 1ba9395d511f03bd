// Endpoint <-> sockaddr, for the transports.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "sip_front/sip/message/flow.h"

namespace stox::sip {

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;

  SocketAddress() : v6{} {}
  explicit SocketAddress(const Endpoint& endpoint) : v6{} {
    if (endpoint.v6) {
      v6.sin6_family = AF_INET6;
      v6.sin6_port = htons(endpoint.port);
      std::memcpy(&v6.sin6_addr, endpoint.ip.data(), 16);
      v6.sin6_scope_id = endpoint.scope;
    } else {
      v4.sin_family = AF_INET;
      v4.sin_port = htons(endpoint.port);
      std::memcpy(&v4.sin_addr, endpoint.ip.data(), 4);
    }
  }
  socklen_t size() const { return any.sa_family == AF_INET6 ? sizeof v6 : sizeof v4; }
  Endpoint endpoint() const {
    Endpoint out;
    out.v6 = any.sa_family == AF_INET6;
    out.port = ntohs(out.v6 ? v6.sin6_port : v4.sin_port);
    if (out.v6) {
      std::memcpy(out.ip.data(), &v6.sin6_addr, 16);
      out.scope = v6.sin6_scope_id;
    } else {
      std::memcpy(out.ip.data(), &v4.sin_addr, 4);
    }
    return out;
  }
};

}  // namespace stox::sip
