// A UDP socket that reads and writes many datagrams with one call, and the little SIP that an end needs.
#pragma once

#include <netinet/in.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace stox::ends {

class Datagrams {
 public:
  // Throws std::runtime_error when the address cannot be bound.
  explicit Datagrams(const sockaddr_in& here);
  ~Datagrams();
  Datagrams(const Datagrams&) = delete;
  Datagrams& operator=(const Datagrams&) = delete;

  int descriptor() const { return socket_; }
  // All that has come; the bytes live during the call.
  void read(const std::function<void(std::string_view, const sockaddr_in& from)>& take);
  // An empty datagram to be filled, which leaves at the next flush.
  std::string& next(const sockaddr_in& to);
  void flush();

 private:
  struct Out {
    std::string bytes;
    sockaddr_in to{};
  };
  int socket_;
  std::vector<Out> out_;
  std::size_t queued_ = 0;
};

// Writes a response to `request` (its bytes up to the empty line); `status` as "200 OK".
void write_response(std::string_view request_head, std::string_view status, std::string& out);

}  // namespace stox::ends
