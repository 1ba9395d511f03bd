#include "common/net/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "common/net/chain_size.h"

namespace stox::net {
namespace {

// Of a ClientHello: OpenSSL makes room for what its header promises, and takes promises of 131 kB.
constexpr std::size_t kMaxHello = 16'384, kHelloHeader = 9;
// Without data between them. Each costs some work and makes an answer.
constexpr unsigned kMaxKeyUpdates = 32;

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

// The first entry of OpenSSL's list of errors (the cause; what follows from it comes behind), which is left
// empty.
std::string openssl_error() {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  if (code == 0) return "unknown reason";
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(static_cast<int>(ERR_GET_REASON(code)));
  if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE)
    return "holds none in PEM (-----BEGIN ...)";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "OpenSSL error " + std::to_string(code);
}

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

// RFC 5280 4.2.1.12. `more`: an OID that will do besides those of TLS; empty = none.
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

// The DER of a certificate that says nothing; empty: it could not be made.
std::string empty_certificate() {
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Owned<X509> made(X509_new());
  unsigned char* der = nullptr;
  if (!key || !made || X509_gmtime_adj(X509_getm_notBefore(made.get()), 0) == nullptr ||
      X509_gmtime_adj(X509_getm_notAfter(made.get()), 0) == nullptr ||
      X509_set_pubkey(made.get(), key.get()) != 1 || X509_sign(made.get(), key.get(), EVP_sha256()) <= 0)
    return {};
  const int size = i2d_X509(made.get(), &der);
  std::string out(reinterpret_cast<const char*>(der), size > 0 ? static_cast<std::size_t>(size) : 0);
  OPENSSL_free(der);
  return out;
}

// Whoever refers to it has an empty one then: d2i_X509() writes over what it is given.
void make_empty(X509* x) {
  static const std::string empty = empty_certificate();
  if (empty.empty()) return;
  const auto* at = reinterpret_cast<const unsigned char*>(empty.data());
  X509_up_ref(x);  // a failure would take one
  X509* same = x;
  if (d2i_X509(&same, &at, static_cast<long>(empty.size())) != nullptr) X509_free(x);
}

void read_certificate(X509* x, Certificate& out) {
  out.names = read_names(x);
  out.subject = text_of(X509_get_subject_name(x));
  out.issuer = text_of(X509_get_issuer_name(x));
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &end) == 1) out.not_after_s = static_cast<int64_t>(timegm(&end));
}

}  // namespace

// --- context

void TlsContext::Free::operator()(ssl_ctx_st* handle) const { SSL_CTX_free(handle); }

TlsContext::TlsContext(TlsContext&&) noexcept = default;
TlsContext& TlsContext::operator=(TlsContext&&) noexcept = default;
TlsContext::~TlsContext() = default;

// --- session

struct TlsSession::State {
  Owned<SSL> ssl;
  TlsOptions options;
  std::string_view in;         // during a call
  std::string* out = nullptr;  // during a call
  bool established = false, closed = false;
  std::array<unsigned char, kHelloHeader> hello{};
  std::size_t hello_size = 0;
  unsigned key_updates = 0;
  const char* refusal = nullptr;  // of ours, if the handshake ends by it
  int problem = X509_V_OK;        // the first that was found in the peer's chain
  PeerCertificate peer;

  Result<void> handshake();
  bool is_hello_too_large(std::string_view bytes);
  void look_at_peer();
  void forget_certificates();
  Result<void> failure(int result);

  static State& of(BIO* bio) { return *static_cast<State*>(BIO_get_data(bio)); }
  static State& of(const SSL* ssl) { return *static_cast<State*>(SSL_get_app_data(ssl)); }
};

