// SIP users: they send MESSAGE requests, one at a time in each conversation (RFC 3428 section 8), repeat them
// by Timer E and give up at Timer F; as recipients they write down what came before they answer 200.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/chaos/ledger.h"
#include "tests/support/ends/datagrams.h"
#include "tests/support/ends/repeats.h"
#include "tests/support/ends/words.h"

namespace stox::chaos {

// Some conversations have no happy end: their recipients are not there, or do not want.
enum class Recipient { kThere, kNobody, kRefuses };
Recipient recipient(Way, uint32_t conversation);
// Behind what its XMPP user is: this program, which plays the server of components, or a real server that has
// the user's domain as a component: a Prosody that has the gateway as one, too, or a server of other domains.
enum class Peer : uint8_t { kPlayed, kProsody, kRemote };
constexpr uint32_t kRemoteDomains = 3;
Peer peer(uint32_t conversation);
std::string xmpp_domain(uint32_t conversation);     // of its XMPP user
std::string sip_domain(uint32_t conversation);      // of its SIP user
std::string gateway_domain(uint32_t conversation);  // what the SIP user's domain is on XMPP

class SipSide {
 public:
  SipSide(const sockaddr_in& here, std::vector<sockaddr_in> fronts, uint32_t conversations, Ledger&);

  // Each sees each datagram first, until one says that it was for it.
  using Other = std::function<bool(std::string_view bytes, const sockaddr_in& from)>;
  void show_first(Other other) { others_.push_back(std::move(other)); }
  const std::string& here() const { return here_; }  // ADDRESS:PORT
  std::string& next(const sockaddr_in& to) { return socket_.next(to); }

  int descriptor() const { return socket_.descriptor(); }
  bool idle(uint32_t conversation) const { return !busy_[conversation]; }
  void message(uint32_t conversation);
  void read();
  void repeat();  // what is due
  void flush() { socket_.flush(); }
  std::size_t waiting() const { return waiting_; }

 private:
  static constexpr int64_t kTimerF = 32'000'000;

  void write_request(uint64_t number);
  void response(std::string_view);
  void request(std::string_view, const sockaddr_in& from);
  void done(uint64_t number);

  std::string here_;
  std::vector<sockaddr_in> fronts_;
  Ledger& ledger_;
  ends::Datagrams socket_;
  std::vector<bool> busy_;      // by conversation
  std::vector<uint8_t> front_;  // by conversation; another one after a 503
  std::size_t waiting_ = 0;
  std::vector<Other> others_;
  ends::Repeats repeats_;
};

}  // namespace stox::chaos
