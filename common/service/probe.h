// Blocking network calls, each with a time limit, for `--check --online` and `stoxctl doctor`: processes that
// do nothing else meanwhile.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/net/tls.h"
#include "common/service/config.h"

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
  // The error names what did not work.
  static Result<Probe> connect(const std::string& address, uint16_t port, bool udp);
  Probe(Probe&& other) noexcept
      : descriptor_(other.descriptor_),
        peer_(std::move(other.peer_)),
        tls_(std::move(other.tls_)),
        early_(std::move(other.early_)) {
    other.descriptor_ = -1;
  }
  Probe& operator=(Probe&&) = delete;
  ~Probe();

  // All that follows goes by TLS. What the peer has shown for a certificate is for the caller to judge.
  Result<net::PeerCertificate> start_tls(const TlsConfig&, const std::string& server_name);

  Result<void> send(std::string_view bytes);
  // What comes until it holds `until`, the time is over or the peer closes; maybe nothing.
  std::string receive(std::string_view until);
  std::string own_address() const;                   // ADDRESS:PORT
  const std::string& peer() const { return peer_; }  // the same

 private:
  Probe(int descriptor, std::string peer) : descriptor_(descriptor), peer_(std::move(peer)) {}
  Result<void> write(std::string_view bytes);
  std::string read(std::chrono::steady_clock::time_point until);  // empty: nothing came, or it has closed

  int descriptor_;
  std::string peer_;
  std::optional<net::TlsSession> tls_;
  std::string early_;  // came with the end of the handshake
};

// Whether this address could be bound now.
Result<void> try_bind(const std::string& address, uint16_t port, bool udp);

}  // namespace stox::service
