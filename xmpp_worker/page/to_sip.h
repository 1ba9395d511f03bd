// The way of a message from XMPP to the bus: the worker is its origin. What is taken in ends in silence when
// it was delivered, and in exactly one error stanza, to the full JID that sent it, when it was not.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/base/jid.h"
#include "common/base/memo.h"
#include "common/base/result.h"
#include "common/base/shares.h"
#include "common/service/line_budget.h"
#include "common/service/log.h"
#include "common/service/trace.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"
#include "xmpp_worker/outcomes/outcomes.h"
#include "xmpp_worker/page/stanza_journal.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"
#include "xmpp_worker/xmpp/stanza/wordless.h"

namespace stox::worker {

class ToSipUser {
 public:
  virtual ~ToSipUser() = default;
  // As bus::Origin::room, new_id and submit; the reason tells why nothing was taken.
  virtual Result<void> room(std::size_t more, pb::Reason*) = 0;
  virtual pb::EnvelopeId new_id() = 0;
  virtual Result<uint64_t> submit(pb::Envelope&, Time begin_before, Time end_by, pb::Reason*) = 0;
  virtual uint64_t restore(pb::Envelope&, const bus::RestoredTimes&, uint32_t attempts) = 0;
  // Stanzas were taken in, or errors written: hand_on() is to be called at the end of this wakeup.
  virtual void hand_on_soon() = 0;
  virtual void write_envelope_name(uint64_t number, std::string* out) const = 0;
  // Onto the path of the two addresses' domains. False: it is not up now, or has no room.
  virtual bool send_stanza(std::string_view from, std::string_view to, std::string_view xml) = 0;
  // Of a stanza that was sent then: the peer has processed it, or its stream has broken before that was
  // known.
  enum class Fate { kWaits, kArrived, kBroken };
  virtual Fate fate(std::string_view from, std::string_view to, Time sent) = 0;
  // It waits to learn that.
  virtual void ask_soon(std::string_view /*from*/, std::string_view /*to*/) {}
  // An error stanza goes to the worker that has the one connection of our domain, while ours stands by;
  // `sent` is called when it has arrived from there. False: there is no such worker.
  virtual bool lend(std::string_view /*from*/, std::string_view /*to*/, std::string_view /*xml*/,
                    std::function<void()> /*sent*/) {
    return false;
  }
  // A stanza without words, and one with words that is about to be handed on (notices.h).
  virtual void without_words(const xmpp::Stanza&, const Jid& /*from*/, const Jid& /*to*/,
                             const xmpp::MessageContent&) {}
  // The first words of a message between the two, by its id; empty if they are not known.
  virtual std::string_view first_words(const xmpp::Stanza&, std::string_view /*id*/) { return {}; }
  // A stanza that calls a SIP user: it is to be declined.
  virtual void called(const xmpp::Stanza&) {}
  virtual void taking(const xmpp::Stanza&, const xmpp::MessageContent&, pb::XmppMessage&) {}
  // One that wants to hear that it was received, from and to as on the stanza: SIP accepted it.
  // `asked`: what a notification of SIP would name it by.
  virtual void accepted(std::string_view /*from*/, std::string_view /*to*/, std::string_view /*id*/,
                        std::string_view /*asked*/, const pb::Outcome&) {}
  // What became of what a room said, and for how many of its messages that stands.
  virtual void shown(std::string_view /*room*/, std::string_view /*user*/, Shown, unsigned /*messages*/) {}
};

class ToSip {
 public:
  struct Figures {
    uint64_t taken = 0, delivered = 0, failed = 0, refused = 0, without_text = 0, errors_lost = 0,
             over_share = 0;
  };
  // How an injected message ended: trace id (raw), outcome for people, whether it arrived.
  using Injected = std::function<void(const std::string& trace_id, const std::string& outcome, bool ok)>;

  struct Options {
    std::vector<std::string> serves;  // the domains that are ours
    char separator = '*';             // of SIP users' domains in our addresses; 0 = none, each has its own
    std::size_t max_in_flight = 4096;
  };
  // All references must outlive it. Without a journal (null) what is taken in dies with the process.
  ToSip(Options, const Clock&, service::Log&, service::Trace&, ToSipUser&, StanzaJournal* = nullptr);

