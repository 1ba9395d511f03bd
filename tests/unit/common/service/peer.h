// A client's end of a socket, for tests: what it reads, the loop under test has written meanwhile.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "common/net/loop.h"

namespace stox::service {

class Peer {
 public:
  // Takes the connected descriptor.
  Peer(net::Loop& loop, int descriptor) : loop_(loop), descriptor_(descriptor) {}
  ~Peer() { close(descriptor_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // False when the other end takes nothing more.
  bool write(std::string_view text) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!text.empty() && std::chrono::steady_clock::now() < deadline) {
      const ssize_t n = send(descriptor_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN) return false;
      if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
      turn();
    }
    return text.empty();
  }

  // Up to and with `end`, or all until the other end closes.
  std::string read(std::string_view end) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline) {
      if (const auto at = came_.find(end); !end.empty() && at != std::string::npos) {
        const std::string out = came_.substr(0, at + end.size());
        came_.erase(0, out.size());
        return out;
      }
      std::array<char, 4096> part{};
      const ssize_t n = recv(descriptor_, part.data(), part.size(), MSG_DONTWAIT);
      if (n == 0 || (n < 0 && errno != EAGAIN)) {
        closed_ = true;
        return std::exchange(came_, "");
      }
      if (n > 0) came_.append(part.data(), static_cast<std::size_t>(n));
      turn();
    }
    return came_ + " (and nothing more came)";
  }
  std::string read_line() { return read("\n"); }
  bool closed() const { return closed_; }

  void turn() {
    loop_.io().restart();
    loop_.io().run_for(std::chrono::milliseconds(1));
  }

 private:
  net::Loop& loop_;
  int descriptor_;
  std::string came_;
  bool closed_ = false;
};

}  // namespace stox::service
