#include "xmpp_worker/worker.h"

#include <algorithm>
#include <utility>

#include "common/base/jid.h"
#include "common/base/text.h"
#include "common/bodies/presence.h"
#include "common/bus/edge/ending_of.h"
#include "xmpp_worker/outcomes/outcomes.h"
#include "xmpp_worker/siblings/sibling_calls.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {
namespace {

using nlohmann::json;
using service::State;
using xmpp::Stanza;

constexpr Duration kStoodStill = std::chrono::seconds(1);  // so late is a tick of a loop that others may miss
constexpr Duration kLookWhileDraining = std::chrono::milliseconds(10);

pb::ProcessState to_bus(State state) {
  switch (state) {
    case State::kReady:
      return pb::READY;
    case State::kStandby:
      return pb::STANDBY;
    case State::kDraining:
      return pb::DRAINING;
    default:
      return pb::STARTING;
  }
}

bool is_answer(const Stanza& stanza) { return stanza.is_error() || stanza.type == "result"; }

}  // namespace

// --- whose is what

// Each is shown the stanzas of its kind, in this order, until one takes it.
const std::vector<Worker::StanzaRow>& Worker::stanza_rows() {
  using Kind = Stanza::Kind;
  static const std::vector<StanzaRow> kRows = {
      // answers to what a worker of our domains wrote
      {Kind::kMessage, &Worker::take_answer},
      {Kind::kIq, &Worker::take_answer},
      // rooms: what they say, and invitations to them
      {Kind::kMessage, &Worker::take_room_message},
      // services: invitations to rooms that SIP users cannot come into
      {Kind::kMessage, &Worker::take_invitation},
      // page
      {Kind::kMessage, &Worker::take_message},
      // rooms: of a room to those who are in it
      {Kind::kPresence, &Worker::take_room_presence},
      // presence, if it is on: of users towards SIP users
      {Kind::kPresence, &Worker::take_presence},
      // services: what is asked of the domains and of SIP users
      {Kind::kIq, &Worker::take_question},
      {Kind::kPresence, &Worker::take_question},
  };
  return kRows;
}

const std::vector<Worker::BodyRow>& Worker::body_rows() {
  static const std::vector<BodyRow> kRows = {
      {&pb::Envelope::has_xmpp_message, &Worker::begin_message},
      {&pb::Envelope::has_xmpp_presence, &Worker::begin_presence},
      {&pb::Envelope::has_xmpp_state, &Worker::begin_presence},
  };
  return kRows;
}

void Worker::stanza(const xmpp::Element& element, uint64_t stream) {
  auto stanza = xmpp::read_stanza(element);
  if (!stanza) return;
  notice_standstill();
  ++stanzas_in_;
  // COMPAT(ejabberd 23): "romeo@SIP.Test" comes as its user has typed it; a reply needs an address of ours.
  std::string to;
  if (!to_sip_.is_own(xmpp::domain_of(stanza->to))) to = prepared_address(stanza->to);
  if (!to.empty()) stanza->to = to;
  for (const StanzaRow& row : stanza_rows()) {
    if (row.kind == stanza->kind && (this->*row.take)(*stanza, stream)) return;
  }
}

bool Worker::take_answer(const Stanza& stanza, uint64_t stream) {
  // A server with several connections of our domain brings a keepalive, which goes to the domain, on any.
  const bool is_ours = stanza.kind == Stanza::Kind::kIq && to_sip_.is_own(xmpp::domain_of(stanza.from));
  if (!is_answer(stanza) && !is_ours) return false;
  answered(stanza, stream);
  return true;
}

bool Worker::take_invitation(const Stanza& message, uint64_t) {
  return comes_to_us(message) && services_.decline_invitation(message);
}

bool Worker::take_message(const Stanza& message, uint64_t) {
  to_sip_.message(message);
  return true;
}

bool Worker::take_presence(const Stanza& presence, uint64_t) {
  if (!has_presence_ || !comes_to_us(presence) || !presence_to_sip_.take(presence)) return false;
  note_features(presence);
  return true;
}

bool Worker::take_question(const Stanza& stanza, uint64_t) {
  if (is_answer(stanza)) return true;
  if (comes_to_us(stanza)) {
    note_features(stanza);
    services_.answer(stanza);
  } else if (!to_sip_.is_own(xmpp::domain_of(stanza.to))) {
    services_.note_unanswered();
  }
  return true;
}

bool Worker::comes_to_us(const Stanza& stanza) const {
  return to_sip_.is_own(xmpp::domain_of(stanza.to)) && !to_sip_.is_own(xmpp::domain_of(stanza.from));
}

