#include "tests/support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <utility>

namespace stox::testing {
namespace {

constexpr long kDay_s = 24 * 3600;

struct Free {
  void operator()(X509* x) const { X509_free(x); }
  void operator()(EVP_PKEY* k) const { EVP_PKEY_free(k); }
  void operator()(std::FILE* f) const { std::fclose(f); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

void must(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string("test certificate: ") + what);
}

Owned<std::FILE> open_file(const std::string& path, const char* mode) {
  Owned<std::FILE> file(std::fopen(path.c_str(), mode));
  must(file != nullptr, path.c_str());
  return file;
}

void add_extension(X509* x, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, x, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  must(extension != nullptr, value.c_str());
  X509_add_ext(x, extension, -1);
  X509_EXTENSION_free(extension);
}

Owned<X509> unsigned_certificate(const std::string& common_name, EVP_PKEY* key, bool expired) {
  static long serial = 0;
  Owned<X509> x(X509_new());
  X509_set_version(x.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(x.get()), expired ? -2 * kDay_s : -kDay_s);
  X509_gmtime_adj(X509_getm_notAfter(x.get()), expired ? -kDay_s : kDay_s);
  X509_set_pubkey(x.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  return x;
}

void write(const std::string& base, X509* x, EVP_PKEY* key) {
  PEM_write_X509(open_file(base + ".crt", "w").get(), x);
  PEM_write_PrivateKey(open_file(base + ".key", "w").get(), key, nullptr, nullptr, 0, nullptr, nullptr);
}

}  // namespace

Authority::Authority(std::string folder, const std::string& name) : folder_(std::move(folder)) {
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Owned<X509> x = unsigned_certificate(name, key.get(), false);
  X509_set_issuer_name(x.get(), X509_get_subject_name(x.get()));
  add_extension(x.get(), x.get(), NID_basic_constraints, "critical,CA:TRUE");
  must(X509_sign(x.get(), key.get(), EVP_sha256()) != 0, "signature");
  write(folder_ + "/ca", x.get(), key.get());
}

net::TlsFiles Authority::sign(const std::string& name, const CertificateWish& wish) const {
  const Owned<X509> ca(PEM_read_X509(open_file(ca_file(), "r").get(), nullptr, nullptr, nullptr));
  const Owned<EVP_PKEY> ca_key(
      PEM_read_PrivateKey(open_file(folder_ + "/ca.key", "r").get(), nullptr, nullptr, nullptr));
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Owned<X509> x = unsigned_certificate(wish.common_name, key.get(), wish.expired);
  X509_set_issuer_name(x.get(), X509_get_subject_name(ca.get()));
  if (!wish.alternative_names.empty())
    add_extension(x.get(), ca.get(), NID_subject_alt_name, wish.alternative_names);
  if (!wish.extended_usage.empty()) add_extension(x.get(), ca.get(), NID_ext_key_usage, wish.extended_usage);
  must(X509_sign(x.get(), ca_key.get(), EVP_sha256()) != 0, "signature");
  const std::string base = folder_ + "/" + name;
  write(base, x.get(), key.get());
  return {base + ".crt", base + ".key", ca_file()};
}

}  // namespace stox::testing
