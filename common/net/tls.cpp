#include "common/net/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "common/net/chain_size.h"
#include "common/net/tls_certificate.h"
#include "common/net/tls_records.h"

namespace stox::net {
namespace {

// Of a ClientHello: OpenSSL makes room for what its header promises, and takes promises of 131 kB. Those with
// keys that quantum computers do not break have 2 kB, or 3 with two of them.
constexpr std::size_t kMaxHello = 3'584, kMaxKeptOfHello = 1'024, kHelloHeader = 9;
// Of what a client shows: a record with its certificates, by TLS 1.2 with all that follows, and one behind
// them.
constexpr std::size_t kMaxShown = kMaxChainBytes + 2'048, kMaxProof = 2'304;
// Without data between them. Each costs some work and makes an answer.
constexpr unsigned kMaxKeyUpdates = 32;

constexpr char kTooLarge[] = "TLS: a message of its handshake is too large";

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
  TlsRecords records;
  std::string flight;  // by TLS 1.2: what came of all that a client says at once
  bool flight_ends = false;
  unsigned key_updates = 0;
  const char* refusal = nullptr;  // of ours, if the handshake ends by it
  int problem = X509_V_OK;        // the first that was found in the peer's chain
  PeerCertificate peer;
  std::string shown;  // its certificate in DER, until the handshake is done and its names are read

  bool is_server() const { return options.role == TlsOptions::Role::kServer; }
  bool is_old() const { return is_server() && !established && SSL_version(ssl.get()) == TLS1_2_VERSION; }
  bool keeps(std::string_view record);
  Result<void> handshake();
  Result<void> take(std::string_view record, std::string& plain);
  bool is_too_large(std::string_view record) const;
  bool is_too_large(std::size_t record) const;
  void take_certificates(X509_STORE_CTX*);
  void look_at_peer();
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
  const bool is_small_enough =
      count_values(store) <= kMaxChainValues &&
      (!s.is_server() || i2d_X509(X509_STORE_CTX_get0_cert(store), nullptr) <= kMaxCertificateBytes);
  if (is_small_enough && X509_verify_cert(store) == 1) {
    s.take_certificates(store);
    ERR_clear_error();  // of a chain that is not valid, which is no error of the session's
    return 1;
  }
  s.refusal = "its certificates say too much: only chains of some hundred names are taken";
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

// Of a ClientHello OpenSSL keeps these lists as long as the session lives.
template <class State>
int look_at_hello(SSL* ssl, int* alert, void*) {
  std::size_t kept = 0;
  for (const unsigned type : {TLSEXT_TYPE_server_name, TLSEXT_TYPE_application_layer_protocol_negotiation,
                              TLSEXT_TYPE_supported_groups, TLSEXT_TYPE_signature_algorithms,
                              TLSEXT_TYPE_signature_algorithms_cert}) {
    const unsigned char* data = nullptr;
    std::size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl, type, &data, &size) == 1) kept += size;
  }
  if (kept <= kMaxKeptOfHello) return SSL_CLIENT_HELLO_SUCCESS;
  State::of(ssl).refusal = "a message of its handshake is too large";
  *alert = SSL_AD_DECODE_ERROR;
  return SSL_CLIENT_HELLO_ERROR;
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
  SSL_CTX_set_client_hello_cb(ctx, look_at_hello<State>, nullptr);
  SSL_CTX_set_alpn_select_cb(ctx, choose_alpn<State>, nullptr);