namespace {

int create_bio(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

template <class State>
int read_bio(BIO* bio, char* to, int size) {
  State& s = State::of(bio);
  BIO_clear_retry_flags(bio);
  if (s.in.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const std::size_t count = std::min(s.in.size(), static_cast<std::size_t>(size));
  std::memcpy(to, s.in.data(), count);
  s.in.remove_prefix(count);
  return static_cast<int>(count);
}

template <class State>
int write_bio(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  State::of(bio).out->append(from, static_cast<std::size_t>(size));
  return size;
}

long control_bio(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

// Reads what a session was given and writes to where it wants it: no buffer between.
template <class State>
const BIO_METHOD* session_bio() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stox session");
    BIO_meth_set_create(made, create_bio);
    BIO_meth_set_read(made, read_bio<State>);
    BIO_meth_set_write(made, write_bio<State>);
    BIO_meth_set_ctrl(made, control_bio);
    return made;
  }();
  return method;
}

// Goes on with the handshake whatever is wrong, and remembers what it was.
template <class State>
int note_problem(int ok, X509_STORE_CTX* store) {
  if (ok == 1) return 1;
  const auto* ssl =
      static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  State& s = State::of(ssl);
  if (s.problem == X509_V_OK) s.problem = X509_STORE_CTX_get_error(store);
  return 1;
}

template <class State>
int verify_chain(X509_STORE_CTX* store, void*) {
  const auto* ssl =
      static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  State& s = State::of(ssl);
  const std::size_t values = count_values(store);
  const bool is_small_enough = values <= kMaxChainValues && X509_verify_cert(store) == 1;
  if (is_small_enough && (s.problem == X509_V_OK || values <= kMaxStrangersValues)) return 1;
  s.refusal = "its certificates say too much: only chains of some hundred names are taken";
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

template <class State>
void note_message(int is_ours, int, int type, const void* bytes, std::size_t size, SSL* ssl, void*) {
  if (is_ours != 0 || type != SSL3_RT_HANDSHAKE || size == 0) return;
  if (*static_cast<const unsigned char*>(bytes) == SSL3_MT_KEY_UPDATE) ++State::of(ssl).key_updates;
}

template <class State>
int choose_alpn(SSL* ssl, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                unsigned offered_size, void*) {
  const std::string& wanted = State::of(ssl).options.alpn;
  for (std::size_t i = 0; i < offered_size && offered[i] < offered_size - i; i += 1U + offered[i]) {
    const std::string_view one(reinterpret_cast<const char*>(offered + i + 1), offered[i]);
    if (wanted.empty() || one != wanted) continue;
    *chosen = offered + i + 1;
    *size = offered[i];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

Result<TlsContext> TlsContext::create(const TlsFiles& files) {
  using State = TlsSession::State;
  ERR_clear_error();
  TlsContext context;
  context.handle_.reset(SSL_CTX_new(TLS_method()));
  SSL_CTX* ctx = context.handle_.get();
  if (ctx == nullptr) return error("TLS: " + openssl_error());
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  // No resumption: streams live long, and a ticket would bring back a peer whose certificate has been
  // replaced.
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, note_problem<State>);
  SSL_CTX_set_cert_verify_callback(ctx, verify_chain<State>, nullptr);
  SSL_CTX_set_max_cert_list(ctx, kMaxChainBytes);
  SSL_CTX_set_msg_callback(ctx, note_message<State>);
  SSL_CTX_set_alpn_select_cb(ctx, choose_alpn<State>, nullptr);

  if (!files.certificate.empty() || !files.key.empty()) {
    if (SSL_CTX_use_certificate_chain_file(ctx, files.certificate.c_str()) != 1)
      return error("certificate " + files.certificate + ": " + openssl_error());
    if (SSL_CTX_use_PrivateKey_file(ctx, files.key.c_str(), SSL_FILETYPE_PEM) != 1)
      return error("key " + files.key + ": " + openssl_error() + "; is it the key of " + files.certificate +
                   "?");
    context.has_certificate_ = true;
    read_certificate(SSL_CTX_get0_certificate(ctx), context.certificate_);
  }
  if (files.ca.empty() ? SSL_CTX_set_default_verify_paths(ctx) != 1
                       : SSL_CTX_load_verify_locations(ctx, files.ca.c_str(), nullptr) != 1)
    return error("ca " + files.ca + ": " + openssl_error());
  return context;
}

TlsSession::TlsSession(const TlsContext& context, TlsOptions options) : s_(std::make_unique<State>()) {
  s_->options = std::move(options);
  s_->ssl.reset(SSL_new(context.handle_.get()));
  SSL* ssl = s_->ssl.get();
  BIO* bio = BIO_new(session_bio<State>());
  BIO_set_data(bio, s_.get());
  SSL_set_bio(ssl, bio, bio);
  SSL_set_app_data(ssl, s_.get());
  if (s_->options.role == TlsOptions::Role::kServer) {
    SSL_set_accept_state(ssl);
    if (!s_->options.ask_certificate) SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
    // Certificates that say serverAuth alone are all that some authorities give to servers, which are
    // clients, too.
    SSL_set_purpose(ssl, X509_PURPOSE_ANY);
    return;
  }
  SSL_set_connect_state(ssl);
  if (!s_->options.server_name.empty()) SSL_set_tlsext_host_name(ssl, s_->options.server_name.c_str());
  const std::string& alpn = s_->options.alpn;
  if (!alpn.empty()) {
    const std::string list = static_cast<char>(alpn.size()) + alpn;
    SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(list.data()),
                        static_cast<unsigned>(list.size()));
  }
}

TlsSession::TlsSession(TlsSession&&) noexcept = default;
TlsSession& TlsSession::operator=(TlsSession&&) noexcept = default;
TlsSession::~TlsSession() = default;

Result<void> TlsSession::State::failure(int result) {
  switch (SSL_get_error(ssl.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return {};
    case SSL_ERROR_ZERO_RETURN:
      closed = true;
      return {};
    default:
      const std::string reason = openssl_error();
      return error("TLS: " + (refusal != nullptr ? refusal : reason));
  }
}

// RFC 8446 4 and 5.1, however the bytes are cut.
bool TlsSession::State::is_hello_too_large(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size() && hello_size < hello.size(); ++i)
    hello[hello_size++] = static_cast<unsigned char>(bytes[i]);
  const bool is_whole = hello_size == hello.size() && hello[0] == SSL3_RT_HANDSHAKE;
  return is_whole && (hello[6] * 65'536u + hello[7] * 256u + hello[8]) > kMaxHello;
}

Result<void> TlsSession::State::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl.get());
  if (result != 1) return failure(result);
  established = true;
  look_at_peer();
  forget_certificates();
  return {};
}

void TlsSession::State::look_at_peer() {
  const Owned<X509> certificate(SSL_get1_peer_certificate(ssl.get()));
  peer.present = certificate != nullptr;
  peer.valid = peer.present && problem == X509_V_OK;
  if (!peer.present) {
    peer.problem = "it has shown no certificate";
    return;
  }
  read_certificate(certificate.get(), peer);
  if (!peer.valid) {
    peer.problem = X509_verify_cert_error_string(problem);
  } else if (!may_be_used_for_tls(certificate.get(), options.key_usage)) {
    peer.valid = false;
    peer.problem = "its extended key usage allows neither TLS servers nor TLS clients";
  }
}

// OpenSSL keeps what the peer has shown as long as the session lives, decoded and as it came, and nothing
// takes it out of a session. What is asked of it has been read by now.
void TlsSession::State::forget_certificates() {
  if (X509* const own = SSL_get0_peer_certificate(ssl.get())) make_empty(own);
  const STACK_OF(X509)* const chain = SSL_get_peer_cert_chain(ssl.get());
  for (int i = 0; i < sk_X509_num(chain); ++i) make_empty(sk_X509_value(chain, i));
}

Result<void> TlsSession::start(std::string& wire) {
  if (s_->options.role == TlsOptions::Role::kServer) return {};
  s_->out = &wire;
  return s_->handshake();
}

Result<void> TlsSession::received(std::string_view bytes, std::string& plain, std::string& wire) {
  State& s = *s_;
  s.in = bytes;
  s.out = &wire;
  if (!s.established) {
    if (s.options.role == TlsOptions::Role::kServer && s.is_hello_too_large(bytes))
      return error("TLS: the handshake begins with a message that is too large");
    if (auto done = s.handshake(); !done) return done;
    if (!s.established) return {};
  }
  std::array<char, 16'384> buffer;  // a whole record
  for (;;) {
    ERR_clear_error();
    const int count = SSL_read(s.ssl.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (count > 0) s.key_updates = 0;
    if (s.key_updates > kMaxKeyUpdates) return error("TLS: it changes its keys again and again");
    if (count <= 0) return s.failure(count);
    plain.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

void TlsSession::send(std::string_view plain, std::string& wire) {
  s_->out = &wire;
  s_->in = {};
  std::size_t sent = 0;
  ERR_clear_error();
  if (!plain.empty()) SSL_write_ex(s_->ssl.get(), plain.data(), plain.size(), &sent);
}

void TlsSession::close(std::string& wire) {
  s_->out = &wire;
  s_->in = {};
  ERR_clear_error();
  if (s_->established) SSL_shutdown(s_->ssl.get());
}

bool TlsSession::is_established() const { return s_->established; }
bool TlsSession::is_closed_by_peer() const { return s_->closed; }
const PeerCertificate& TlsSession::peer() const { return s_->peer; }
PeerCertificate TlsSession::take_peer() { return std::move(s_->peer); }

std::string_view TlsSession::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(s_->ssl.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string TlsSession::description() const {
  return std::string(SSL_get_version(s_->ssl.get())) + ", " + SSL_get_cipher_name(s_->ssl.get());
}

}  // namespace stox::net
