// SIP to XMPP: a MESSAGE becomes an envelope, and its outcome the answer. Free of I/O: requests come from
// Reception, which sends the answers, and envelopes go out by an EnvelopeSink.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/memo.h"
#include "common/base/result.h"
#include "common/base/shares.h"
#include "common/service/line_budget.h"
#include "common/service/log.h"
#include "common/service/trace.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"
#include "sip_front/page/peer_formats.h"
#include "sip_front/request/envelope_sink.h"
#include "sip_front/request/reception.h"
#include "sip_front/request/request_handler.h"
#include "sip_front/sip/message/random.h"
#include "sip_front/sip/transaction/table.h"

namespace stox {

class Inbound final : public RequestHandler {
 public:
  // From receipt to the outcome. The client gives up after 32 s (Timer F).
  static constexpr Duration kDeadline = std::chrono::seconds(25);

  // All references must outlive it.
  // `max_in_flight`: of which senders and domains have shares.
  Inbound(Reception&, std::size_t max_in_flight, const Clock&, service::Log&, service::Trace&, sip::Random&,
          EnvelopeSink&, PeerFormats&);

  void take(const ReceivedRequest&) override;
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

  void give_up();  // all that waits is answered 504
  bool idle() const { return waiting_.size() == 0; }

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
  struct Response {
    uint16_t status;
    std::string reason;
    sip::ResponseHeaders headers;
  };

  void learn_format(const sip::Message&);
  void take_typing(sip::Id transaction);
  void fill(const sip::Message&, const sip::NameAddr& sender);
  Shares::Claim claim_of(const sip::Flow&);
  void fill_conversation();
  Result<Waiting*> submit(std::string_view call_id, Duration valid_for, std::string_view body);
  Response response_to(const pb::Outcome&);

  Reception& reception_;
  const Clock& clock_;
  service::Log& log_;
  service::Trace& trace_;
  sip::Random& random_;
  EnvelopeSink& sink_;
  PeerFormats& formats_;
  Shares shares_;
  sip::Slots<Waiting> waiting_;
  sip::HashIndex by_number_;

  Memo<std::string> address_keys_;
  std::string from_key_, to_key_;  // of the message that fill() has read
  pb::Envelope envelope_;          // reused
  service::LineBudget failure_lines_{"messages failed"};
};

}  // namespace stox
