// What the certificates of a peer take while they are looked at: decoded, a name of three bytes takes a
// hundred, and some checks take time for each pair of names.
#pragma once

#include <cstddef>

struct x509_store_ctx_st;

namespace stox::net {

// Of one handshake message, on the wire (RFC 8446 4.4.2): of who comes to us, and of who is asked by us.
constexpr long kMaxChainBytes = 10'000, kMaxChainBytesOfServers = 16'384;
// Of a client's own certificate, which is kept until the handshake ends.
constexpr int kMaxCertificateBytes = 8'000;
// Values in the DER of the whole chain, names among them. One with a hundred names has about 400.
constexpr std::size_t kMaxChainValues = 600;

// All certificates that the peer has shown; stops counting above the limits.
std::size_t count_values(x509_store_ctx_st*);

}  // namespace stox::net
