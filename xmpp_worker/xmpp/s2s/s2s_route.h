// The way from one of our domains to a remote one: finds its server (RFC 6120 3.2, XEP-0368), connects, keeps
// one stream as long as there is use for it, and backs off while there is none. When the remote server has
// opened a bidirectional stream to us (XEP-0288), that one carries, too. It asks the dialback questions of
// streams that we accept on a connection of its own, never on the one that a key came on.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/net/connector.h"
#include "common/net/loop.h"
#include "xmpp_worker/xmpp/s2s/s2s_admission.h"
#include "xmpp_worker/xmpp/s2s/s2s_connection.h"
#include "xmpp_worker/xmpp/s2s/s2s_site.h"
#include "xmpp_worker/xmpp/s2s/server_lookup.h"
#include "xmpp_worker/xmpp/s2s/srv_order.h"
#include "xmpp_worker/xmpp/stream/path.h"

namespace stox::xmpp {

class S2sRoute;

// A bidirectional stream of the remote server.
class S2sCarrier {
 public:
  virtual ~S2sCarrier() = default;
  virtual void carry(std::string_view xml) = 0;
  virtual void write_soon() = 0;
  virtual bool has_room() const = 0;
  virtual Time last_proof_of_life() const = 0;
  virtual void add(S2sRoute&) = 0;  // from now on the route's about_to_write() is called
  virtual void remove(S2sRoute&) = 0;
};

class S2sRouteUser {
 public:
  virtual ~S2sRouteUser() = default;
  virtual void answered(uint64_t inbound, const DialbackQuestion&, const DialbackVerdict&) = 0;
  // The end of a connection, which may be destroyed later, from no call of its own.
  virtual void bury(std::shared_ptr<void>) = 0;
  virtual bool may_hold(S2sRoute&, std::size_t bytes) = 0;  // as S2sConnectionUser
};

class S2sRoute final : public Path, private S2sConnectionUser {
 public:
  // Site and user must outlive it. Domains are prepared.
  S2sRoute(S2sSite&, S2sRouteUser&, std::string own_domain, std::string domain);
  ~S2sRoute() override;

  // Something is to be sent: connects, if it is not waiting for a better time.
  void want();
  // Questions of the inbound stream with this number; the answer comes later.
  void ask(const DialbackQuestion&, uint64_t inbound);
  void set_carrier(S2sCarrier*);          // null: it has gone
  void close(const std::string& reason);  // what we opened; comes back when it is wanted
  void reconnect();                       // now, whatever happened before
  // Every few seconds: closes what has been idle. True: nobody needs the route any more.
  bool look_idle();
  // What would be lost with it: a failure that is remembered, a stream that is idle, or more.
  enum class Need { kFailed, kIdle, kSome };
  Need need(Time now) const;
  bool is_asked() const { return !asked_.empty(); }
  Time used() const;  // last
  void about_to_write() override;

  S2sAdmission::Place place;  // the owner's

  const std::string& domain() const { return domain_; }
  StreamInfo info() const;

  const std::string& own_domain() const override { return own_domain_; }
  Sent send(std::string_view from, std::string_view xml) override;
  void write_soon() override;
  void hurry(bool, Time now) override;
  bool has_room() const override;
  bool is_up() const override { return is_out_up() || carrier_ != nullptr; }
  bool is_refused() const override { return refused_; }
  const std::string& reason() const override { return reason_; }
  std::string_view condition() const override { return told_.condition; }
  Time down_since() const override { return down_since_; }
  Time retry_at() const override { return state_ == State::kWaiting ? alarm_.at() : kNever; }
  Time last_proof_of_life() const override;
  Time proved_until() const override;
  void ask_for_proof(Time now) override;
  Time up_since() const override { return up_since_; }

 private:
  enum class State { kIdle, kWaiting, kResolving, kConnecting, kNegotiating, kUp };
  struct Asked {
    DialbackQuestion question;
    uint64_t inbound;
    Time at;
  };

  bool is_out_up() const { return state_ == State::kUp; }
  net::Loop& loop() const { return site_.loop; }
  void begin();
  void begin_attempt();
  void begin_anew();
  void found(ServerLookup::Found);
  void next_target();
  void connect(const ServerTarget&, const std::vector<std::string>& ips);
  void negotiate(int descriptor, const std::string& server);
  void target_failed(StreamEnd);
  void attempt_failed();
  bool follow(StreamEnd&);
  void negotiating() override;
  void stream_up() override;
  void stream_ended(const StreamEnd&, bool external_refused) override;
  void verified(const DialbackQuestion&, const DialbackVerdict&) override;
  bool may_hold(std::size_t bytes) override { return user_.may_hold(*this, bytes); }
  void answer_asked(const std::string& condition);
  void check_up(bool was_up);
  void go_on_elsewhere();
  void wait(Duration);
  static std::string_view state_name(State);

  S2sSite& site_;
  S2sRouteUser& user_;
  std::string own_domain_, domain_;
  State state_ = State::kIdle;
  net::Alarm alarm_;
  ServerLookup lookup_;
  net::Connector connector_;
  std::shared_ptr<S2sConnection> out_;
  S2sCarrier* carrier_ = nullptr;
  std::shared_ptr<char> attempt_;  // who resolves asks whether this is still the attempt it resolves for

  // of the attempt
  std::string lookup_failure_;
  std::vector<ServerTarget> targets_;
  ServerTarget target_;
  std::optional<StreamEnd> failure_;  // of the last target
  std::string failures_text_;
  bool no_such_host_ = false;  // no target had an address
  bool use_external_ = true;
  unsigned redirects_ = 0;  // followed, one after the other

  std::vector<Asked> asked_;
  bool wanted_ = false;
  bool is_forgettable_ = false;  // the last attempt failed, and nobody wants another
  unsigned failures_ = 0;        // attempts since one came up
  Time used_{}, up_since_{}, failed_at_{};
  Time down_since_{};
  bool refused_ = false;
  std::string reason_, last_failure_;
  StanzaError told_;
};

}  // namespace stox::xmpp
