// The actor of stox-xmpp-worker: XMPP streams of one backend on the one side, the bus on the other. It owns
// both and passes events between them, to the capabilities that they are for: two tables say whose a stanza
// and whose an envelope is. worker.cpp has the tables and the events, worker_page.cpp what page asks of the
// worker, worker_rooms.cpp what rooms ask, worker_answers.cpp what comes for stanzas of any worker.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/edge_process/edge_process.h"
#include "common/net/loop.h"
#include "xmpp_worker/page/contacts.h"
#include "xmpp_worker/page/names.h"
#include "xmpp_worker/page/notices.h"
#include "xmpp_worker/page/to_sip.h"
#include "xmpp_worker/page/to_xmpp.h"
#include "xmpp_worker/presence/presence_to_sip.h"
#include "xmpp_worker/presence/presence_to_xmpp.h"
#include "xmpp_worker/rooms/rooms.h"
#include "xmpp_worker/services/services.h"
#include "xmpp_worker/siblings/moved_streams.h"
#include "xmpp_worker/siblings/other_workers.h"
#include "xmpp_worker/streams/streams.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"

namespace stox::worker {

class Worker final : public EdgeProcess,
                     private xmpp::PathsUser,
                     private ServicesUser,
                     private ToXmppUser,
                     private ToSipUser,
                     private NamesUser,
                     private NoticesUser,
                     private PresenceToSipUser,
                     private PresenceToXmppUser,
                     private RoomsUser,
                     private MovedStreams::User {
 public:
  // An Error for a configuration that cannot work, or a bus or resolver that cannot be set up.
  static Result<std::unique_ptr<service::Process>> create(const service::Context&);

  void stop() override;
  void reload(const service::Config&) override;
  nlohmann::json peers() const override;
  nlohmann::json streams() const override { return streams_->streams(); }
  std::size_t close_streams(const std::string& domain, bool reconnect) override {
    return streams_->close(domain, reconnect);
  }
  nlohmann::json rooms(const std::vector<std::string>& users) const override { return rooms_.list(users); }
  std::size_t leave_room(const std::vector<std::string>& users, const std::string& room) override {
    return rooms_.leave(users, room);
  }
  nlohmann::json known_peers() const override;
  std::size_t forget_peers(const std::string& peer) override { return contacts_.forget(peer); }
  std::vector<service::Metric> metrics() const override;

 private:
  static constexpr Duration kTick = std::chrono::seconds(1);

  // What looks at stanzas of a kind, and takes those that are its own: then it returns true.
  struct StanzaRow {
    xmpp::Stanza::Kind kind;
    bool (Worker::*take)(const xmpp::Stanza&, uint64_t stream);
  };
  static const std::vector<StanzaRow>& stanza_rows();
  // What carries out envelopes with a body.
  struct BodyRow {
    bool (pb::Envelope::*is_in)() const;
    void (Worker::*begin)(const pb::Envelope&, Time begin_before);
  };
  static const std::vector<BodyRow>& body_rows();

  Worker(const service::Context&, const service::XmppWorkerConfig&, const std::string& id_key,
         uint64_t epoch);

  // as a process at an end of the bus
  service::Status own_status() const override;
  bool is_news(const service::Status& told, const service::Status& current) override;
  pb::Serving serving() override;
  void draining_changed() override;
  void look_soon() override { end_of_turn_.ask(); }
  void inject(const std::string& from, const std::string& to, const std::string& text, Injected) override;
  std::pair<std::string, std::string> addresses_of(const bus::InFlight&) const override;
  // bus
  void begin(const pb::Envelope&, Time begin_before) override;
  void ended(uint64_t number, const pb::Outcome&) override;
  void handed_over(const pb::HandOver&) override;
  void hand_overs_lost() override;
  void members_changed() override;
  void out_of_reach() override;
  void call_came(const pb::Call&, bus::Calls::Reply) override;
  // streams
  void path_up(xmpp::Path&) override;
  void path_down(xmpp::Path&) override;
  void path_gone(xmpp::Path&) override;
  void peer_came(std::string_view domain) override {
    moved_.came(domain);
    rooms_.may_lack(domain);
  }
  void about_to_write(xmpp::Path&) override;
  void stanza(const xmpp::Element&, uint64_t stream) override;
  void about_to_acknowledge() override { to_sip_.hand_on(); }
  void oversized(const xmpp::Element&) override;
  void state_changed() override;
  // several capabilities: envelopes end, paths
  void finish(const pb::EnvelopeId& id, const pb::Outcome& outcome) override {
    if (!rooms_.ended(id, outcome)) target().finish(id, outcome);
  }
  xmpp::Path* path(std::string_view from_domain, std::string_view to_domain) override {
    return streams_->path(from_domain, to_domain);
  }
  Result<void> room(std::size_t more, pb::Reason*) override;
  std::string new_trace_id() override { return to_sip_.new_trace_id(); }
  bool send_stanza(std::string_view from, std::string_view to, std::string_view xml) override;
  // page: to_xmpp, to_sip
  pb::EnvelopeId new_id() override { return origin().new_id(); }
  Result<uint64_t> submit(pb::Envelope&, Time begin_before, Time end_by, pb::Reason*) override;
  uint64_t restore(pb::Envelope&, const bus::RestoredTimes&, uint32_t attempts) override;
  void hand_on_soon() override { end_of_turn_.ask(); }
  void write_envelope_name(uint64_t number, std::string* out) const override;
  Fate fate(std::string_view from, std::string_view to, Time sent) override;
  void ask_soon(std::string_view from, std::string_view to) override;
  bool lend(std::string_view from, std::string_view to, std::string_view xml,
            std::function<void()> sent) override;
  // page: receipts, typing, calls
  void refused_late(const xmpp::StanzaId&, const Answer&) override;
  void without_words(const xmpp::Stanza&, const Jid& from, const Jid& to,
                     const xmpp::MessageContent&) override;
  std::string_view first_words(const xmpp::Stanza&, std::string_view id) override;
  void called(const xmpp::Stanza&) override;
  void taking(const xmpp::Stanza&, const xmpp::MessageContent&, pb::XmppMessage&) override;
  void accepted(std::string_view from, std::string_view to, std::string_view id, std::string_view asked,
                const pb::Outcome&) override;
  bool submit_notice(pb::Envelope&) override;
  void submit_typing(pb::Envelope&) override;
  // presence
  Result<uint64_t> submit_presence(pb::Envelope&, Time begin_before, Time end_by, pb::Reason*) override;
  // rooms
  void carry(const pb::Envelope& envelope, Time begin_before) override {
    to_xmpp_.begin(envelope, begin_before);
  }
  void begin_again(const pb::Envelope& envelope, Time begin_before) override {
    begin_message(envelope, begin_before);
  }
  void finish_of_room(const pb::EnvelopeId& id, const pb::Outcome& outcome) override {
    target().finish(id, outcome);
  }
  void tell_phone(std::string_view user, std::string_view room, std::string_view text,
                  std::string_view because_of, unsigned messages) override {
    to_sip_.room_words(room, user, text, because_of, messages);
  }
  void reflected(const xmpp::Stanza&, uint64_t stream) override;
  Result<std::string> jid_of(std::string_view typed) const override;
  const std::string& own_domain() const override { return serves_.front(); }
  bool acts_for(std::string_view user, std::string_view room) const override;
  std::map<std::string, uint64_t> siblings() const override { return others_.epochs(); }
  void tell_sibling(const std::string& worker, uint64_t epoch, uint64_t stream, const pb::RoomNews&) override;
  void publish_soon() override { end_of_turn_.ask(); }
  void shown(std::string_view room, std::string_view user, Shown, unsigned messages) override;
  // moved_streams
  void ask_in_hand(const std::string& worker, pb::InHand,
                   std::function<void(const pb::Held&)> reply) override;
  void let_go(uint64_t number) override { origin().let_go(number); }

  // Rows of the tables.
  bool take_answer(const xmpp::Stanza&, uint64_t stream);
  bool take_invitation(const xmpp::Stanza&, uint64_t stream);
  bool take_room_message(const xmpp::Stanza&, uint64_t stream);
  bool take_message(const xmpp::Stanza&, uint64_t stream);
  bool take_room_presence(const xmpp::Stanza&, uint64_t stream);
  bool take_presence(const xmpp::Stanza&, uint64_t stream);
  bool take_question(const xmpp::Stanza&, uint64_t stream);
  void begin_message(const pb::Envelope&, Time begin_before);
  void begin_presence(const pb::Envelope&, Time begin_before);

  void turn();
  void answered(xmpp::Stanza, uint64_t stream);
  void hand_over(const xmpp::StanzaId&, uint64_t stream);  // what is in answer_
  void open_rooms();
  bool comes_to_us(const xmpp::Stanza&) const;  // from others
  void note_features(const xmpp::Stanza&);
  static std::string prepared_address(std::string_view);  // empty if it is none
  static const service::XmppWorkerConfig* find_section(const service::Config&, const std::string& name);
  void take_settings(const service::GatewayConfig&);
  void other_lost();
  void notice_standstill();
  void let_connect();
  void send_for_another(const pb::Call&, bus::Calls::Reply);
  void arrange();  // after every event: the next alarm
  bool holds() const;
  void finish_drain();
  void give_place();
  Result<void> open_journal();

  std::vector<std::string> serves_;  // our domains, prepared
  std::vector<std::string> claims_;  // recipients' domains, prepared
  xmpp::StanzaIds ids_;
  OtherWorkers others_;
  MovedStreams moved_;
  Services services_;
  Contacts contacts_;
  Names names_;
  Notices notices_;
  ToXmpp to_xmpp_;
  std::unique_ptr<StanzaJournal> journal_;  // null if it is switched off
  ToSip to_sip_;
  const bool has_presence_;  // as fronts: until a restart
  PresenceToSip presence_to_sip_;
  PresenceToXmpp presence_to_xmpp_;
  Rooms rooms_;
  std::unique_ptr<Streams> streams_;
  net::Alarm alarm_;
  net::EndOfTurn end_of_turn_;
  Time old_ids_until_ = kNever;  // ids of the form before are read until then
  Time tick_{};                  // next look at what tells nothing by itself
  bool told_silence_ = false;
  bool told_holds_ = true;    // as the bus has heard it
  uint64_t broken_ = 0;       // of streams_, told to to_xmpp_
  Time stopped_{};            // the streams, to end
  bool place_given_ = false;  // to another worker
  uint64_t stanzas_in_ = 0, handed_over_ = 0;
  pb::StanzaAnswer answer_;  // reused
};

}  // namespace stox::worker
