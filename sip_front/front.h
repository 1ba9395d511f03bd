// The actor of stox-sip-front: SIP transports on the one side, the bus on the other. It owns both and passes
// events between them. Requests go to reception.h, which has a table of who takes them; what is done with a
// message stands in inbound.h (SIP to XMPP) and outbound.h (XMPP to SIP).
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/edge_process/edge_process.h"
#include "common/net/loop.h"
#include "common/net/resolver.h"
#include "sip_front/page/inbound.h"
#include "sip_front/page/message_origin.h"
#include "sip_front/page/outbound.h"
#include "sip_front/page/taken_requests.h"
#include "sip_front/presence/notifying.h"
#include "sip_front/presence/watching.h"
#include "sip_front/request/reception.h"
#include "sip_front/request/request_sender.h"
#include "sip_front/sip/message/random.h"
#include "sip_front/sip/transport/next_hop.h"
#include "sip_front/sip/transport/transport.h"

namespace stox {

class Front final : public EdgeProcess,
                    private sip::TransportUser,
                    private RequestSender::HopFinder,
                    private PresenceOutbox::Outlet,
                    private Outbound::Outlet {
 public:
  // An Error for a port that cannot be had, a configuration that cannot work, or a bus that cannot be set up.
  static Result<std::unique_ptr<service::Process>> create(const service::Context&);

  void stop() override;
  void reload(const service::Config&) override;
  nlohmann::json peers() const override;
  nlohmann::json known_peers() const override;
  std::size_t forget_peers(const std::string& peer) override { return outbound_->formats().forget(peer); }
  nlohmann::json presence(const std::vector<std::string>& user) const override;
  std::size_t forget_presence(const std::vector<std::string>& user) override;
  nlohmann::json inflight() const override;
  std::vector<service::Metric> metrics() const override;

 private:
  static constexpr uint32_t kStrangersLoggedPerSecond = 2;

  explicit Front(const service::Context&);

  // as a process at an end of the bus
  service::Status own_status() const override;
  pb::Serving serving() override;
  void draining_changed() override;
  void look_soon() override { end_of_turn_.ask(); }
  void inject(const std::string& from, const std::string& to, const std::string& text, Injected) override;
  std::pair<std::string, std::string> addresses_of(const bus::InFlight&) const override;
  // bus
  void begin(const pb::Envelope&, Time begin_before) override;
  void ended(uint64_t number, const pb::Outcome&) override;
  void members_changed() override;
  void out_of_reach() override;
  // transports
  const sip::Trust& trust_at(uint16_t listener) const override {
    return reception_->policy().trust_at(listener);
  }
  void received(const sip::Message&, const sip::Flow&) override;
  void faulty(const sip::Message&, const sip::Fault&, const sip::Flow&) override;
  void connection_lost(uint32_t connection, bool never_made, std::string_view why) override;
  void no_way_back(const sip::Flow& asked, std::string_view response) override;
  void unreachable(const sip::Endpoint& peer, std::string_view datagram, std::string_view why) override;
  void tls_failed(const sip::Endpoint& peer, bool ours, std::string_view why) override;
  // requests of ours
  void find_hops(const RequestSender::Way&, std::size_t size, std::function<void(sip::Hops)>) override;
  // presence
  Result<uint64_t> submit_presence(pb::Envelope&, Time begin_before, Time end_by) override;
  // outbound
  bool may_redirect_to(std::string_view host) const override;
  void finish(const pb::EnvelopeId&, pb::Outcome) override;

  nlohmann::json sip() const;
  void note_certificate(const net::TlsContext&);
  void make_parts(sip::Policy, const service::SipFrontConfig&);
  std::unique_ptr<TakenRequests> open_taken();
  void open_formats();
  void open_presence();
  void begin_presence(const pb::Envelope&);
  Time turn_presence();
  void notice_standstill();
  void log_listeners();
  void look_for_proxy();  // if somebody is refused who may be it
  void settle();          // at the end of each turn in which something happened, and when a timer is due

  sip::Random random_;
  std::vector<std::string> own_domains_;  // of SIP addresses that lead to us
  std::unique_ptr<net::Resolver> resolver_;
  std::optional<sip::NextHop> next_hop_, way_back_;
  std::unique_ptr<sip::Transports> transports_;
  // Made when the transports are open and the bus is there.
  std::optional<MessageOrigin> message_origin_;
  std::optional<Reception> reception_;
  std::optional<RequestSender> sender_;
  std::optional<Outbound> outbound_;
  std::optional<Inbound> inbound_;
  // Both null: gateway.presence is off.
  std::unique_ptr<Watching> watching_;
  std::unique_ptr<Notifying> notifying_;
  std::vector<pb::EnvelopeId> presences_;  // that end when what they say is kept
  std::string proxy_uri_;                  // outbound_proxy; empty: none
  std::vector<sip::Endpoint> proxy_;       // where it is, once that mattered
  Time proxy_looked_for_{};
  std::optional<net::Certificate> certificate_;  // of our TLS listeners
  net::EndOfTurn end_of_turn_;
  net::Alarm alarm_;
  Time tick_{};  // the next look at what tells nothing by itself
  uint64_t stray_ = 0;
  struct TlsFailure {
    Time at;
    std::string peer, why;
    uint64_t times;
  };
  std::vector<TlsFailure> tls_failures_;  // the last ones, oldest first
  Bucket logged_strangers_ = sip::bucket_of(kStrangersLoggedPerSecond);
};

}  // namespace stox
