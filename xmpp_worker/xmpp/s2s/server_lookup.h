// Where a domain's server may be found (RFC 6120 3.2, XEP-0368): where the configuration says; at the domain
// itself if that is an address; by the SRV records of both services; else at the domain's own addresses.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "xmpp_worker/xmpp/s2s/s2s_site.h"
#include "xmpp_worker/xmpp/s2s/srv_order.h"

namespace stox::xmpp {

class ServerLookup {
 public:
  struct Found {
    std::vector<ServerTarget> targets = {};  // to be tried in this order
    bool is_not_offered = false;             // the domain says in DNS that it has no server
    std::string failure = {};                // of DNS: records may be missing
  };
  using Done = std::function<void(Found)>;

  // The site must outlive it.
  explicit ServerLookup(S2sSite& site) : site_(site) {}

  // Of a prepared domain. Gives up what was under way. `done` may come from inside the call, and does not
  // after cancel() or destruction.
  void domain(const std::string&, Done);
  // HOST, HOST:PORT, ADDRESS:PORT or [ADDRESS]:PORT, as see-other-host has it (RFC 6120 4.9.3.19). No target
  // for what is none.
  void host(const std::string&, Done);
  void cancel() { query_.reset(); }

 private:
  struct Query;
  void records(const std::string& name, Done);

  S2sSite& site_;
  std::shared_ptr<Query> query_;  // who answers holds it weakly
};

}  // namespace stox::xmpp
