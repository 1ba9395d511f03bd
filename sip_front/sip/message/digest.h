// Answers to digest challenges as a client (RFC 7616 with RFC 8760, RFC 3261 22).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sip_front/sip/message/message.h"

namespace stox::sip {

struct Credentials {
  std::string realm, username, password;
};

enum class DigestAlgorithm : uint8_t { kMd5, kSha256, kSha512_256 };

// One WWW-Authenticate (401) or Proxy-Authenticate (407) header. May be answered again, for later requests to
// the same peer, until the peer wants another: each use counts.
struct Challenge {
  bool proxy = false;
  bool stale = false;  // the nonce was old: another answer with the same password may do
  bool qop = false;    // "auth" is offered
  DigestAlgorithm algorithm = DigestAlgorithm::kMd5;
  std::string realm, nonce, opaque;  // unquoted
  uint32_t uses = 0;
};

// Those of a 401 or 407 that can be answered: of each realm the topmost (RFC 8760 2.4) with an algorithm and
// a quality of protection that we know.
std::vector<Challenge> read_challenges(const Message&);

// Appends the header line that answers it. `uri`: the Request-URI. Counts the use.
void append_answer(std::string& out, Challenge&, const Credentials&, std::string_view method,
                   std::string_view uri, std::string_view cnonce);

}  // namespace stox::sip
