// stox-chaos-relay: carries TCP connections, each way late by a time that standard input sets. Arguments are
// LISTEN=CONNECT pairs of ADDRESS:PORT; lines "delay NUMBER MILLISECONDS" set one pair's delay, "reset
// NUMBER" closes its connections. Order is kept: nothing overtakes what came before it. A connection that
// ends is told: "closed NUMBER BYTES BYTES", as many as came from who had made it and from the other end.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <iostream>
#include <list>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/ends/words.h"

namespace stox::chaos {
namespace {

constexpr std::size_t kMostWaiting = 1 << 20;  // then the sender has to wait

struct Pair {
  int listener = -1;
  sockaddr_in to{};
  int64_t delay_us = 0;
};

struct Way {  // from one socket to the other
  std::deque<std::pair<int64_t, std::string>> waiting;
  std::size_t bytes = 0;
  bool ended = false;  // nothing more comes; what waits still goes
};

struct Connection {
  std::size_t pair = 0;
  int sockets[2] = {-1, -1};  // of the one who connected, of the one connected to
  Way ways[2];                // from sockets[i]
  uint64_t came[2] = {0, 0};
};

int listen_on(const sockaddr_in& here) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 || listen(listener, 16) != 0)
    throw std::runtime_error("cannot listen on " + ends::text_of(here));
  return listener;
}

class Relay {
 public:
  explicit Relay(const std::vector<std::string>& pairs) {
    for (const auto& text : pairs) {
      const auto equals = text.find('=');
      pairs_.push_back({listen_on(ends::parse_address(text.substr(0, equals))),
                        ends::parse_address(text.substr(equals + 1)), 0});
    }
  }

  bool turn() {
    std::vector<pollfd> polled{{STDIN_FILENO, POLLIN, 0}};
    for (const Pair& pair : pairs_) polled.push_back({pair.listener, POLLIN, 0});
    int64_t next = ends::now_us() + 1'000'000;
    for (const Connection& c : connections_) {
      for (int i = 0; i < 2; ++i) {
        const Way &in = c.ways[i], &out = c.ways[1 - i];
        short events = !in.ended && in.bytes < kMostWaiting ? POLLIN : 0;
        if (!out.waiting.empty() && out.waiting.front().first <= ends::now_us()) events |= POLLOUT;
        if (!out.waiting.empty()) next = std::min(next, out.waiting.front().first);
        polled.push_back({events ? c.sockets[i] : -1, events, 0});
      }
    }
    const auto wait = std::max<int64_t>(next - ends::now_us(), 0);
    poll(polled.data(), polled.size(), static_cast<int>((wait + 999) / 1000));
    auto at = polled.begin() + 1 + static_cast<std::ptrdiff_t>(pairs_.size());
    for (auto c = connections_.begin(); c != connections_.end();) {
      bool alive = true;
      for (int i = 0; i < 2; ++i, ++at) alive = alive && (!at->revents || read(*c, i));
      for (int i = 0; i < 2; ++i) alive = alive && write(*c, i);
      if (alive) {
        ++c;
      } else {
        close_both(*c);
        c = connections_.erase(c);
      }
    }
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      if (polled[1 + i].revents) accept(i);
    }
    return !polled[0].revents || command();
  }

 private:
  void accept(std::size_t pair) {
    const int from = accept4(pairs_[pair].listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (from < 0) return;
    const int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connect(to, reinterpret_cast<const sockaddr*>(&pairs_[pair].to), sizeof(sockaddr_in)) != 0 &&
        errno != EINPROGRESS) {
      close(from);
      close(to);
      return;
    }
    connections_.push_back({pair, {from, to}, {}, {}});
  }

  bool read(Connection& c, int i) {
    Way& way = c.ways[i];
    if (way.ended || way.bytes >= kMostWaiting) return true;
    static char buffer[65536];
    const auto count = recv(c.sockets[i], buffer, sizeof buffer, MSG_DONTWAIT);
    if (count < 0) return errno == EAGAIN;
    way.ended = count == 0;
    if (way.ended) return true;
    c.came[i] += static_cast<uint64_t>(count);
    const auto due = ends::now_us() + pairs_[c.pair].delay_us;
    way.waiting.emplace_back(way.waiting.empty() ? due : std::max(due, way.waiting.back().first),
                             std::string(buffer, static_cast<std::size_t>(count)));
    way.bytes += static_cast<std::size_t>(count);
    return true;
  }

  // What came from sockets[i] and is due.
  bool write(Connection& c, int i) {
    Way& way = c.ways[i];
    while (!way.waiting.empty() && way.waiting.front().first <= ends::now_us()) {
      std::string& bytes = way.waiting.front().second;
      const auto count = send(c.sockets[1 - i], bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count < 0) return errno == EAGAIN;
      way.bytes -= static_cast<std::size_t>(count);
      bytes.erase(0, static_cast<std::size_t>(count));
      if (!bytes.empty()) return true;
      way.waiting.pop_front();
    }
    return !(way.ended && way.waiting.empty());  // a bus connection is of no use with one half closed
  }

  static void close_both(Connection& c) {
    for (const int each : c.sockets) close(each);
    std::cout << "closed " << c.pair << ' ' << c.came[0] << ' ' << c.came[1] << std::endl;
  }

  bool command() {
    std::string line, word;
    if (!std::getline(std::cin, line)) return false;
    std::istringstream words(line);
    std::size_t pair = 0;
    double milliseconds = 0;
    words >> word >> pair >> milliseconds;
    if (pair < pairs_.size() && word == "delay")
      pairs_[pair].delay_us = static_cast<int64_t>(milliseconds * 1000);
    if (word == "reset") {
      connections_.remove_if([&](Connection& c) {
        if (c.pair != pair) return false;
        close_both(c);
        return true;
      });
    }
    std::cout << "done " << line << std::endl;
    return true;
  }

  std::vector<Pair> pairs_;
  std::list<Connection> connections_;
};

}  // namespace
}  // namespace stox::chaos

int main(int argc, char** argv) {
  try {
    stox::chaos::Relay relay({argv + 1, argv + argc});
    std::cout << "ready" << std::endl;
    while (relay.turn()) continue;
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "stox-chaos-relay: " << error.what() << '\n';
    return 1;
  }
}
