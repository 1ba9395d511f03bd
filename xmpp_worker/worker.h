// The actor of stox-xmpp-worker: XMPP streams of one backend on the one side, the bus on the other. It owns
// both and passes events between them; what is done with a message stands in to_xmpp.h and to_sip.h.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/bus/zmq/zmq_wire.h"
#include "common/net/loop.h"
#include "common/service/process.h"
#include "xmpp_worker/page/contacts.h"
#include "xmpp_worker/page/notices.h"
#include "xmpp_worker/page/to_sip.h"
#include "xmpp_worker/page/to_xmpp.h"
#include "xmpp_worker/services/answers.h"
#include "xmpp_worker/siblings/moved_streams.h"
#include "xmpp_worker/siblings/other_workers.h"
#include "xmpp_worker/streams/streams.h"
#include "xmpp_worker/xmpp/stanza/services.h"

namespace stox::worker {

class Worker final : public service::Process,
                     private bus::EdgeUser,
                     private xmpp::LinksUser,
                     private ToXmppUser,
                     private ToSipUser,
                     private NoticesUser,
                     private MovedStreams::User {
 public:
  // An Error for a configuration that cannot work, or a bus or resolver that cannot be set up.
  static Result<std::unique_ptr<service::Process>> create(const service::Context&);

  service::Status status() const override;
  void drain(std::function<void()> done) override;
  void accept_new(bool) override;
  void stop() override;
  void reload(const service::Config&) override;
  nlohmann::json peers() const override;
  nlohmann::json streams() const override { return streams_->streams(); }
  std::size_t close_streams(const std::string& domain, bool reconnect) override {
    return streams_->close(domain, reconnect);
  }
  nlohmann::json known_peers() const override;
  std::size_t forget_peers(const std::string& peer) override { return contacts_.forget(peer); }
  nlohmann::json queues() const override;
  nlohmann::json inflight() const override;
  nlohmann::json failed() const override;
  Result<std::string> retry(const std::string& id, bool again) override { return edge().retry(id, again); }
  std::size_t forget_failed() override { return edge().forget_given_up(); }
  void send(const nlohmann::json& request, service::Reply) override;
  std::vector<service::Metric> metrics() const override;
  std::vector<std::string> others() const override;
  void ask(const std::string& process, const std::string& request,
           std::function<void(std::string)> reply) override {
    edge().query(process, request, std::move(reply));
  }

 private:
  Worker(const service::Context&, const service::XmppWorkerConfig&, const std::string& id_key,
         uint64_t epoch);

  // bus
  void begin(const pb::Envelope&, Time begin_before) override;
  void ended(uint64_t number, const pb::Outcome&) override;
  void handed_over(const std::string& from, uint64_t stream, std::string_view payload) override;
  void hand_overs_lost() override;
  void members_changed() override;
  void out_of_reach() override;
  void bus_trouble(const std::string& text) override { context_.log.warn("{}", text); }
  void asked(const std::string& from, std::string_view text, std::function<void(std::string)> reply) override;
  // streams
  void link_up(xmpp::Link&) override;
  void link_down(xmpp::Link&) override;
  void link_gone(xmpp::Link&) override;
  void peer_came(std::string_view domain) override { moved_.came(domain); }
  void about_to_write(xmpp::Link&) override;
  void stanza(const xmpp::Element&, uint64_t stream) override;
  void about_to_acknowledge() override { to_sip_.hand_on(); }
  void oversized(const xmpp::Element&) override;
  void state_changed() override;
  // to_xmpp, to_sip
  void finish(const pb::EnvelopeId&, const pb::Outcome&) override;
  xmpp::Link* link(std::string_view from_domain, std::string_view to_domain) override;
  Result<void> room(std::size_t more, pb::Reason*) override;
  pb::EnvelopeId new_id() override { return edge().new_id(); }
  Result<uint64_t> submit(pb::Envelope&, Time begin_before, Time end_by, pb::Reason*) override;
  uint64_t restore(pb::Envelope&, const bus::RestoredTimes&, uint32_t attempts) override;
  void hand_on_soon() override { end_of_turn_.ask(); }
  void write_envelope_name(uint64_t number, std::string* out) const override;
  bool send_stanza(std::string_view from, std::string_view to, std::string_view xml) override;
  Fate fate(std::string_view from, std::string_view to, Time sent) override;
  void ask_soon(std::string_view from, std::string_view to) override;
  bool lend(std::string_view from, std::string_view to, std::string_view xml,
            std::function<void()> sent) override;
  // moved_streams
  void query(const std::string& worker, std::string_view text,
             std::function<void(std::string)> reply) override {
    edge().query(worker, text, std::move(reply));
  }
  void let_go(uint64_t number) override { edge().let_go(number); }
  // receipts and typing
  void refused_late(const xmpp::StanzaId&, const Answer&) override;
  void without_words(const xmpp::Stanza&, const Jid& from, const Jid& to,
                     const xmpp::MessageContent&) override;
  std::string_view first_words(const xmpp::Stanza&, std::string_view id) override;
  void called(const xmpp::Stanza&) override;
  void taking(const xmpp::Stanza&, const xmpp::MessageContent&, pb::XmppMessage&) override;
  void accepted(std::string_view from, std::string_view to, std::string_view id, std::string_view asked,
                const pb::Outcome&) override;
  void submit_notice(pb::Envelope&) override;
  void submit_typing(pb::Envelope&) override;

  bus::Edge& edge() const { return bus_->edge(); }
  Time now() const { return context_.loop.now(); }
  void turn();
  void answer(xmpp::Stanza, uint64_t stream);
  bool send_answer(std::string_view from, std::string_view to);  // what is in xml_
  void note_features(const xmpp::Stanza&);
  void take_settings(const service::GatewayConfig&);
  void ask_for_name(const std::string& user, const std::string& sip_user);  // by its vCard
  bool decline_invitation(const xmpp::Stanza& message);                     // false: it is none
  void other_lost();
  void notice_standstill();
  void let_connect();
  void arrange();  // after every event: the next alarm
  bool holds() const;
  void tell_serving();
  void check_status();
  void finish_drain();
  void give_place();
  Result<void> open_journal();

  service::Context context_;
  service::XmppWorkerConfig config_;
  std::vector<std::string> serves_;  // our domains, prepared
  xmpp::StanzaIds ids_;
  OtherWorkers others_;
  MovedStreams moved_;
  xmpp::ServiceInfo info_;
  Contacts contacts_;
  Answers answers_;
  Notices notices_;
  bool receipt_on_200_ = false, asks_for_names_ = false;
  ToXmpp to_xmpp_;
  std::unique_ptr<StanzaJournal> journal_;  // null if it is switched off
  ToSip to_sip_;
  std::unique_ptr<Streams> streams_;
  std::unique_ptr<bus::ZmqEdge> bus_;
  net::Alarm alarm_;
  net::EndOfTurn end_of_turn_;
  Time started_;
  Time old_ids_until_ = kNever;  // ids of the form before are read until then
  Time tick_{};                  // next look at what tells nothing by itself
  service::Status told_;
  bool told_silence_ = false;
  bool told_holds_ = true;  // as the bus has heard it
  bool draining_ = false;
  uint64_t broken_ = 0;            // of streams_, told to to_xmpp_
  std::function<void()> drained_;  // to be called once
  Time stopped_{};                 // the streams, to end
  bool place_given_ = false;       // to another worker
  uint64_t stanzas_in_ = 0, answered_ = 0, not_answered_ = 0;
  uint64_t handed_over_ = 0, notices_lost_ = 0;
  std::string xml_, payload_;  // reused, as is this:
  pb::StanzaAnswer hand_over_;
};

}  // namespace stox::worker
