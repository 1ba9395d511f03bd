#include "common/net/chain_size.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

namespace stox::net {
namespace {

constexpr int kMaxDepth = 12;  // of certificates as they are

// Strings of octets may hold DER again, as those of extensions do.
std::size_t count(const unsigned char* at, long size, int depth) {
  std::size_t out = 0;
  const unsigned char* const end = at + size;
  while (at < end && out <= kMaxChainValues) {
    long length = 0;
    int tag = 0, kind = 0;
    const int form = ASN1_get_object(&at, &length, &tag, &kind, end - at);
    if ((form & 0x80) != 0 || (form & 1) != 0) break;  // no DER
    ++out;
    const bool is_octets = tag == V_ASN1_OCTET_STRING && kind == V_ASN1_UNIVERSAL;
    if (((form & V_ASN1_CONSTRUCTED) != 0 || is_octets) && depth < kMaxDepth)
      out += count(at, length, depth + 1);
    at += length;
  }
  return out;
}

std::size_t count(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size < 0) return kMaxChainValues + 1;
  const std::size_t out = count(der, size, 0);
  OPENSSL_free(der);
  return out;
}

}  // namespace

std::size_t count_values(x509_store_ctx_st* store) {
  std::size_t out = 0;
  X509* const own = X509_STORE_CTX_get0_cert(store);
  if (own != nullptr) out += count(own);
  const STACK_OF(X509)* const others = X509_STORE_CTX_get0_untrusted(store);
  for (int i = 0; i < sk_X509_num(others) && out <= kMaxChainValues; ++i) {
    X509* const each = sk_X509_value(others, i);
    if (each != own) out += count(each);
  }
  ERR_clear_error();  // of what was no DER
  return out;
}

}  // namespace stox::net
