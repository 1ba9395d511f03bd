// SIP to XMPP: requests come in, each is answered once. A MESSAGE that may pass becomes an envelope, and its
// outcome the answer. Free of I/O: answers go out by a ResponseSender, envelopes by an EnvelopeSink.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/memo.h"
#include "common/base/result.h"
#include "common/base/shares.h"
#include "common/service/log.h"
#include "common/service/process.h"
#include "common/service/trace.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"
#include "sip_front/request/line_budget.h"
#include "sip_front/request/refusals.h"
#include "sip_front/sip/message/random.h"
#include "sip_front/sip/policy/rate_limit.h"
#include "sip_front/sip/policy/request_check.h"
#include "sip_front/sip/transaction/server_transaction.h"

namespace stox {

// The bus, as far as the way in needs it: bus::Edge.
class EnvelopeSink {
 public:
  virtual ~EnvelopeSink() = default;
  virtual bool has_room() const = 0;      // false: submit() would be refused, as too much is in flight
  virtual bool is_connected() const = 0;  // false: nobody takes envelopes
  virtual Result<uint64_t> submit(pb::Envelope&, Time begin_before, Time end_by) = 0;
  virtual std::string id_of(uint64_t number) const = 0;  // "origin.epoch.number"
  virtual void submit_lossy(pb::Envelope&, Time begin_before) = 0;
  // What was taken came from this peer in this form.
  virtual void took(std::string_view /*from_uri*/, const sip::Message&) {}
};

class Inbound {
 public:
  // From receipt to the outcome. The client gives up after 32 s (Timer F).
  static constexpr Duration kDeadline = std::chrono::seconds(25);
  static constexpr std::size_t kMaxCompleted = 65'536;
  // Strangers hear no more than this, so that nobody can be flooded by our answers to whom they forge.
  static constexpr uint32_t kStrangersAnsweredPerSecond = 100;

  // All references must outlive it.
  // `max_in_flight`: of which senders and domains have shares.
  Inbound(sip::Policy, std::size_t max_in_flight, const Clock&, service::Log&, service::Trace&, sip::Random&,
          sip::ResponseSender&, EnvelopeSink&);

  const sip::Trust& trust_at(uint16_t listener) const { return policy_.trust_at(listener); }
  bool trusts(const sip::Flow& flow) const { return sip::is_trusted(flow, policy_); }
  void set_policy(sip::Policy policy) {
    policy_ = std::move(policy);
    refusals_.clear();
  }
  const Refusals& refusals() const { return refusals_; }

  // False: whoever sent this is a stranger, and its connection may be closed when the answer is written.
  bool request(const sip::Message&, const sip::Flow&);
  bool fault(const sip::Message&, const sip::Fault&, const sip::Flow&);
  void ended(uint64_t number, const pb::Outcome&);

  // As if `from` had sent this text in a MESSAGE to `to`; the result, in words and with the trace id, comes
  // by `done`.
  struct Injected {
    bool ok;
    std::string trace_id;  // 16 bytes; empty: nothing was sent
    std::string text;      // the answer, or why there is none
  };
  void inject(std::string_view from, std::string_view to, std::string_view text,
              std::function<void(const Injected&)> done);

  void drain(bool on = true) { draining_ = on; }  // new messages are answered 503
  void give_up();                                 // all that waits is answered 503
  bool idle() const { return waiting_.size() == 0; }

  Time turn() { return transactions_.turn(clock_.now()); }
  struct Figures {
    std::size_t waiting, completed, completed_bytes;  // server transactions
    uint64_t copies, ignored, unanswered_strangers;
    std::vector<std::pair<const char*, uint64_t>> refused;  // reason and count, of those that occurred
  };
  Figures figures() const;
  void add_metrics(std::vector<service::Metric>&) const;

 private:
  struct Waiting {        // for the outcome of an envelope
    uint64_t number = 0;  // 0 = free
    sip::Id transaction;  // none: injected
    std::function<void(const Injected&)> injected;
    service::Trace::Handle hop = 0;
    std::string trace_id;
    Time came{};
    Shares::Claim claim;
  };
  struct Answer {
    uint16_t status;
    std::string reason;
    sip::ResponseHeaders headers;
  };

  bool apply(sip::Verdict, const sip::Message&, const sip::Flow&, std::string_view detail = {});
  bool over_limit(const sip::Message&, const sip::Flow&, const sip::Verdict&);
  void take(const sip::Message&, const sip::Flow&, sip::ServerTransactions::Match);
  void take_typing(sip::Id transaction);
  void fill(const sip::Message&, const sip::NameAddr& sender);
  Shares::Claim claim_of(const sip::Flow&);
  std::string hint(const sip::Message&, const sip::Flow&, sip::Refused) const;
  void fill_conversation();
  Result<Waiting*> submit(std::string_view call_id, Duration valid_for, std::string_view body);
  void answer_stateless(const sip::Message&, const sip::Flow&, const Answer&);
  Answer unavailable();
  Answer answer_to(const pb::Outcome&);
  void count(sip::Method, uint16_t status);
  void show_refused(const sip::Message&, const sip::Flow&, const sip::Verdict&,
                    std::string_view detail) const;
  void note_refusal(const sip::Message&, const sip::Flow&, const sip::Verdict&, std::string_view detail);

  sip::Policy policy_;
  const Clock& clock_;
  service::Log& log_;
  service::Trace& trace_;
  sip::Random& random_;
  sip::ResponseSender& sender_;
  EnvelopeSink& sink_;
  uint64_t seed_;
  sip::TagKey tag_key_;
  sip::ServerTransactions transactions_;
  sip::RateLimit sources_, from_domains_;
  Shares shares_;
  Refusals refusals_;
  sip::Bucket strangers_;
  sip::Slots<Waiting> waiting_;
  sip::HashIndex by_number_;
  bool draining_ = false;

  Memo<std::string> address_keys_;
  std::string from_key_, to_key_;  // of the message that fill() has read
  pb::Envelope envelope_;          // reused
  sip::ResponseHead head_;         // reused
  std::string out_;                // reused
  std::vector<uint32_t> answers_ = std::vector<uint32_t>(sip::kMethods * 700);  // by method and status
  std::array<uint64_t, sip::kRefusedReasons> refused_{};
  uint64_t ignored_ = 0, unanswered_strangers_ = 0;
  LineBudget refusal_lines_{"requests were refused"}, failure_lines_{"messages failed"};
};

}  // namespace stox
