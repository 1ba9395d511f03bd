#include "common/net/tls_certificate.h"

#include <arpa/inet.h>
#include <openssl/ec.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "common/base/text.h"

namespace stox::net {
namespace {

constexpr std::size_t kMaxTitle = 300;  // of subject and issuer, which are for people

std::string text_of(const ASN1_STRING* string) {
  if (string == nullptr) return {};
  const auto* bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(string));
  return std::string(bytes, static_cast<std::size_t>(ASN1_STRING_length(string)));
}

std::string text_of(const X509_NAME* name) {
  const Owned<BIO> out(BIO_new(BIO_s_mem()));
  if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) < 0) return {};
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  return std::string(bytes, static_cast<std::size_t>(size));
}

void add_other_name(const OTHERNAME& other, CertificateNames& names) {
  static const ASN1_OBJECT* const srv_name = OBJ_txt2obj("1.3.6.1.5.5.7.8.7", 1);
  static const ASN1_OBJECT* const xmpp_addr = OBJ_txt2obj("1.3.6.1.5.5.7.8.5", 1);
  const ASN1_TYPE* value = other.value;
  if (value == nullptr) return;
  if (value->type == V_ASN1_IA5STRING && OBJ_cmp(other.type_id, srv_name) == 0)
    names.srv_names.push_back(text_of(value->value.ia5string));
  if (value->type == V_ASN1_UTF8STRING && OBJ_cmp(other.type_id, xmpp_addr) == 0)
    names.xmpp_addrs.push_back(text_of(value->value.utf8string));
}

// The DER of a certificate that says nothing but a key; empty: it could not be made.
std::string bare_certificate(EVP_PKEY* key, EVP_PKEY* signer) {
  const Owned<X509> bare(X509_new());
  if (signer == nullptr || key == nullptr || !bare ||
      X509_gmtime_adj(X509_getm_notBefore(bare.get()), 0) == nullptr ||
      X509_gmtime_adj(X509_getm_notAfter(bare.get()), 0) == nullptr ||
      X509_set_pubkey(bare.get(), key) != 1 || X509_sign(bare.get(), signer, nullptr) <= 0)
    return {};
  return der_of(bare.get());
}

}  // namespace

CertificateNames read_names(X509* x) {
  CertificateNames names;
  const Owned<GENERAL_NAMES> list(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x, NID_subject_alt_name, nullptr, nullptr)));
  names.has_alternatives = X509_get_ext_by_NID(x, NID_subject_alt_name, -1) >= 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(list.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(list.get(), i);
    if (name->type == GEN_DNS) names.dns.push_back(text_of(name->d.dNSName));
    if (name->type == GEN_URI) names.uris.push_back(text_of(name->d.uniformResourceIdentifier));
    if (name->type == GEN_IPADD) {
      const std::string bytes = text_of(name->d.iPAddress);
      std::array<char, INET6_ADDRSTRLEN> text{};
      if (bytes.size() == 4 || bytes.size() == 16)
        names.ips.emplace_back(
            inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size()));
    }
    if (name->type == GEN_OTHERNAME) add_other_name(*name->d.otherName, names);
  }
  const X509_NAME* subject = X509_get_subject_name(x);
  const int last = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (last >= 0) names.common_name = text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
  // A name that ends early in C must not pass for a shorter one anywhere.
  const auto is_cut = [](const std::string& name) { return name.find('\0') != std::string::npos; };
  for (auto* each : {&names.dns, &names.uris, &names.srv_names, &names.xmpp_addrs})
    std::erase_if(*each, is_cut);
  if (is_cut(names.common_name)) names.common_name.clear();
  return names;
}

bool may_be_used_for_tls(X509* x, const std::string& more) {
  if (X509_get_ext_by_NID(x, NID_ext_key_usage, -1) < 0) return true;
  const Owned<EXTENDED_KEY_USAGE> usages(
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(x, NID_ext_key_usage, nullptr, nullptr)));
  for (int i = 0; i < sk_ASN1_OBJECT_num(usages.get()); ++i) {
    const ASN1_OBJECT* usage = sk_ASN1_OBJECT_value(usages.get(), i);
    const int known = OBJ_obj2nid(usage);
    if (known == NID_server_auth || known == NID_client_auth || known == NID_anyExtendedKeyUsage) return true;
    std::array<char, 80> oid{};
    if (!more.empty() && OBJ_obj2txt(oid.data(), oid.size(), usage, 1) > 0 && more == oid.data()) return true;
  }
  return false;
}

void read_certificate(X509* x, Certificate& out) {
  out.subject = one_line(text_of(X509_get_subject_name(x)), kMaxTitle);
  out.issuer = one_line(text_of(X509_get_issuer_name(x)), kMaxTitle);
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &end) == 1) out.not_after_s = static_cast<int64_t>(timegm(&end));
}

std::string der_of(X509* x) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(x, &der);
  std::string out(reinterpret_cast<const char*>(der), size > 0 ? static_cast<std::size_t>(size) : 0);
  OPENSSL_free(der);
  return out;
}

Owned<X509> certificate_of(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  return Owned<X509>(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

// d2i_X509() writes over what it is given.
void make_bare(X509* x, bool keeps_key) {
  static const Owned<EVP_PKEY> signer(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  static const std::string empty = bare_certificate(signer.get(), signer.get());
  const std::string der = keeps_key ? bare_certificate(X509_get0_pubkey(x), signer.get()) : empty;
  if (der.empty()) return;
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  X509_up_ref(x);  // a failure would take one
  X509* same = x;
  if (d2i_X509(&same, &at, static_cast<long>(der.size())) != nullptr) X509_free(x);
}

}  // namespace stox::net
