// Which TLSA records (RFC 6698) fit what we show by TLS: for those who look at our records. We look at
// nobody's.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/net/resolver.h"
#include "common/net/tls.h"

namespace stox::net {

// Our certificate and those up to its authority, as far as they are in its file or in `ca`.
class ShownChain {
 public:
  // The error says what could not be read.
  static Result<ShownChain> read(const TlsFiles&);

  // RFC 6698 2.1.1: usages 1 and 3 name the certificate itself, 0 an authority over it, and 2 one that is
  // shown with it (RFC 7671 5.2.2). A record of other usages, selectors or matching types fits nothing.
  bool fits(const TlsaRecord&) const;
  // For a record "3 1 1": SHA-256 of the certificate's key, which a renewal may keep; in hexadecimal digits.
  std::string key_digest() const;

 private:
  struct Link {
    std::string certificate, key;  // DER; the key as SubjectPublicKeyInfo
    bool is_shown;
  };
  ShownChain() = default;

  std::vector<Link> links_;  // the certificate itself first
};

}  // namespace stox::net
