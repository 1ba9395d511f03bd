// What the certificates of a peer would take in memory: OpenSSL keeps them decoded as long as the session
// lives, and a name of three bytes takes a hundred then.
#pragma once

#include <cstddef>

struct x509_store_ctx_st;

namespace stox::net {

// Of one handshake message, on the wire (RFC 8446 4.4.2).
constexpr long kMaxChainBytes = 16'384;
// Values in the DER of the whole chain, names among them. One with a hundred names has about 400.
constexpr std::size_t kMaxChainValues = 600;
// Of one that nobody we trust has signed: whoever shows it has not proved anything.
constexpr std::size_t kMaxStrangersValues = 250;

// All certificates that the peer has shown; stops counting above the limits.
std::size_t count_values(x509_store_ctx_st*);

}  // namespace stox::net
