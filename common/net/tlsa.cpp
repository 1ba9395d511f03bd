#include "common/net/tlsa.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <memory>

#include "common/base/text.h"

namespace stox::net {
namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

template <class T>
std::string der_of(const T* object, int (*encode)(const T*, unsigned char**)) {
  unsigned char* der = nullptr;
  const int size = encode(object, &der);
  std::string out(reinterpret_cast<const char*>(der), size > 0 ? static_cast<std::size_t>(size) : 0);
  OPENSSL_free(der);
  return out;
}

std::string key_of(const X509* x) { return der_of(X509_get_X509_PUBKEY(x), i2d_X509_PUBKEY); }

std::string digest(const std::string& bytes, const EVP_MD* how) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, how, nullptr);
  return {reinterpret_cast<const char*>(out.data()), size};
}

std::vector<X509*> chain_of(SSL_CTX* context) {
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context, &chain);
  std::vector<X509*> out;
  for (int i = 0; i < sk_X509_num(chain); ++i) out.push_back(sk_X509_value(chain, i));
  return out;
}

}  // namespace

Result<ShownChain> ShownChain::read(const TlsFiles& files) {
  const std::unique_ptr<SSL_CTX, FreeContext> context(SSL_CTX_new(TLS_method()));
  SSL_CTX* const ctx = context.get();
  if (ctx == nullptr || SSL_CTX_use_certificate_chain_file(ctx, files.certificate.c_str()) != 1) {
    ERR_clear_error();
    return error("certificate " + files.certificate + " cannot be read");
  }
  std::vector<std::string> shown;
  for (X509* const x : chain_of(ctx)) shown.push_back(der_of(x, i2d_X509));
  // What the file leaves out comes from `ca`; what that does not have stays away.
  if (files.ca.empty()) {
    SSL_CTX_set_default_verify_paths(ctx);
  } else {
    SSL_CTX_load_verify_locations(ctx, files.ca.c_str(), nullptr);
  }
  SSL_CTX_build_cert_chain(ctx, SSL_BUILD_CHAIN_FLAG_UNTRUSTED | SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR);
  ERR_clear_error();
  ShownChain out;
  X509* const own = SSL_CTX_get0_certificate(ctx);
  out.links_.push_back({der_of(own, i2d_X509), key_of(own), true});
  for (X509* const x : chain_of(ctx)) {
    std::string certificate = der_of(x, i2d_X509);
    const bool is_shown = std::find(shown.begin(), shown.end(), certificate) != shown.end();
    out.links_.push_back({std::move(certificate), key_of(x), is_shown});
  }
  return out;
}

bool ShownChain::fits(const TlsaRecord& record) const {
  if (record.usage > 3 || record.selector > 1 || record.matching > 2) return false;
  const bool of_own = record.usage == 1 || record.usage == 3;
  return std::any_of(links_.begin(), links_.end(), [&](const Link& link) {
    if ((&link == &links_.front()) != of_own || (record.usage == 2 && !link.is_shown)) return false;
    const std::string& selected = record.selector == 0 ? link.certificate : link.key;
    if (record.matching == 0) return record.data == selected;
    return record.data == digest(selected, record.matching == 1 ? EVP_sha256() : EVP_sha512());
  });
}

std::string ShownChain::key_digest() const { return to_hex(digest(links_.front().key, EVP_sha256())); }

}  // namespace stox::net