// A client that looks at the features of a SIP user, or shows its own (XEP-0115), is one that may be told
// typing.
void Worker::note_features(const Stanza& stanza) {
  if (!xmpp::is_about_features(stanza)) return;
  const std::string from = prepared_address(stanza.from), to = prepared_address(stanza.to);
  if (!from.empty() && !to.empty() && xmpp::has_resource(from))
    contacts_.get(from, to).shows(from, Contact::States::kAssumed);
}

std::string Worker::prepared_address(std::string_view text) {
  const auto jid = Jid::parse(text);
  return jid ? jid->str() : std::string();
}

void Worker::begin(const pb::Envelope& envelope, Time begin_before) {
  const auto row = std::find_if(body_rows().begin(), body_rows().end(),
                                [&](const BodyRow& each) { return (envelope.*each.is_in)(); });
  if (row != body_rows().end())
    (this->*row->begin)(envelope, begin_before);
  else
    finish(envelope.id(), bus::failure(pb::UNSUPPORTED, "a worker takes no such envelope"));
  arrange();
}

void Worker::begin_message(const pb::Envelope& envelope, Time begin_before) {
  if (!rooms_.begin(envelope, begin_before)) to_xmpp_.begin(envelope, begin_before);
}

void Worker::begin_presence(const pb::Envelope& envelope, Time begin_before) {
  if (!has_presence_)
    return finish(envelope.id(), bus::failure(pb::UNSUPPORTED, "gateway.presence is false"));
  trace_presence(envelope, ", to XMPP");
  presence_to_xmpp_.begin(envelope, begin_before);
}

// The number is known to the one that has submitted it.
void Worker::ended(uint64_t number, const pb::Outcome& outcome) {
  if (!presence_to_sip_.ended(number, outcome)) to_sip_.ended(number, outcome);
  arrange();
}

// --- time

Result<void> Worker::open_journal() {
  if (!journal_ || journal_->is_open()) return {};
  auto left = journal_->open();
  if (!left) return tl::make_unexpected(left.error());
  origin().restore_targets(journal_->targets());
  if (!left->empty())
    context_.log.info(
        "the journal has {} messages that were in hand when this process ended last; each is finished or "
        "bounced",
        left->size());
  to_sip_.restore(std::move(*left));
  journal_->set_targets(origin().possible_targets());
  return {};
}

void Worker::turn() {
  notice_standstill();
  to_xmpp_.turn();
  if (now() >= tick_) {
    if (!edge().has_mapper()) other_lost();
    tick_ = now() + kTick;
    let_connect();
    if (holds() != told_holds_) tell_serving();
    if (now() >= old_ids_until_) ids_.forget_old_form();
    (void)open_journal();
    if (!rooms_.is_open()) open_rooms();
    rooms_.turn();
    check_status();
    to_sip_.send_unsent();
    to_sip_.ask_for_told();
    services_.turn();
    presence_to_xmpp_.turn();
    to_sip_.hand_on();
  }
  if (journal_) journal_->turn(now());
  moved_.turn();
  if (is_ending()) finish_drain();
  arrange();
}

void Worker::arrange() {
  Time next = std::min({to_xmpp_.next(), tick_, moved_.next()});
  if (journal_) next = std::min(next, journal_->next());
  if (is_ending()) next = std::min(next, now() + kLookWhileDraining);
  alarm_.set(net::about(next));
}

// --- bus

void Worker::members_changed() {
  if (!has_joined()) return;
  if (others_.update(edge().members())) {
    other_lost();
    rooms_.may_lack({});
  }
  to_xmpp_.set_others(others_.connections());
  moved_.set_workers(others_.names());
  rooms_.siblings_changed();
  presence_to_sip_.set_members(edge().members());
  for (const pb::Member& each : others_.take_news()) say_known(edge().hand_overs(), each);
  let_connect();
  streams_->set_holder(others_.holder());
  if (journal_ && journal_->is_open()) journal_->set_targets(origin().possible_targets());
  check_status();
  arrange();
}

// What the server may have sent to a connection of another worker, and we shall not hear of, if it was ours.
void Worker::other_lost() {
  if (!others_.has_been()) return;
  to_xmpp_.other_lost();
  streams_->other_lost();
}

void Worker::out_of_reach() {
  constexpr const char* kWhy = "this worker was out of reach";
  to_xmpp_.drop_held(pb::LINK_DOWN, kWhy);
  presence_to_xmpp_.drop_held(pb::LINK_DOWN, kWhy);
  rooms_.drop_held(pb::LINK_DOWN, kWhy);
  arrange();
}

