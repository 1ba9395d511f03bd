// What both ends of a load write and read: addresses of sockets, and bodies that carry their message's
// number.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace stox::ends {

struct Names {
  std::string gateway_domain, component, sip_domain, xmpp_domain;
};

int64_t now_us();  // monotonic

sockaddr_in parse_address(const std::string& host_port);  // throws std::runtime_error
std::string text_of(const sockaddr_in&);                  // host:port

// "17 of 1 xxxx": what a body carries, and the number in it.
std::string body_of(uint64_t number, uint64_t run, std::size_t bytes);
// False when there is none, or of another run.
bool number_in(std::string_view body, uint64_t run, uint64_t& number);

}  // namespace stox::ends