  if (!files.certificate.empty() || !files.key.empty()) {
    if (SSL_CTX_use_certificate_chain_file(ctx, files.certificate.c_str()) != 1)
      return error("certificate " + files.certificate + ": " + openssl_error());
    if (SSL_CTX_use_PrivateKey_file(ctx, files.key.c_str(), SSL_FILETYPE_PEM) != 1)
      return error("key " + files.key + ": " + openssl_error() + "; is it the key of " + files.certificate +
                   "?");
    context.has_certificate_ = true;
    read_certificate(SSL_CTX_get0_certificate(ctx), context.certificate_);
    context.certificate_.names = read_names(SSL_CTX_get0_certificate(ctx));
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
  SSL_set_max_cert_list(ssl, kMaxChainBytesOfServers);
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

// A ClientHello comes first, and once more behind a HelloRetryRequest (RFC 8446 4.1.4).
bool TlsSession::State::is_too_large(std::string_view record) const {
  const OSSL_HANDSHAKE_STATE at = SSL_get_state(ssl.get());
  const bool is_hello = record[0] == SSL3_RT_HANDSHAKE && (at == TLS_ST_BEFORE || at == TLS_ST_EARLY_DATA);
  if (!is_server() || !is_hello) return false;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(record[i]); };
  return record.size() < kHelloHeader || byte(6) * 65'536u + byte(7) * 256u + byte(8) > kMaxHello;
}

bool TlsSession::State::is_too_large(std::size_t record) const {
  if (!is_server() || established) return false;
  if (SSL_get_state(ssl.get()) == TLS_ST_BEFORE) return record > kHelloHeader + kMaxHello;
  return flight.size() + record > (peer.present ? kMaxProof : kMaxShown);
}

// By TLS 1.2 OpenSSL keeps all messages until the client has proved that its certificate is its own, and the
// certificate beside them. So it is given them when the last is there: Finished, behind the change of ciphers
// (RFC 5246 7.3).
bool TlsSession::State::keeps(std::string_view record) {
  if (!is_old()) return false;
  const bool is_alert = record[0] == SSL3_RT_ALERT && record.size() > TlsRecords::kHeader;
  const bool is_last = flight_ends || (is_alert && record[TlsRecords::kHeader] == SSL3_AL_FATAL);
  flight_ends = record[0] == SSL3_RT_CHANGE_CIPHER_SPEC;
  flight.append(record);
  return !is_last;
}

Result<void> TlsSession::State::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl.get());
  if (result != 1) return failure(result);
  established = true;
  look_at_peer();
  return {};
}

// OpenSSL keeps what the peer has shown as long as the session lives, decoded and as it came, and nothing
// takes it out of a session. All that it needs until the end of the handshake is the key.
void TlsSession::State::take_certificates(X509_STORE_CTX* store) {
  X509* const own = X509_STORE_CTX_get0_cert(store);
  const STACK_OF(X509)* const chain = X509_STORE_CTX_get0_untrusted(store);
  read_certificate(own, peer);
  peer.present = true;
  if (problem != X509_V_OK) {
    peer.problem = X509_verify_cert_error_string(problem);
  } else if (!may_be_used_for_tls(own, options.key_usage)) {
    peer.problem = "its extended key usage allows neither TLS servers nor TLS clients";
  } else {
    shown = der_of(own);
  }
  for (int i = 0; i < sk_X509_num(chain); ++i)
    make_bare(sk_X509_value(chain, i), sk_X509_value(chain, i) == own);
}

void TlsSession::State::look_at_peer() {
  if (!peer.present) peer.problem = "it has shown no certificate";
  peer.valid = peer.problem.empty();  // and it has the key of it
  if (const auto certificate = certificate_of(std::exchange(shown, {})))
    peer.names = read_names(certificate.get());
  if (X509* const own = SSL_get0_peer_certificate(ssl.get())) make_bare(own, false);
}

Result<void> TlsSession::start(std::string& wire) {
  if (s_->options.role == TlsOptions::Role::kServer) return {};
  s_->out = &wire;
  return s_->handshake();
}

Result<void> TlsSession::received(std::string_view bytes, std::string& plain, std::string& wire) {
  State& s = *s_;
  s.out = &wire;
  for (std::string_view record; !(record = s.records.next(bytes)).empty();) {
    if (s.keeps(record)) continue;
    const std::string flight = std::exchange(s.flight, {});
    if (auto done = s.take(flight.empty() ? record : flight, plain); !done || s.closed) return done;
    if (!flight.empty() && s.is_old()) return error("TLS: no Finished follows its change of ciphers");
  }
  if (s.is_too_large(s.records.awaited())) return error(kTooLarge);
  return {};
}

Result<void> TlsSession::State::take(std::string_view record, std::string& plain) {
  in = record;
  if (!established) {
    if (is_too_large(record)) return error(kTooLarge);
    if (auto done = handshake(); !done) return done;
  }
  std::array<char, 16'384> buffer;  // a whole record
  for (int count = 1; established && count > 0;) {
    ERR_clear_error();
    count = SSL_read(ssl.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (count > 0) key_updates = 0;
    if (key_updates > kMaxKeyUpdates) return error("TLS: it changes its keys again and again");
    if (count > 0) {
      plain.append(buffer.data(), static_cast<std::size_t>(count));
    } else if (auto done = failure(count); !done) {
      return done;
    }
  }
  // OpenSSL has taken memory for a message of the handshake then. Clients have none that is so large.
  if (established && is_server() && SSL_in_init(ssl.get()) != 0)
    return error("TLS: a message of a client comes in pieces");
  if (record.size() == TlsRecords::kHeader) return error("TLS: what comes is no record of it");
  return {};
}

std::size_t TlsSession::awaited() const { return s_->records.awaited(); }

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
