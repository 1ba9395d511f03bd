// The way of a message from the bus to XMPP: the worker is its target. Written to the stream, proved by the
// answer to a ping behind it, or refused by the bounce that comes before. While the stream reconnects,
// messages wait here: at most 10 s, at most `max_held`, never past their time.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/service/log.h"
#include "common/service/trace.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"
#include "xmpp_worker/slots.h"
#include "xmpp_worker/xmpp/component.h"
#include "xmpp_worker/xmpp/proof.h"
#include "xmpp_worker/xmpp/stanza.h"
#include "xmpp_worker/xmpp/stanza_id.h"

namespace stox::worker {

class ToXmppUser {
 public:
  virtual ~ToXmppUser() = default;
  virtual void finish(const pb::EnvelopeId&, const pb::Outcome&) = 0;
  // Something was written: end_of_wakeup() is wanted before it leaves.
  virtual void written() = 0;
  virtual bool has_room() const = 0;  // for more in what waits to be sent
};

class ToXmpp : private xmpp::ProofUser {
 public:
  struct Figures {
    uint64_t written = 0, delivered = 0, passed_on = 0, bounced = 0, failed = 0, late_errors = 0;
  };

  // All references must outlive it.
  ToXmpp(std::string domain, std::size_t max_held, xmpp::Component&, xmpp::StanzaIds&, const Clock&,
         service::Log&, service::Trace&, ToXmppUser&);

  void begin(const pb::Envelope&, Time begin_before);
  // An error message, or the answer to an IQ.
  void answer(const xmpp::Stanza&);
  void stream_up();
  void stream_down();
  void end_of_wakeup();
  void turn();
  Time next() const;
  void stop();  // ends all there is

  std::size_t held() const { return held_.size(); }
  std::size_t unproved() const { return under_way_.size(); }
  std::size_t mute_domains() const { return proof_.mute_domains(); }
  const Figures& figures() const { return figures_; }

 private:
  struct Message {  // written, not settled
    pb::EnvelopeId id;
    std::string trace_id, to;
    service::Trace::Handle hop = 0;
  };
  struct Held {
    pb::Envelope envelope;
    Time begin_before;
  };

  void settled(uint64_t number, xmpp::Fate) override;
  void write_ping(const std::string& domain, uint64_t number) override;
  bool peer_answered_since(Time) override;

  void write(const pb::Envelope&, Time begin_before);
  void hold(const pb::Envelope&, Time begin_before);
  bool may_hold() const;
  void write_held();
  void end_unwritten(const pb::Envelope&, const pb::Outcome&);
  pb::Outcome link_down() const;
  void end(uint64_t number, const pb::Outcome&);
  void bounce(const xmpp::Stanza&);
  void pong(const xmpp::Stanza&);
  void watch_peer();

  std::string domain_;
  std::size_t max_held_;
  xmpp::Component& component_;
  xmpp::StanzaIds& ids_;
  const Clock& clock_;
  service::Log& log_;
  service::Trace& trace_;
  ToXmppUser& user_;
  xmpp::Proof proof_{*this};
  Slots<Message> under_way_;
  std::deque<Held> held_;
  Time held_until_ = kNever;  // the earliest time in held_
  Figures figures_;
  xmpp::MessageContent content_;  // reused, as these are
  std::string xml_, id_;
};

}  // namespace stox::worker