// Others have not waited for us: connections may have come and gone.
void Worker::notice_standstill() {
  if (now() < tick_ + kStoodStill) return;
  edge().turn();
  tick_ = now();
  other_lost();
}

void Worker::let_connect() {
  if (others_.may_connect(edge().has_mapper(), now())) streams_->may_connect();
}

// --- streams

void Worker::about_to_write(xmpp::Path& path) {
  notice_standstill();
  to_sip_.send_unsent();
  services_.about_to_write(path);
  presence_to_xmpp_.about_to_write(path);
  to_xmpp_.about_to_write(path);
  if (to_sip_.has_told()) path.ask_for_proof(now());
  arrange();
}

void Worker::path_up(xmpp::Path& path) {
  if (streams_->backend() == pb::COMPONENT) {
    moved_.came({});
    rooms_.may_lack({});
  }
  to_xmpp_.path_up(path);
  services_.path_up(path);
  presence_to_xmpp_.path_up(path);
  to_sip_.note_told();
  if (to_sip_.has_unsent()) path.write_soon();
}

void Worker::path_down(xmpp::Path& path) {
  to_xmpp_.path_down(path);
  presence_to_xmpp_.path_down(path);
  arrange();
}

void Worker::path_gone(xmpp::Path& path) {
  to_xmpp_.path_gone(path);
  services_.path_gone(path);
  presence_to_xmpp_.path_gone(path);
}

void Worker::state_changed() {
  others_.announce(streams_->connection(), now());
  // A refusal may have been on its way to us by a stream of another server, and the answer to our ping come
  // by the next one.
  if (streams_->backend() == pb::SERVER && std::exchange(broken_, streams_->broken()) != streams_->broken())
    to_xmpp_.other_lost();
  tell_serving();
  let_connect();
  check_status();
}

void Worker::oversized(const xmpp::Element& element) {
  const auto stanza = xmpp::read_stanza(element);
  if (!stanza || stanza->is_error() || stanza->from.empty()) return;
  const bool owed = stanza->kind == Stanza::Kind::kMessage || stanza->type == "get" || stanza->type == "set";
  if (owed) to_sip_.refuse(*stanza, {"modify", "policy-violation", "Too large"});
  context_.log.info("an oversized stanza from {} was refused", stanza->from);
}

// --- presence

Result<uint64_t> Worker::submit_presence(pb::Envelope& envelope, Time begin_before, Time end_by,
                                         pb::Reason* reason) {
  auto number = origin().submit(envelope, begin_before, end_by);
  if (!number) *reason = origin().refusal();
  return number;
}

// --- the process

// For how long a server has been silent is no news.
bool Worker::is_news(const service::Status& told, const service::Status& current) {
  const bool is_silent = current.state == State::kReady && streams_->silence();
  const bool was_silent = std::exchange(told_silence_, is_silent);
  return current.reason != told.reason && !(is_silent && was_silent);
}

// Told a little before it is so, for nothing to come that would be refused.
bool Worker::holds() const { return streams_->holds(now() + 2 * kTick); }

pb::Serving Worker::serving() {
  const service::Status streams = streams_->status();
  pb::Serving serving;
  serving.set_state(to_bus(streams.state));
  serving.set_reason(streams.reason);
  serving.set_backend(streams_->backend());
  serving.set_connection(streams_->connection());
  serving.set_broken(streams_->broken());
  told_holds_ = holds();
  serving.set_holds_nothing(!told_holds_);
  for (const std::string& domain : claims_) serving.add_domains(domain);
  // Who has drained and closed its streams is nothing on XMPP any more: another may take its place.
  if (!place_given_) {
    for (const std::string& domain : serves_) serving.add_serves(domain);
  }
  return serving;
}

void Worker::stop() {
  rooms_.stop();
  to_xmpp_.stop();
  presence_to_xmpp_.stop();
  to_sip_.stop();
  presence_to_sip_.stop();
  to_sip_.close();
  streams_->stop();
  arrange();
}

void Worker::reload(const service::Config& config) {
  take_settings(config.gateway);
  EdgeProcess::reload(config);
  const auto* section = find_section(config, context_.identity.section);
  if (section == nullptr) return;
  streams_->reload(*section);
}

void Worker::inject(const std::string& from, const std::string& to, const std::string& text, Injected done) {
  to_sip_.inject(from, to, text, std::move(done));
}

}  // namespace stox::worker
