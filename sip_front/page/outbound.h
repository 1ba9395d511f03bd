// XMPP to SIP: envelopes become MESSAGE requests, final responses their outcomes. One MESSAGE per target URI
// is under way (RFC 3428 section 8), what else is for it waits in a short queue. Free of I/O: requests, DNS
// and outcomes go out by an Outlet.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/deadlines.h"
#include "common/base/result.h"
#include "common/service/log.h"
#include "common/service/process.h"
#include "common/service/trace.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"
#include "sip_front/page/peer_formats.h"
#include "sip_front/page/typing.h"
#include "sip_front/request/line_budget.h"
#include "sip_front/request/passwords.h"
#include "sip_front/request/resting_hops.h"
#include "sip_front/request/silent_hops.h"
#include "sip_front/sip/message/random.h"
#include "sip_front/sip/transaction/client_transaction.h"
#include "sip_front/sip/transaction/table.h"
#include "sip_front/sip/transport/next_hop.h"
#include "sip_front/sip/transport/transport.h"

namespace stox {

class Outbound : private sip::ClientUser {
 public:
  static constexpr std::size_t kMaxPerTarget = 128;  // with the one under way
  static constexpr std::size_t kSmall = 1300;        // RFC 3428 8: larger ones need congestion control
  static constexpr std::size_t kMaxTargets = 5;      // of one message that is redirected

  class Outlet {
   public:
    virtual ~Outlet() = default;
    // Whether a redirection to this host is to be followed.
    virtual bool may_redirect_to(std::string_view /*host*/) const { return false; }
    virtual void find_hops(std::string_view request_uri, std::size_t size,
                           std::function<void(sip::Hops)>) = 0;
    virtual Result<sip::Flow> flow_to(const sip::Hop&) = 0;
    virtual sip::SentBy sent_by(const sip::Flow&) const = 0;
    virtual void send(const sip::Flow&, std::string_view bytes) = 0;
    virtual void finish(const pb::EnvelopeId&, pb::Outcome) = 0;
  };

  // All references must outlive it, and no callback of find_hops may come after its end.
  Outbound(const Clock&, service::Log&, service::Trace&, sip::Random&, Outlet&);

  // For requests from now on. `route`: what they carry as Route, empty = none; credentials: what 401 and 407
  // are answered with, by realm. `has_proxy`: all requests go to one configured proxy.
  void configure(std::string route, std::vector<sip::Credentials> credentials, bool has_proxy);
  // Requests of more than kSmall bytes: refused, or (else) sent over TCP or TLS only.
  void refuse_large(bool refuse) { refuse_large_ = refuse; }

  // Ends in one Outlet::finish. Nothing is begun after `begin_before`. Of typing nothing is said at its end.
  void begin(const pb::Envelope&, Time begin_before);

  bool response(const sip::Message& message) { return transactions_.receive(message, clock_.now()); }
  void connection_lost(uint32_t connection, bool never_made, std::string_view why) {
    transactions_.connection_lost(connection, never_made, why);
  }
  void unreachable(const sip::Endpoint& peer, std::string_view datagram, std::string_view why) {
    transactions_.unreachable(peer, datagram, why);
  }
  Time turn();

  // All that there is ends now, and nothing of it is sent any more. `reason`: of what was not begun; `why`:
  // "this process ...".
  void give_up(pb::Reason reason, std::string_view why);
  std::size_t waiting() const { return transactions_.waiting(); }  // client transactions
  bool idle() const { return deliveries_.size() == statuses_under_way_; }
  PeerFormats& formats() { return formats_; }
  const PeerFormats& formats() const { return formats_; }
  const SilentHops& silent_hops() const { return silent_; }
  struct Listed {
    std::string id, trace_id, from, to;
    const char* stage;
    uint32_t attempts;
    Time came;
  };
  std::vector<Listed> list() const;
  void add_metrics(std::vector<service::Metric>&) const;

