// An XMPP server's side towards other servers, for domains that have no users of their own here: one stream
// to each remote domain that is written to, streams that others open to us, and the questions of dialback
// between the two. Owns them all; the peers of one address are bounded in number, and so is what they can
// make us hold.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/net/listener.h"
#include "xmpp_worker/xmpp/s2s/s2s_accepted.h"
#include "xmpp_worker/xmpp/s2s/s2s_admission.h"
#include "xmpp_worker/xmpp/s2s/s2s_routes.h"
#include "xmpp_worker/xmpp/s2s/s2s_site.h"
#include "xmpp_worker/xmpp/stream/path.h"

namespace stox::xmpp {

class S2sServer final : public Paths, public S2sRouteUser, public S2sAcceptedUser {
 public:
  // Loop, resolver, user and events must outlive it. An Error for files or an address that cannot be used.
  static Result<std::unique_ptr<S2sServer>> create(net::Loop&, net::Resolver&, S2sOptions, PathsUser&,
                                                   S2sEvents&);
  ~S2sServer() override;

  Result<void> listen();
  Path* path(std::string_view from_domain, std::string_view to_domain) override;
  // Certificate and key are read anew, for streams that come. With an Error all stays as it was.
  Result<void> reload(S2sOptions);
  void stop();  // closes all, opens nothing any more
  bool is_stopped() const { return stopped_; }

  // Of a remote domain. How many there were.
  std::size_t close(std::string_view domain, const std::string& reason);
  std::size_t reconnect(std::string_view domain);
  std::size_t retry_all();  // of those that wait for their next try: now

  std::vector<StreamInfo> list() const;
  std::size_t routes() const { return routes_.size(); }
  std::size_t routes_up() const;
  std::size_t inbound() const { return accepted_.size(); }
  std::size_t unproved() const { return admission_.unproved(); }  // of these
  uint64_t refused() const { return refused_; }  // connections and questions of dialback over a bound
  // Streams of others that had proved who they are and ended without their goodbye.
  uint64_t broken() const { return broken_; }
  const net::TlsContext& tls() const { return *site_.tls; }

 private:
  using Key = S2sRoutes::Key;

  S2sServer(net::Loop&, net::Resolver&, S2sOptions, std::shared_ptr<const net::TlsContext>, PathsUser&,
            S2sEvents&);

  // S2sRouteUser, S2sAcceptedUser
  void answered(uint64_t inbound, const DialbackQuestion&, const DialbackVerdict&) override;
  void bury(std::shared_ptr<void>) override;
  void ask(S2sAccepted&, const DialbackQuestion&) override;
  void authenticated(S2sAccepted&, const std::string& from, const std::string& to) override;
  bool may_hold(S2sAccepted&, std::size_t bytes) override;
  bool may_hold(S2sRoute&, std::size_t bytes) override;
  void ended(S2sAccepted&, const StreamEnd&) override;

  void accept(int descriptor, const net::Address& peer);
  void made(S2sRoute&);
  bool make_room(const S2sAdmission::Place&);
  void refuse(const std::string& what);
  void drop_carrier(const S2sAccepted&);
  void leave_idle(Time now);
  void tick();

  S2sSite site_;
  std::unique_ptr<net::Listener> listener_;
  S2sRoutes routes_;
  S2sAdmission admission_;
  Shares domains_;  // of streams that others opened
  std::unordered_map<uint64_t, std::shared_ptr<S2sAccepted>> accepted_;
  std::map<uint64_t, S2sAccepted*> unproved_;  // of them, the oldest first
  std::map<Key, S2sAccepted*> carriers_;       // bidirectional streams that are authenticated
  std::vector<std::shared_ptr<void>> graves_;
  net::EndOfTurn end_of_turn_;
  net::Alarm tick_;
  uint64_t refused_ = 0, broken_ = 0;
  bool stopped_ = false;
};

}  // namespace stox::xmpp
