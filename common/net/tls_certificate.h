// X.509 certificates by OpenSSL: what is read of one, and how one becomes small.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "common/net/tls.h"

namespace stox::net {

struct FreeOpenssl {
  void operator()(X509* x) const { X509_free(x); }
  void operator()(GENERAL_NAMES* n) const { GENERAL_NAMES_free(n); }
  void operator()(EXTENDED_KEY_USAGE* u) const { EXTENDED_KEY_USAGE_free(u); }
  void operator()(BIO* b) const { BIO_free_all(b); }
  void operator()(SSL* s) const { SSL_free(s); }
  void operator()(EVP_PKEY* k) const { EVP_PKEY_free(k); }
};

template <class T>
using Owned = std::unique_ptr<T, FreeOpenssl>;

CertificateNames read_names(X509*);

// All but its names. Subject and issuer are cut where they are long.
void read_certificate(X509*, Certificate&);

// RFC 5280 4.2.1.12. `more`: an OID that will do besides those of TLS; empty = none.
bool may_be_used_for_tls(X509*, const std::string& more);

// Empty: it has none.
std::string der_of(X509*);
// Nothing: it is none.
Owned<X509> certificate_of(const std::string& der);

// Leaves a certificate that says nothing but its key to all who refer to it; without `keeps_key` the key is
// another's, and small.
void make_bare(X509*, bool keeps_key);

}  // namespace stox::net