  void message(const xmpp::Stanza&);  // of any type but error
  // What is said in a room, to one who is in it. A room is never sent an error: it would put him out.
  void room_message(const xmpp::Stanza&);
  // As if a room had said it, in place of so many messages. `because_of` is the JID whose share it takes.
  void room_words(std::string_view room, std::string_view user, std::string_view text,
                  std::string_view because_of, unsigned messages);
  // As if such a stanza had arrived.
  void inject(const std::string& from, const std::string& to, const std::string& text, Injected done);
  void ended(uint64_t number, const pb::Outcome&);
  // What was taken in goes into the journal, in one transaction, and then to the bus.
  void hand_on();
  // Goes on with what a process before us had in hand.
  void restore(std::vector<StanzaJournal::Left>);
  void stop();          // answers all there is; what is in the journal stays there
  void send_unsent();   // errors that found no room or no stream, or whose stream has broken
  void ask_for_told();  // once in a while: what became of those that are not known yet
  void note_told();     // errors of which it is known by now what became of them
  // Errors of what stands in the journal go by another worker or the next process, so that the stream can be
  // closed behind those that have gone.
  void hold_errors() { holding_errors_ = true; }
  // The streams are being closed: nothing can be answered any more. What still comes is kept for the next
  // start, if there is a journal.
  void close() { closing_ = true; }
  // Sends an error stanza of another worker; `arrived` is called when the peer has processed it.
  void send_for(std::string_view from, std::string_view to, const std::string& xml,
                std::function<void()> arrived);
  // Sends the stanza's error, with `by` filled in.
  void refuse(const xmpp::Stanza&, xmpp::StanzaError);

  bool is_own(std::string_view domain) const;
  std::string new_trace_id();
  std::size_t pending() const { return pending_.size(); }
  bool has_unsent() const { return !unsent_.empty(); }
  bool has_told() const { return !told_errors_.empty(); }
  const Figures& figures() const { return figures_; }
  // From and to of a message under way; null when it has ended.
  struct Pending {
    std::string from, to, id, trace_id;  // addresses as they stood on the stanza
    service::Trace::Handle hop = 0;
    Time came{};
    int64_t row = 0;  // in the journal; 0 = none
    bool wants_receipt = false;
    Shares::Claim claim{};
    std::string asked;           // Message-ID for SIP; empty = none
    unsigned room_messages = 0;  // of a room, for which it stands; 0 = it is of none
    bool is_of_room() const { return room_messages > 0; }
    Injected injected;
  };
  const Pending* find(uint64_t number) const;

 private:
  using Table = std::unordered_map<uint64_t, Pending>;
  struct Unsent {
    std::string from, to, xml;
    int64_t row;
    Time until;
    uint64_t number = 0;
    Time lent{};                      // last, to another worker
    std::function<void()> arrived{};  // another worker waits for it
    Shares::Claim claim{};            // while it is in unsent_
  };
  struct Told {  // its error was taken by the stream, and has perhaps not arrived
    Unsent error;
    Time sent;
  };
  struct Staged {
    pb::Envelope envelope;
    Pending pending;
  };

  // What a stanza without a body says goes into content_, if it can be said.
  xmpp::Meaning read_meaning(const xmpp::Stanza&);
  struct OfRoom {             // what a room says
    std::string_view sender;  // whose share it takes; empty: it is of none
    uint64_t line = 0;        // as of SipMessage
    bool may_be_again = false;
    unsigned messages = 1;
  };
  void take(const xmpp::Stanza&, const Jid& from, const Jid& to, Injected, const OfRoom&);
  Pending& put(uint64_t number, Pending&&);
  void not_taken(Pending&, pb::Reason, const std::string& why);
  bool keep_for_next_start(Staged&);
  void answer_with(const Pending&, const pb::Outcome&);
  void refuse(const xmpp::Stanza&, xmpp::StanzaError, int64_t row);
  void send_error(std::string_view from, std::string_view to, const std::string& xml, int64_t row,
                  std::function<void()> arrived = {});
  bool may_wait(const Unsent&) const;                                              // of what is in no journal
  void wait(Unsent&&);                                                             // in unsent_
  Shares::Claim claim_of(std::string_view user, std::string_view sip_user) const;  // JIDs
  void lend(Unsent&);
  void lent_arrived(uint64_t number);

  const std::vector<std::string> serves_;
  const char separator_;
  // Of max_in_flight, between senders and domains: messages staged and pending, and errors that wait.
  Shares shares_;
  const Clock& clock_;
  service::Log& log_;
  service::LineBudget failure_lines_{"messages failed"};
  service::Trace& trace_;
  ToSipUser& user_;
  StanzaJournal* journal_;
  Table pending_;
  std::vector<Staged> staged_, handing_on_;
  bool closing_ = false, holding_errors_ = false;
  std::size_t staged_count_ = 0;  // of staged_, whose others keep their memory
  std::vector<Told> told_errors_;
  std::vector<Table::node_type> spares_;  // ended ones, their strings kept
  std::deque<Unsent> unsent_;
  uint64_t last_unsent_ = 0;
  Figures figures_;
  uint64_t seed_, traces_ = 0;              // of trace ids
  Memo<tl::expected<Jid, JidError>> jids_;  // that stanzas are from and to
  pb::Envelope envelope_;                   // reused, as these are
  xmpp::MessageContent content_;
  std::string words_;  // that content_ has slices of, besides the stanza
  std::string xml_;
};

}  // namespace stox::worker
