// Every request that comes in, of whatever method, is answered once: what may not pass is refused here,
// copies are absorbed, OPTIONS and CANCEL are answered, and all others go to whoever has the row of their
// method and event package in a table. Free of I/O: answers go out by a FlowSender.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/service/line_budget.h"
#include "common/service/log.h"
#include "common/service/process.h"
#include "common/service/trace.h"
#include "sip_front/request/envelope_sink.h"
#include "sip_front/request/refusals.h"
#include "sip_front/request/request_handler.h"
#include "sip_front/sip/message/random.h"
#include "sip_front/sip/policy/rate_limit.h"
#include "sip_front/sip/policy/request_check.h"
#include "sip_front/sip/transaction/server_transaction.h"

namespace stox {

class Reception {
 public:
  static constexpr std::size_t kMaxCompleted = 65'536;
  // Strangers hear no more than this, so that nobody can be flooded by our answers to whom they forge.
  static constexpr uint32_t kStrangersAnsweredPerSecond = 100;

  // All references must outlive it. Of the bus it only asks whether it is connected.
  Reception(sip::Policy, const Clock&, service::Log&, service::Trace&, sip::Random&, sip::FlowSender&,
            const EnvelopeSink& bus);

  // A row of the table. An empty package: all requests of this method, whatever their Event. The handler must
  // outlive this.
  void add(sip::Method, std::string_view package, RequestHandler&);

  const sip::Policy& policy() const { return policy_; }
  bool trusts(const sip::Flow& flow) const { return sip::is_trusted(flow, policy_); }
  void set_policy(sip::Policy policy) {
    policy_ = std::move(policy);
    refusals_.clear();
  }
  const Refusals& refusals() const { return refusals_; }

  // False: whoever sent this is a stranger, and its connection may be closed when the answer is written.
  bool request(const sip::Message&, const sip::Flow&);
  bool fault(const sip::Message&, const sip::Fault&, const sip::Flow&);

  // New requests are answered 503. Who waits for an answer gets it, and dialogs go on: they are nowhere else.
  void drain(bool on = true) { draining_ = on; }
  bool draining() const { return draining_; }

  // --- For handlers, with a request while they take it. All answers are counted.

  // Opens its transaction: copies are absorbed from now on. At most once for a request.
  sip::Id open(const ReceivedRequest&);
  // The final response, once; an empty reason means the usual one. A 503 has a Retry-After in any case.
  void respond(sip::Id, uint16_t status, std::string_view reason = {}, const sip::ResponseHeaders& = {});
  // As respond(), without a transaction: a copy of the request is taken again.
  void answer(const ReceivedRequest&, uint16_t status, std::string_view reason = {},
              const sip::ResponseHeaders& = {});
  // As answer(), and the operator hears of it: counted by reason, logged, shown by `stoxctl tap --refused`.
  // `detail`: what would let it in, for people; empty: nothing is known.
  void refuse(const ReceivedRequest&, sip::Verdict, std::string_view detail = {});
  // The network that it comes from, for shares of what is bounded (source_network); empty: who is trusted for
  // his address, as a proxy is, speaks for many.
  std::string source_of(const sip::Flow&) const;
  // That the operator's configuration lets messages of this peer in.
  void let_in(const sip::Flow& flow) { refusals_.let_in(flow.peer, clock_.now()); }
  // Which tag our answers to it have in To, unless it has one: the local tag of a dialog that it makes.
  std::string to_tag(const sip::Message& request) const { return sip::to_tag(request, tag_key_); }
  // Whether it may pass, of one that has come by no transport. Nothing is answered or counted.
  sip::Verdict check(const sip::Message&, const sip::Flow&) const;

  Time turn() { return transactions_.turn(clock_.now()); }
  struct Figures {
    std::size_t waiting, completed, completed_bytes;  // server transactions
    uint64_t copies, ignored, unanswered_strangers;
    std::vector<std::pair<const char*, uint64_t>> refused;  // reason and count, of those that occurred
  };
  Figures figures() const;
  void add_metrics(std::vector<service::Metric>&) const;

 private:
  struct Row {
    sip::Method method;
    std::string package;
    RequestHandler* handler;
  };

  bool apply(sip::Verdict, const sip::Message&, const sip::Flow&, std::string_view detail = {});
  bool over_limit(const sip::Flow&, const sip::Verdict&);
  void hand_on(const ReceivedRequest&, sip::ServerTransactions::Match);
  RequestHandler* handler_of(const sip::Message&) const;
  void answer_options(const sip::Message&, const sip::Flow&);
  void answer_stateless(const sip::Message&, const sip::Flow&, uint16_t status, std::string_view reason = {},
                        const sip::ResponseHeaders& = {});
  sip::ResponseHeaders with_retry_after(sip::ResponseHeaders);
  void count(sip::Method, uint16_t status);
  std::string hint(const sip::Message&, const sip::Flow&, sip::Refused) const;
  void show_refused(const sip::Message&, const sip::Flow&, const sip::Verdict&,
                    std::string_view detail) const;
  void note_refusal(const sip::Message&, const sip::Flow&, const sip::Verdict&, std::string_view detail);

  sip::Policy policy_;
  const Clock& clock_;
  service::Log& log_;
  service::Trace& trace_;
  sip::Random& random_;
  sip::FlowSender& sender_;
  const EnvelopeSink& bus_;
  uint64_t seed_;
  sip::TagKey tag_key_;
  sip::ServerTransactions transactions_;
  sip::RateLimit sources_, from_domains_;
  Refusals refusals_;
  Bucket strangers_ = sip::bucket_of(kStrangersAnsweredPerSecond);
  bool draining_ = false;

  std::vector<Row> rows_;
  sip::Methods methods_;  // of the rows
  std::string allow_ = "Allow: OPTIONS\r\n";
  std::string allow_events_;  // a header line, too; empty: no row has a package

  sip::ResponseHead head_;                                                      // reused
  std::string out_;                                                             // reused
  std::vector<uint32_t> answers_ = std::vector<uint32_t>(sip::kMethods * 700);  // by method and status
  std::array<uint64_t, sip::kRefusedReasons> refused_{};
  uint64_t ignored_ = 0, unanswered_strangers_ = 0;
  service::LineBudget refusal_lines_{"requests were refused"};
};

}  // namespace stox
