// The way of a message from the bus to XMPP: the worker is its target. Written to the path of its two
// domains, proved by the answer to a ping behind it, or refused by the bounce that comes before. While the
// path connects, messages wait here: at most 10 s, at most `max_held` in all, never past their time. Typing
// (XEP-0085) is written at once or not at all, and ends by itself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/base/deadlines.h"
#include "common/service/line_budget.h"
#include "common/service/log.h"
#include "common/service/trace.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"
#include "xmpp_worker/page/contacts.h"
#include "xmpp_worker/page/numbered.h"
#include "xmpp_worker/page/receipts.h"
#include "xmpp_worker/xmpp/proof/proof.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"
#include "xmpp_worker/xmpp/stanza/stanza_id.h"
#include "xmpp_worker/xmpp/stream/path.h"

namespace stox::worker {

struct Answer;

class ToXmppUser {
 public:
  virtual ~ToXmppUser() = default;
  virtual void finish(const pb::EnvelopeId&, const pb::Outcome&) = 0;
  virtual xmpp::Path* path(std::string_view from_domain, std::string_view to_domain) = 0;  // as xmpp::Paths
  // An error came for a message whose outcome had been told.
  virtual void refused_late(const xmpp::StanzaId&, const Answer&) {}
};

// What came for a stanza that was written.
struct Answer {
  bool to_message = false;        // else to an IQ
  std::string_view id, from, to;  // as they came
  xmpp::StanzaError error;        // of an error
  uint64_t connection = 0;        // it came on: 0 our own, else another worker's
};

// Messages may wait for it while it is not up: not for a server that refuses us, nor when it is down for 10
// s.
bool may_hold(const xmpp::Path&, Time now);

class ToXmpp {
 public:
  struct Figures {
    uint64_t written = 0, delivered = 0, passed_on = 0, bounced = 0, failed = 0, late_errors = 0;
    uint64_t typing = 0, typing_dropped = 0;
  };

  // All references must outlive it.
  ToXmpp(std::size_t max_held, xmpp::StanzaIds&, Contacts&, const Clock&, service::Log&, service::Trace&,
         ToXmppUser&);

  void begin(const pb::Envelope&, Time begin_before);
  // Its id is one that a worker of this domain wrote.
  void answer(const xmpp::StanzaId&, const Answer&);
  // The room has shown it to all who are in it: that proves more than an answer to a ping, which comes of the
  // room's server.
  void reflected(const xmpp::StanzaId&);
  // Connections of other workers on which our domain's answers may come (xmpp::Proof).
  void set_others(std::vector<uint64_t> connections);
  void other_lost();
  void path_up(xmpp::Path&);
  void path_down(xmpp::Path&);
  void path_gone(xmpp::Path&);
  void about_to_write(xmpp::Path&);
  void turn();
  Time next() const {
    return std::min(
        {due_.next(), contacts_.next(), unreflected_.empty() ? kNever : unreflected_.front().until});
  }
  void stop();                                  // ends all there is
  void drop_held(pb::Reason, const char* why);  // what waits for a stream is not written any more

  std::size_t held() const { return held_; }
  std::size_t unproved() const { return under_way_.size(); }
  std::size_t mute_domains() const;
  const Figures& figures() const { return figures_; }

 private:
  struct Message {  // written, not settled
    pb::EnvelopeId id;
    std::string trace_id, to;
    std::string sip_id;  // the Message-ID that a notification of its failure would name; empty = none
    service::Trace::Handle hop = 0;
    bool is_to_room = false;
  };
  struct Unreflected {  // its server has it, and the room is about to show it
    uint64_t number;
    Time until;
  };
  struct Held {
    pb::Envelope envelope;
    Time begin_before;
  };

  // A path, what waits for it, and what is written to it and not proved.
  struct Way final : xmpp::ProofUser {
    Way(ToXmpp& o, uint64_t n, xmpp::Path& l) : owner(o), number(n), path(l) {}
    void settled(uint64_t each, xmpp::Fate fate) override { owner.settled(each, fate); }
    void write_ping(const std::string& domain, uint64_t ping, bool to_any_user) override {
      owner.write_ping(*this, to_any_user ? "ping-" + std::to_string(ping) + "@" + domain : domain, ping);
    }
    bool peer_answered_since(Time at) override { return path.last_proof_of_life() > at; }

    ToXmpp& owner;
    const uint64_t number;  // of this way, never given twice: pings carry it
    xmpp::Path& path;
    xmpp::Proof proof{*this};
    std::deque<Held> held;
    Time turn_at = kNever;  // as it stands in due_
  };

  void settled(uint64_t number, xmpp::Fate);
  void write_ping(const Way&, const std::string& to, uint64_t ping);

  Way& way_of(xmpp::Path&);
  Way* find(const xmpp::Path&);
  void begin_receipts(const pb::Envelope&, Time begin_before);
  void carry(const pb::Envelope&, Time begin_before);
  void write(Way&, const pb::Envelope&, Time begin_before);
  // Leave in xml_ what is written last, and send what goes before it, unless that fails.
  IdContent write_words(Way&, const pb::XmppMessage&, uint64_t number, xmpp::Path::Sent&);
  IdContent write_receipts(Way&, const pb::XmppMessage&, uint64_t number);
  void write_receipt(Way&, const pb::XmppMessage&, const pb::Receipt&, uint64_t number);
  bool is_wanted(const pb::XmppMessage&, const pb::Receipt&);
  void show_typing(const pb::Envelope&);
  void write_state(Contact&, std::string_view state);
  void hold(Way&, const pb::Envelope&, Time begin_before);
  void write_held(Way&);
  void end_held(Way&);  // what must not wait any longer
  void turn(Way&);
  void arrange(Way&);  // after whatever changed it
  void end_unwritten(const pb::Envelope&, const pb::Outcome&);
  void end(uint64_t number, const pb::Outcome&);
  void end_unreflected(Time until);
  void bounce(const xmpp::StanzaId&, const Answer&);
  void pong(const xmpp::StanzaId&, const Answer&);

  std::size_t max_held_;
  xmpp::StanzaIds& ids_;
  Contacts& contacts_;
  const Clock& clock_;
  service::Log& log_;
  service::LineBudget failure_lines_{"messages failed"};
  service::Trace& trace_;
  ToXmppUser& user_;
  std::unordered_map<uint64_t, Way> ways_;
  std::unordered_map<const xmpp::Path*, Way*> by_path_;
  uint64_t last_way_ = 0;
  std::vector<uint64_t> others_;
  Deadlines<uint64_t> due_;  // ways
  Numbered<Message> under_way_;
  std::deque<Unreflected> unreflected_;
  std::size_t held_ = 0;
  Figures figures_;
  xmpp::MessageContent content_;  // reused, as these are
  std::string xml_, id_;
};

}  // namespace stox::worker
