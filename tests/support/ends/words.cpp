#include "tests/support/ends/words.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <stdexcept>

namespace stox::ends {

int64_t now_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

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

std::string text_of(const sockaddr_in& address) {
  char host[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &address.sin_addr, host, sizeof host);
  return std::string(host) + ":" + std::to_string(ntohs(address.sin_port));
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

}  // namespace stox::ends
