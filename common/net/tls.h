// TLS by OpenSSL, free of I/O: encrypted bytes go in, plain bytes come out, and the other way round. So a
// connection that is read and written by whoever owns it becomes a TLS one, at once or in its middle
// (STARTTLS).
//
// A certificate of the peer is always looked at and never decides by itself: the session says whether it is
// valid and for which names it stands, and its user, who knows whom he wants to talk to, draws the
// consequence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

struct ssl_ctx_st;

namespace stox::net {

// PEM files.
struct TlsFiles {
  std::string certificate, key;  // chain, leaf first; both empty: no certificate of our own, so clients only
  std::string ca;                // who signs the peers' certificates; empty: the system's
};

// Whom a certificate stands for, as written in it. What matches what is for the protocol to say.
struct CertificateNames {
  std::vector<std::string> dns, uris;
  std::vector<std::string> ips;         // as text
  std::vector<std::string> srv_names;   // id-on-dnsSRV (RFC 4985)
  std::vector<std::string> xmpp_addrs;  // id-on-xmppAddr (RFC 6120 13.7.1.4)
  std::string common_name;              // empty = none
  bool has_alternatives = false;        // any subjectAltName, of these kinds or others
};

struct Certificate {
  CertificateNames names;       // of a peer's certificate only if it is valid
  std::string subject, issuer;  // for people, cut where they are long
  int64_t not_after_s = 0;      // Unix time
  bool has_expired(int64_t now_s) const { return not_after_s < now_s; }
};

struct PeerCertificate : Certificate {
  bool present = false;
  // Chain and dates, and that the key may be used for TLS (extended key usage), be it by a server or a
  // client.
  bool valid = false;
  std::string problem;  // while not valid: why, for people
};

// What sessions share: certificate, key and trust. Read anew by making another one; sessions keep theirs.
class TlsContext {
 public:
  static Result<TlsContext> create(const TlsFiles&);
  TlsContext(TlsContext&&) noexcept;
  TlsContext& operator=(TlsContext&&) noexcept;
  ~TlsContext();

  bool has_certificate() const { return has_certificate_; }
  const Certificate& certificate() const { return certificate_; }  // our own

 private:
  friend class TlsSession;
  struct Free {
    void operator()(ssl_ctx_st*) const;
  };
  TlsContext() = default;

  std::unique_ptr<ssl_ctx_st, Free> handle_;
  bool has_certificate_ = false;
  Certificate certificate_;
};

struct TlsOptions {
  enum class Role { kClient, kServer } role = Role::kClient;
  std::string server_name;  // client: SNI; empty = none, as for an address
  std::string alpn;         // client: what it offers; server: what it takes if it is offered; empty = nothing
  bool ask_certificate = true;  // server
  // Server: an extended key usage (OID) that clients' certificates may have instead of those of TLS.
  std::string key_usage = {};
};

// One session. All output is appended.
class TlsSession {
 public:
  // The context may go before the session.
  TlsSession(const TlsContext&, TlsOptions);
  TlsSession(TlsSession&&) noexcept;
  TlsSession& operator=(TlsSession&&) noexcept;
  ~TlsSession();

  // A client's first flight; nothing for a server. Once, first of all.
  Result<void> start(std::string& wire);
  // Bytes of the peer, however cut. After an Error (the peer's alert, or what it did wrong, for people)
  // `wire` may hold an alert of ours for it, and the session is of no more use.
  Result<void> received(std::string_view bytes, std::string& plain, std::string& wire);
  // How long the record that has begun to come will be, as it says; 0: none has.
  std::size_t awaited() const;
  // Only once established and as long as no Error came.
  void send(std::string_view plain, std::string& wire);
  // That no more will be sent (close_notify).
  void close(std::string& wire);

  bool is_established() const;
  bool is_closed_by_peer() const;       // properly, by close_notify; a bare end of the connection is a cut
  const PeerCertificate& peer() const;  // once established
  PeerCertificate take_peer();          // the same for who keeps it: the session has none afterwards
  std::string_view alpn() const;        // as agreed; empty = none
  std::string description() const;      // "TLSv1.3, TLS_AES_256_GCM_SHA384"

 private:
  friend class TlsContext;
  struct State;
  std::unique_ptr<State> s_;
};

}  // namespace stox::net
