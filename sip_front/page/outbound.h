// XMPP to SIP: envelopes become MESSAGE requests, final responses their outcomes. One MESSAGE per target URI
// is under way (RFC 3428 section 8), what else is for it waits in a short queue. Which form of a message goes
// to whom is decided here; how a request gets there is known to the RequestSender.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/deadlines.h"
#include "common/service/line_budget.h"
#include "common/service/log.h"
#include "common/service/process.h"
#include "common/service/trace.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"
#include "sip_front/page/known_lines.h"
#include "sip_front/page/peer_formats.h"
#include "sip_front/page/typing.h"
#include "sip_front/request/request_sender.h"
#include "sip_front/sip/message/message.h"
#include "sip_front/sip/message/random.h"
#include "sip_front/sip/message/writer.h"
#include "sip_front/sip/transaction/table.h"

namespace stox {

class Outbound : private RequestSender::User {
 public:
  static constexpr std::size_t kMaxPerTarget = 128;  // with the one under way
  static constexpr std::size_t kMaxTargets = 5;      // of one message that is redirected

  class Outlet {
   public:
    virtual ~Outlet() = default;
    // Whether a redirection to this host is to be followed.
    virtual bool may_redirect_to(std::string_view /*host*/) const { return false; }
    virtual void finish(const pb::EnvelopeId&, pb::Outcome) = 0;
  };

  // All references must outlive it.
  Outbound(const Clock&, service::Log&, service::Trace&, sip::Random&, RequestSender&, Outlet&);

  // Requests of more than RequestSender::kSmall bytes: refused, or (else) sent over TCP or TLS only.
  void refuse_large(bool refuse) { refuse_large_ = refuse; }

  // Ends in one Outlet::finish. Nothing is begun after `begin_before`. Of typing nothing is said at its end.
  void begin(const pb::Envelope&, Time begin_before);

  Time turn();  // does what is due; returns when to call again

  // All that there is ends now, and nothing of it is sent any more. `reason`: of what was not begun; `why`:
  // "this process ...".
  void give_up(pb::Reason reason, std::string_view why);
  bool idle() const { return deliveries_.size() == statuses_under_way_; }
  PeerFormats& formats() { return formats_; }
  const PeerFormats& formats() const { return formats_; }
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
    // The request under way.
    int part = 0, alternative = 0;
    uint32_t cseq = 0, attempts = 0;
    std::string call_id, from_tag;  // of the part under way
    bool passed_on = false;         // a part was answered 202
    bool will_be_told = false;      // a part arrived as one that asks for notifications
    bool is_typing() const { return message.typing() != pb::SipMessage::NONE; }
  };
  struct Queue {  // of one target, in order; the first is under way
    std::string target;
    uint32_t first = 0, last = 0;  // slots of deliveries
    std::size_t size = 0;
  };

  void fill(uint64_t token, sip::Request&) override;
  void goes_to(uint64_t token, const sip::Hop&) override;
  void responded(uint64_t token, RequestSender::FinalResponse) override;
  void failed(uint64_t token, RequestSender::Failure) override;

  sip::Id take(const pb::EnvelopeId&, const pb::SipMessage&, const std::string& trace_id, Time begin_before);
  void begin_typing(const pb::Envelope&, Time begin_before);
  void begin_part(Delivery&, const std::string& envelope);  // that envelope's name
  void take_contacts(Delivery&, const sip::Message& response);
  bool next_target(sip::Id);
  uint32_t next_cseq(const Delivery&);
  void used(Delivery&, uint32_t cseq);
  bool choose_alternative(Delivery&, int from);
  bool is_busy(const std::string& target) const;
  uint32_t find_queue(const std::string& target, uint64_t hash) const;
  uint32_t queue_of(const std::string& target);
  void start(sip::Id);
  void send(sip::Id);
  void again(sip::Id, sip::Id request);
  std::size_t request_size(const Delivery&) const;
  void unanswered(sip::Id, uint32_t code, std::string reason, RequestSender::Failure);
  void fail(sip::Id, uint32_t code, std::string reason, std::string text, bool unresolvable = false);
  void end(sip::Id, pb::Outcome);
  void leave_queue(sip::Id);
  static std::string text_of(const pb::EnvelopeId&);  // "origin.epoch.number"
  static void read_status(const sip::Message& response, pb::SipStatus&);

  const Clock& clock_;
  service::Log& log_;
  service::Trace& trace_;
  sip::Random& random_;
  RequestSender& sender_;
  Outlet& outlet_;
  uint64_t seed_;
  sip::Slots<Delivery> deliveries_;
  sip::Slots<Queue> queues_;
  sip::HashIndex by_target_;
  Deadlines<sip::Id> begin_before_;  // of those in queues
  PeerFormats formats_;
  Typing typing_;
  KnownLines lines_;
  std::size_t statuses_under_way_ = 0;  // deliveries of typing
  uint32_t shared_cseq_ = 0;            // of Call-IDs that messages share
  bool refuse_large_ = false;
  service::LineBudget failure_lines_{"messages failed"};
  uint64_t overloaded_ = 0, expired_ = 0, plainer_ = 0, redirected_ = 0, typing_dropped_ = 0;
};

}  // namespace stox
