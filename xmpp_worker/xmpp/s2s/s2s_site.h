// What the streams of a server of our own share: who we are, how we prove it, and whom we trust how far.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/loop.h"
#include "common/net/resolver.h"
#include "common/net/tls.h"
#include "xmpp_worker/xmpp/s2s/dialback_key.h"
#include "xmpp_worker/xmpp/s2s/peer_names.h"
#include "xmpp_worker/xmpp/stream/path.h"

namespace stox::xmpp {

struct S2sOptions {
  std::vector<std::string> serves;  // our domains; all domains here are prepared
  std::string address;              // to listen at
  uint16_t port = 5269;
  std::string dialback_secret;
  net::TlsFiles tls;
  bool require_tls = true;
  std::vector<std::string> insecure_domains;          // with which plaintext and dialback alone will do
  std::map<std::string, std::string> static_servers;  // domain -> ADDRESS:PORT, before any lookup
  std::size_t max_stanza_bytes = 200'000;             // what other servers take is more
  Duration idle = std::chrono::minutes(30);           // then a stream of ours is closed
  Duration idle_inbound = std::chrono::minutes(60);   // one of others
  // One of ours that never carried a stanza, but dialback's questions; an answer to what came by theirs is
  // late then.
  Duration idle_unused = std::chrono::minutes(2);
};

// For the log.
class S2sEvents {
 public:
  virtual ~S2sEvents() = default;
  virtual void stream_event(const std::string& text) = 0;    // of the usual life of streams
  virtual void stream_trouble(const std::string& text) = 0;  // an operator may want to do something
};

// Outlives all streams.
struct S2sSite {
  net::Loop& loop;
  net::Resolver& resolver;
  PathsUser& user;
  S2sEvents& events;
  S2sOptions options;
  DialbackKeys keys;
  std::shared_ptr<const net::TlsContext> tls;  // replaced when files are read anew; sessions keep theirs
  std::minstd_rand random;
  uint64_t streams = 0;    // numbers given
  std::size_t rested = 0;  // that have given memory back since the system got it back

  bool serves(std::string_view domain) const;
  bool is_insecure(std::string_view domain) const;  // "": some domain is
};

PeerNames names_of(const net::PeerCertificate&);

// One stream, for people.
struct StreamInfo {
  std::string own_domain, domain, direction, state, address, tls, authentication, reason;
  bool bidi = false, management = false;
  uint32_t unacked = 0;
  uint64_t stanzas_in = 0, stanzas_out = 0;
  Time last_traffic{};  // of stanzas; zero = none
  Time retry_at = kNever;
};

}  // namespace stox::xmpp
