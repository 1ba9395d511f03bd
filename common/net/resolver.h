// Asynchronous DNS by libunbound on the process's own loop. While name servers fail, what they said within
// the last day holds (RFC 8767).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/net/loop.h"

namespace stox::net {

struct Address {
  std::string ip;  // text of an IPv4 or IPv6 address
  uint16_t port = 0;
  bool operator==(const Address&) const = default;
};

struct SrvRecord {
  uint16_t priority = 0, weight = 0, port = 0;
  std::string target;  // "." says that the service is not offered
};

// RFC 3403. A terminal record of flag "s" (RFC 3263 4.1) says at which name SRV records stand.
struct NaptrRecord {
  uint16_t order = 0, preference = 0;
  std::string flags, service, regexp;
  std::string replacement;  // "." when the regexp is to be used
};

// RFC 6698 2.1.
struct TlsaRecord {
  uint8_t usage = 0, selector = 0, matching = 0;
  std::string data;  // bytes, never none
};

struct ResolveError {
  enum class Kind { kNoName, kNoRecord, kFailed } kind;  // NXDOMAIN; name without such a record; no answer
  std::string text;
};

template <class T>
using Resolved = tl::expected<T, ResolveError>;

class Resolver {
 public:
  struct Options {
    std::vector<std::string> servers;  // "ADDRESS" or "ADDRESS:PORT"; empty: the system's resolv.conf
    bool hosts_file = true;            // read /etc/hosts
    // DS or DNSKEY records as text. With any, only what DNSSEC proves by them (RFC 4035) is an answer, and
    // all else an error of kind kFailed.
    std::vector<std::string> trust_anchors = {};
  };
  // The loop must outlive it. Callbacks come from the loop, never from inside the call; none after
  // destruction.
  static Result<std::unique_ptr<Resolver>> create(Loop&, const Options&);
  virtual ~Resolver() = default;

  // IPv4 addresses first, in the order of the answer. A literal address answers itself.
  virtual void addresses(const std::string& host,
                         std::function<void(Resolved<std::vector<std::string>>)>) = 0;
  // As in the answer, unsorted.
  virtual void srv(const std::string& name, std::function<void(Resolved<std::vector<SrvRecord>>)>) = 0;
  // As in the answer, unsorted. A resolver that has none of them answers kNoRecord, from inside the call.
  virtual void naptr(const std::string& name, std::function<void(Resolved<std::vector<NaptrRecord>>)>);
  // The same; `name` is "_PORT._tcp.HOST" (RFC 6698 3).
  virtual void tlsa(const std::string& name, std::function<void(Resolved<std::vector<TlsaRecord>>)>);
};

}  // namespace stox::net
