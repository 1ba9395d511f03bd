// The watchers of XMPP users (watchers.h) with what they need of a front: their SUBSCRIBEs are taken and
// answered, and what they are to know goes out as NOTIFYs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/service/log.h"
#include "proto/control.pb.h"
#include "proto/envelope.pb.h"
#include "sip_front/presence/presence_outbox.h"
#include "sip_front/presence/watchers.h"
#include "sip_front/presence/xmpp_reach.h"
#include "sip_front/request/reception.h"
#include "sip_front/request/request_handler.h"
#include "sip_front/request/request_sender.h"

namespace stox {

class Notifying final : public RequestHandler, private RequestSender::User, private Watchers::Outlet {
 public:
  static constexpr std::size_t kMaxDialogs = 100'000;

  // Contacts are those of `transports`, where a SUBSCRIBE came by; all references must outlive it.
  Notifying(char domain_separator, const Clock&, service::Log&, Reception&, RequestSender&,
            const sip::Outlet& transports, PresenceOutbox::Outlet& bus);
  ~Notifying() override { sender_.give_up(*this); }

  Watchers& watchers() { return watchers_; }
  const Watchers& watchers() const { return watchers_; }

  // A SUBSCRIBE of the package.
  void take(const ReceivedRequest&) override;
  // The edges of the bus, whenever they, or what they serve, have changed.
  void members_changed(std::vector<pb::Member> members);
  // Nobody is asked and nobody told any more, least of all that his subscription has ended: the next process
  // goes on.
  void drain(bool on) { draining_ = on; }
  Time turn() { return draining_ ? kNever : watchers_.turn(); }

 private:
  struct Sent {
    sip::Dialog dialog;
    std::string lines, type, body;
  };

  // watchers
  Result<uint64_t> submit(pb::Envelope&) override;
  void send_notify(sip::Id, const sip::Notify&) override;
  XmppReach reach(std::string_view xmpp_domain) const override { return reach_of(xmpp_domain, members_); }
  void not_kept(const std::string& why) override;
  // requests of ours
  void fill(uint64_t token, sip::Request&) override;
  void responded(uint64_t token, RequestSender::FinalResponse) override;
  void failed(uint64_t token, RequestSender::Failure) override;

  const Clock& clock_;
  service::Log& log_;
  Reception& reception_;
  RequestSender& sender_;
  const sip::Outlet& transports_;
  PresenceOutbox::Outlet& bus_;
  Watchers watchers_;
  std::vector<pb::Member> members_;
  std::unordered_map<uint64_t, Sent> sent_;  // by the number of the subscription, which has one at a time
  bool draining_ = false;
};

}  // namespace stox