 private:
  enum class Stage : uint8_t { kFree, kQueued, kResolving, kSent };
  struct Delivery {
    Stage stage = Stage::kFree;
    pb::EnvelopeId id;
    pb::SipMessage message;
    std::string trace_id;
    service::Trace::Handle hop = 0;
    Time came{}, begin_before{};
    uint32_t queue = 0, next = 0;  // slots
    // Request-URIs: the message's, and where a 302 said that its recipient is (RFC 3261 8.1.3.4). The last of
    // `tried` is the one of the attempt; the best of those to come is the last.
    std::vector<std::string> tried, to_come;
    const std::string& target() const { return tried.back(); }
    // The attempt under way.
    int part = 0, alternative = 0;
    std::vector<sip::Hop> hops;
    std::size_t at_hop = 0;
    uint32_t cseq = 0, attempts = 0;
    std::string call_id, from_tag;         // of the part under way
    std::vector<sip::Challenge> answered;  // at this hop, for this part
    std::optional<pb::SipStatus> refused;  // the 503 of a hop before this one
    std::size_t too_large = 0;             // bytes of a request that UDP must not carry
    bool sought_large = false;             // the hops are those for a large request
    bool passed_on = false;                // a part was answered 202
    bool will_be_told = false;             // a part arrived as one that asks for notifications
    bool is_typing() const { return message.typing() != pb::SipMessage::NONE; }
  };
  struct Queue {  // of one target, in order; the first is under way
    std::string target;
    uint32_t first = 0, last = 0;  // slots of deliveries
    std::size_t size = 0;
  };

  void send_request(const sip::Flow& flow, std::string_view bytes) override { outlet_.send(flow, bytes); }
  void responded(uint64_t token, const sip::Message&) override;
  void timed_out(uint64_t token) override;
  void transport_failed(uint64_t token, bool may_have_arrived, std::string_view why) override;

  sip::Id take(const pb::EnvelopeId&, const pb::SipMessage&, const std::string& trace_id, Time begin_before);
  void begin_typing(const pb::Envelope&, Time begin_before);
  void begin_part(Delivery&);
  void take_contacts(Delivery&, const sip::Message& response);
  bool next_target(sip::Id);
  uint32_t next_cseq(const Delivery&);
  bool choose_alternative(Delivery&, int from);
  bool is_busy(const std::string& target) const;
  uint32_t find_queue(const std::string& target, uint64_t hash) const;
  uint32_t queue_of(const std::string& target);
  void start(sip::Id);
  void resolved(sip::Id, sip::Hops);
  void attempt(sip::Id);
  void try_hops(sip::Id, std::string why = {});
  void next_hop(Delivery&);
  Result<void> write(const Delivery&, const sip::Flow&, const std::string& branch, const sip::SentBy&);
  std::size_t request_size(const Delivery&);
  void find_hops(sip::Id, std::size_t size);
  void too_large(sip::Id, const std::string& text);
  void transport_failure(sip::Id, std::string text);
  void unanswered(sip::Id, uint32_t code, std::string reason, std::string text);
  void fail(sip::Id, uint32_t code, std::string reason, std::string text, bool unresolvable = false);
  void end(sip::Id, pb::Outcome);
  void leave_queue(sip::Id);
  static std::string text_of(const pb::EnvelopeId&);  // "origin.epoch.number"
  static void read_status(const sip::Message& response, pb::SipStatus&);

  const Clock& clock_;
  service::Log& log_;
  service::Trace& trace_;
  sip::Random& random_;
  Outlet& outlet_;
  uint64_t seed_;
  sip::ClientTransactions transactions_;
  sip::Slots<Delivery> deliveries_;
  sip::Slots<Queue> queues_;
  sip::HashIndex by_target_;
  Deadlines<sip::Id> begin_before_;  // of those in queues
  PeerFormats formats_;
  Typing typing_;
  std::size_t statuses_under_way_ = 0;  // deliveries of typing
  uint32_t shared_cseq_ = 0;            // of Call-IDs that messages share
  bool refuse_large_ = false;
  std::string route_;
  Passwords passwords_;
  RestingHops resting_;
  SilentHops silent_;
  LineBudget failure_lines_{"messages failed"};
  std::string out_;                       // reused
  std::array<uint64_t, 700> statuses_{};  // of final responses; 0: none came
  uint64_t overloaded_ = 0, expired_ = 0, plainer_ = 0, redirected_ = 0, typing_dropped_ = 0, challenged_ = 0,
           failed_over_ = 0;
};

}  // namespace stox
