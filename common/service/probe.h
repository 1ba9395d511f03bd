// Blocking network calls, each with a time limit, for `--check --online` and `stoxctl doctor`: processes that
// do nothing else meanwhile.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace stox::service {

constexpr std::chrono::seconds kProbeTime{5};

// What a check has found.
struct Finding {
  enum class Kind { kOk, kWarning, kFailure } kind = Kind::kOk;
  std::string what;
  std::string remedy = {};  // of a warning or failure: what to do
};

// A connection, or a UDP socket with a peer.
class Probe {
 public:
  // `host`: a name, looked up by the system's resolver, or an address; the error names what did not work.
  static Result<Probe> connect(const std::string& host, uint16_t port, bool udp);
  Probe(Probe&& other) noexcept : descriptor_(other.descriptor_), peer_(std::move(other.peer_)) {
    other.descriptor_ = -1;
  }
  Probe& operator=(Probe&&) = delete;
  ~Probe();

  Result<void> send(std::string_view bytes);
  // What comes until it holds `until`, the time is over or the peer closes; maybe nothing.
  std::string receive(std::string_view until);
  std::string own_address() const;  // ADDRESS:PORT
  const std::string& peer() const { return peer_; }

 private:
  Probe(int descriptor, std::string peer) : descriptor_(descriptor), peer_(std::move(peer)) {}
  int descriptor_;
  std::string peer_;
};

// Addresses of a name, as text; the error says why there are none.
Result<std::vector<std::string>> look_up(const std::string& host);
// Whether this address could be bound now.
Result<void> try_bind(const std::string& address, uint16_t port, bool udp);

}  // namespace stox::service
