#include "xmpp_worker/worker.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "common/base/jid.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/bodies/bodies.h"
#include "common/service/json_text.h"
#include "xmpp_worker/page/kept_file.h"
#include "xmpp_worker/page/words.h"
#include "xmpp_worker/services/contact_address.h"
#include "xmpp_worker/streams/component_streams.h"
#include "xmpp_worker/streams/server_streams.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {
namespace {

using nlohmann::json;
using service::State;
using xmpp::Stanza;

constexpr Duration kTick = std::chrono::seconds(1);
constexpr Duration kStoodStill = std::chrono::seconds(1);  // so late is a tick of a loop that others may miss
constexpr uint64_t kKnownConnections = 0;  // stream of hand-overs that say so, as other_workers.h has it
constexpr Duration kLookWhileDraining = std::chrono::milliseconds(10);
constexpr Duration kNoticeWithin = std::chrono::seconds(60);
constexpr Duration kTimerF = std::chrono::seconds(35);  // that a begun transaction runs
constexpr Duration kTypingWithin = std::chrono::seconds(5);
// Between workers: an error stanza that this one is to send, and that it has arrived.
constexpr std::string_view kSendFor = "send for ";
constexpr std::string_view kSent = "sent";
// In the state directory.
constexpr const char* kSecretFile = "server.secret";
constexpr const char* kNewIdsFile = "stanza-ids.since";  // Unix time at which ids got their present form here
constexpr Duration kReadsOldIds = std::chrono::hours(7 * 24);

const service::XmppWorkerConfig* find_section(const service::Config& config, const std::string& name) {
  for (const auto& section : config.xmpp_workers) {
    if (section.name == name) return &section;
  }
  return nullptr;
}

std::string prepared(const std::string& domain) {
  const auto jid = Jid::make({}, domain);
  return jid ? jid->domain() : domain;
}

// What all workers of these domains share. Servers that were given none have one for all of this host, which
// outlives them: answers to what they have written come later.
std::string secret_of(const service::XmppWorkerConfig& config, const service::Context& context) {
  if (config.backend != "server") return config.xmpp_password;
  if (!config.dialback_secret.empty()) return config.dialback_secret;
  std::array<unsigned char, 32> random{};
  RAND_bytes(random.data(), static_cast<int>(random.size()));
  const std::string fresh = to_hex({reinterpret_cast<const char*>(random.data()), random.size()});
  auto kept = kept_file(context.config.runtime.state_directory + "/" + kSecretFile, fresh);
  if (kept) return *kept;
  context.log.warn(
      "{}; until this process ends it has a secret of its own, and no other worker reads its ids",
      kept.error().text);
  return fresh;
}

// For a week from the start of this site's first worker that writes the present form. Zero: not any more.
Duration reads_old_ids_for(const service::XmppWorkerConfig& config, const service::Context& context) {
  if (config.backend == "server" && config.dialback_secret.empty()) return {};  // their secret is gone
  const int64_t now_s = context.loop.clock().wall_us() / 1'000'000;
  const auto since =
      kept_file(context.config.runtime.state_directory + "/" + kNewIdsFile, std::to_string(now_s) + "\n");
  if (!since) return {};
  const auto since_s = parse_number(trim(*since), 0, INT64_MAX);
  if (!since_s) return {};
  const auto left = std::chrono::seconds(static_cast<int64_t>(*since_s) - now_s) + kReadsOldIds;
  return std::clamp<Duration>(left, Duration{}, kReadsOldIds);
}

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

std::unique_ptr<StanzaJournal> make_journal(const service::Context& context,
                                            const service::XmppWorkerConfig& config) {
  if (!config.journal) return nullptr;
  return std::make_unique<StanzaJournal>(
      context.config.runtime.state_directory + "/" + context.identity.full + ".journal",
      config.journal_sync_full ? journal::Sync::kMachine : journal::Sync::kProcess, context.loop.clock(),
      context.log);
}

// Empty if it is none.
std::string prepared_address(std::string_view text) {
  const auto jid = Jid::parse(text);
  return jid ? jid->str() : std::string();
}

std::vector<std::string> prepared(const std::vector<std::string>& domains) {
  std::vector<std::string> out;
  for (const std::string& each : domains) out.push_back(prepared(each));
  return out;
}

}  // namespace

Result<std::unique_ptr<service::Process>> Worker::create(const service::Context& context) {
  const auto* section = find_section(context.config, context.identity.section);
  if (section == nullptr) return error("no [[xmpp_worker]] is named " + context.identity.section);
  const bool is_server = section->backend == "server";
  const auto epoch = static_cast<uint64_t>(context.loop.clock().wall_us());
  const std::string secret = secret_of(*section, context);
  const auto id_key = xmpp::StanzaIds::derive_key(secret, context.config.gateway.xmpp_domain);
  if (!id_key) return tl::make_unexpected(id_key.error());
  std::unique_ptr<Worker> worker(new Worker(context, *section, *id_key, epoch));
  if (const Duration left = reads_old_ids_for(*section, context); left > Duration{}) {
    worker->ids_.read_old_form(secret);
    worker->old_ids_until_ = worker->now() + left;
  }
  auto streams =
      is_server ? ServerStreams::create(worker->context_, *section, secret, *worker)
                : ComponentStreams::create(context, *section, worker->serves_.front(), worker->ids_, *worker);
  if (!streams) return tl::make_unexpected(streams.error());
  worker->streams_ = std::move(*streams);
  bus::EdgeOptions options;
  options.name = context.identity.full;
  options.role = pb::WORKER;
  options.epoch = epoch;
  options.max_in_flight = section->max_in_flight;
  options.pace = std::chrono::milliseconds(section->pace_ms);
  options.resend_on_doubt = context.config.gateway.resend_on_doubt;
  options.bodies = bodies();
  options.shared = service::shared_digest(context.config);
  const bus::MapperAddresses mappers{context.config.mapper_endpoints(), context.config.curve.secret_key,
                                     context.config.curve.mapper_public_key, context.config.dns.servers};
  auto edge = bus::ZmqEdge::create(context.loop, options, mappers, *worker);
  if (!edge) return tl::make_unexpected(edge.error());
  worker->bus_ = std::move(*edge);
  // What cannot be written now is tried again; a second process of this name must not run at all.
  if (const auto opened = worker->open_journal(); !opened && worker->journal_->is_taken())
    return tl::make_unexpected(opened.error());
  worker->streams_->start();
  worker->tell_serving();
  worker->tick_ = worker->now() + kTick;  // nobody listens to a status yet
  worker->turn();
  return worker;
}

Worker::Worker(const service::Context& context, const service::XmppWorkerConfig& config,
               const std::string& id_key, uint64_t epoch)
    : context_(context),
      config_(config),
      serves_(prepared(config.serves)),
      ids_(id_key, context.identity.full, epoch),
      others_(context.identity.full, serves_),
      moved_(context.loop.clock(), *this),
      info_{.version = STOX_VERSION},
      contacts_(context.loop.clock()),
      answers_(context.loop.clock()),
      notices_(ids_, contacts_, *this),
      to_xmpp_(config.max_in_flight, ids_, contacts_, context.loop.clock(), context.log, context.trace,
               *this),
      journal_(make_journal(context, config)),
      to_sip_(
          {.serves = serves_,
           .separator =
               context.config.gateway.gwmap.empty() ? context.config.gateway.domain_separator.front() : '\0',
           .max_in_flight = config.max_in_flight},
          context.loop.clock(), context.log, context.trace, *this, journal_.get()),
      alarm_(context.loop, [this] { turn(); }),
      end_of_turn_(context.loop,
                   [this] {
                     to_sip_.hand_on();
                     moved_.turn();
                     arrange();
                   }),
      started_(now()) {
  take_settings(context.config.gateway);
  info_.contact = [this](std::string_view typed) {
    return contact_address(typed, context_.config.gateway, serves_);
  };
}

void Worker::take_settings(const service::GatewayConfig& gateway) {
  using Unsupported = xmpp::ServiceInfo::Unsupported;
  receipt_on_200_ = gateway.receipt_on_200;
  contacts_.recent_words().keep(gateway.quote_reactions);
  asks_for_names_ = gateway.display_names == "vcard";
  info_.unsupported = gateway.presence_unsupported == "online"   ? Unsupported::kOnline
                      : gateway.presence_unsupported == "strict" ? Unsupported::kStrict
                                                                 : Unsupported::kGrant;
  info_.name_of = nullptr;
  if (gateway.display_names == "off") return;
  const char separator = gateway.gwmap.empty() ? gateway.domain_separator.front() : '\0';
  info_.name_of = [this, separator](std::string_view user, std::string_view sip_user) {
    const Contact* contact = contacts_.find(user, sip_user);
    if (contact != nullptr && !contact->sip_name.empty()) return contact->sip_name;
    const std::string name = unescape_localpart(sip_user.substr(0, sip_user.find('@')));
    return name.substr(0, separator == 0 ? std::string::npos : name.rfind(separator));
  };
}

Result<void> Worker::open_journal() {
  if (!journal_ || journal_->is_open()) return {};
  auto left = journal_->open();
  if (!left) return tl::make_unexpected(left.error());
  edge().restore_targets(journal_->targets());
  if (!left->empty())
    context_.log.info(
        "the journal has {} messages that were in hand when this process ended last; each is finished or "
        "bounced",
        left->size());
  to_sip_.restore(std::move(*left));
  journal_->set_targets(edge().possible_targets());
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
    check_status();
    to_sip_.send_unsent();
    to_sip_.ask_for_told();
    not_answered_ += answers_.drop_late();
    to_sip_.hand_on();
  }
  if (journal_) journal_->turn(now());
  moved_.turn();
  if (drained_) finish_drain();
  arrange();
}

void Worker::arrange() {
  Time next = std::min({to_xmpp_.next(), tick_, moved_.next()});
  if (journal_) next = std::min(next, journal_->next());
  if (drained_) next = std::min(next, now() + kLookWhileDraining);
  alarm_.set(net::about(next));
}

// --- bus

void Worker::begin(const pb::Envelope& envelope, Time begin_before) {
  to_xmpp_.begin(envelope, begin_before);
  arrange();
}

void Worker::ended(uint64_t number, const pb::Outcome& outcome) {
  to_sip_.ended(number, outcome);
  arrange();
}

void Worker::members_changed() {
  if (!bus_) return;
  if (others_.update(edge().members())) other_lost();
  to_xmpp_.set_others(others_.connections());
  moved_.set_workers(others_.names());
  for (const pb::Member& each : others_.take_news()) {
    // One that does not hear it waits a little longer.
    (void)edge().hand_over(each.name(), each.process_epoch(), kKnownConnections,
                           std::to_string(each.serving().connection()));
  }
  let_connect();
  streams_->set_holder(others_.holder());
  if (journal_ && journal_->is_open()) journal_->set_targets(edge().possible_targets());
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
  to_xmpp_.drop_held(pb::LINK_DOWN, "this worker was out of reach");
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

// Answers that are handed over from now on must not seem to have nothing missing before them.
void Worker::hand_overs_lost() { streams_->renew_connection(); }

void Worker::handed_over(const std::string& from, uint64_t stream, std::string_view payload) {
  notice_standstill();
  if (stream == kKnownConnections) {
    others_.known_by(from, parse_number(payload, 0, UINT64_MAX).value_or(0));
    return let_connect();
  }
  const uint64_t connection =
      streams_->backend() == pb::COMPONENT ? OtherWorkers::connection(from, stream) : 0;
  if (!hand_over_.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return;
  const auto id = ids_.read_answer(hand_over_.id(), hand_over_.from(), hand_over_.to());
  if (!id) return;
  if (id->has(xmpp::StanzaId::kKeepalive)) {
    const auto& known = others_.connections();
    const bool is_known = std::find(known.begin(), known.end(), connection) != known.end();
    if (ids_.is_own(*id) && is_known) streams_->keepalive_came_elsewhere(id->number);
    return;
  }
  const pb::StanzaError& error = hand_over_.error();
  to_xmpp_.answer(*id, {hand_over_.to_message(), hand_over_.id(), hand_over_.from(), hand_over_.to(),
                        to_stanza_error(error), connection});
  arrange();
}

void Worker::finish(const pb::EnvelopeId& id, const pb::Outcome& outcome) { edge().finish(id, outcome); }

Result<void> Worker::room(std::size_t more, pb::Reason* reason) {
  // One that ends takes what the server sends until the stream is closed, if the next process could go on
  // with it: a refusal would be no help to anybody.
  if (draining_ && !(drained_ && journal_)) {
    *reason = pb::STOPPING;
    return error("this process takes nothing new");
  }
  auto taken = edge().room(more);
  if (!taken) *reason = edge().refusal();
  return taken;
}

uint64_t Worker::restore(pb::Envelope& envelope, const bus::RestoredTimes& times, uint32_t attempts) {
  return edge().restore(envelope, times, attempts);
}

Result<uint64_t> Worker::submit(pb::Envelope& envelope, Time begin_before, Time end_by, pb::Reason* reason) {
  const Time came =
      moved_.must_wait(xmpp::domain_of(envelope.xmpp_message().from()), envelope.conversation());
  const bool held = came != Time{};
  const std::string conversation = held ? envelope.conversation() : std::string();
  auto number = edge().submit(envelope, begin_before, end_by, held);
  if (!number) {
    *reason = edge().refusal();
  } else if (held) {
    moved_.hold(came, conversation, *number);
    end_of_turn_.ask();
  }
  return number;
}

void Worker::write_envelope_name(uint64_t number, std::string* out) const {
  worker::write_envelope_name(edge().name(), edge().epoch(), number, out);
}

// --- receipts and typing

void Worker::without_words(const Stanza& stanza, const Jid& from, const Jid& to,
                           const xmpp::MessageContent& content) {
  notices_.take(stanza, from, to, content);
}

void Worker::taking(const Stanza& stanza, const xmpp::MessageContent& content, pb::XmppMessage& message) {
  notices_.message(stanza, content, message);
  if (asks_for_names_ && message.nick().empty()) ask_for_name(message.from(), message.to());
}

// What comes serves the messages that follow; nobody waits for it.
void Worker::ask_for_name(const std::string& user, const std::string& sip_user) {
  Contact& contact = contacts_.get(user, sip_user);
  if (std::exchange(contact.name_asked_for, true)) return;
  std::string id;
  ids_.append(id, 0, std::string(1, xmpp::StanzaId::kVcard), {}, contact.sip_user, contact.user);
  std::string xml_text;
  xmpp::XmlWriter xml(xml_text);
  xmpp::write_vcard_request(xml, contact.sip_user, contact.user, id);
  (void)send_stanza(contact.sip_user, contact.user, xml_text);
}

void Worker::refused_late(const xmpp::StanzaId& id, const Answer& answer) {
  // COMPAT(jabberd2 2.7): bounces with the addresses as they were.
  const bool swapped = !to_sip_.is_own(xmpp::domain_of(answer.from));
  const auto user = Jid::parse(swapped ? answer.from : answer.to);
  const auto sip_user = Jid::parse(swapped ? answer.to : answer.from);
  if (user && sip_user) notices_.refused_late(id, user->str(), sip_user->str(), answer.error);
}

// RFC 5438 12.2 forbids to take a 200 for a receipt; some peers know nothing better, and some sites want it.
void Worker::accepted(std::string_view from, std::string_view to, std::string_view id, std::string_view asked,
                      const pb::Outcome& outcome) {
  const bool arrived = outcome.verdict() == pb::DELIVERED && !outcome.will_be_told();
  if (!receipt_on_200_ || !arrived || id.empty()) return;
  // COMPAT(linphone 5.1): reports what it got though nobody has asked it.
  if (!asked.empty() && !contacts_.first(asked, pb::Receipt::DELIVERED)) return;
  Stanza stanza;
  stanza.from = to;
  stanza.to = from;
  std::string own_id;
  ids_.append(own_id, 0, std::string(1, xmpp::StanzaId::kStatus), {}, to, from);
  stanza.id = own_id;
  xmpp::MessageContent content;
  content.received = id;
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  xmpp::write_message(xml, stanza, content);
  if (!send_answer(to, from)) ++notices_lost_;
}

// Its outcome is nobody's: to_sip_ does not know the number.
void Worker::submit_notice(pb::Envelope& envelope) {
  envelope.set_trace_id(to_sip_.new_trace_id());
  service::Hop& hop = context_.trace.add();
  hop.trace_id = envelope.trace_id();
  hop.message_id = envelope.xmpp_message().receipt().id();
  hop.from = envelope.xmpp_message().from();
  hop.to = envelope.xmpp_message().to();
  hop.decision = "a notification, to a mapper";
  hop.came_us = hop.went_us = context_.loop.clock().wall_us();
  const auto number = edge().submit(envelope, now() + kNoticeWithin, now() + kNoticeWithin + kTimerF);
  if (number) return write_envelope_name(*number, &hop.envelope);
  ++notices_lost_;
  hop.outcome = number.error().text;
}

void Worker::submit_typing(pb::Envelope& envelope) {
  envelope.set_trace_id(to_sip_.new_trace_id());
  edge().submit_lossy(envelope, now() + kTypingWithin);
}

// --- streams

xmpp::Link* Worker::link(std::string_view from_domain, std::string_view to_domain) {
  return streams_->link(from_domain, to_domain);
}

bool Worker::send_stanza(std::string_view from, std::string_view to, std::string_view xml) {
  xmpp::Link* link = streams_->link(xmpp::domain_of(from), xmpp::domain_of(to));
  return link != nullptr && link->has_room() && link->send(from, xml) != xmpp::Link::Sent::kNotUp;
}

bool Worker::send_answer(std::string_view from, std::string_view to) {
  return answers_.send(streams_->link(xmpp::domain_of(from), xmpp::domain_of(to)), from, xml_);
}

ToSipUser::Fate Worker::fate(std::string_view from, std::string_view to, Time sent) {
  const xmpp::Link* link = streams_->link(xmpp::domain_of(from), xmpp::domain_of(to));
  if (link == nullptr || !link->is_up() || link->up_since() > sent) return Fate::kBroken;
  return link->proved_until() > sent ? Fate::kArrived : Fate::kWaits;
}

void Worker::ask_soon(std::string_view from, std::string_view to) {
  xmpp::Link* link = streams_->link(xmpp::domain_of(from), xmpp::domain_of(to));
  if (link != nullptr && link->is_up()) link->write_soon();
}

bool Worker::lend(std::string_view from, std::string_view to, std::string_view xml,
                  std::function<void()> sent) {
  const std::string holder = others_.holder();
  if (holder.empty() || (stopped_ == Time{} && streams_->status().state != State::kStandby)) return false;
  const json stanza = {{"from", from}, {"to", to}, {"xml", xml}};
  edge().query(holder, std::string(kSendFor) + stanza.dump(),
               [sent = std::move(sent)](const std::string& text) {
                 if (text == kSent) sent();
               });
  return true;
}

void Worker::asked(const std::string& from, std::string_view text, std::function<void(std::string)> reply) {
  if (MovedStreams::is_question(text)) {
    to_sip_.hand_on();
    return reply(MovedStreams::answer(text, now(), [this](const std::string& conversation, Time until) {
      return edge().has_in_flight(conversation, until);
    }));
  }
  if (!text.starts_with(kSendFor)) return context_.answer(text, std::move(reply));
  // What is written on our stream speaks for our domain.
  if (!others_.has_been_alike(from)) {
    context_.log.warn("{} asks to have a stanza sent and is no worker of our domains: it is not", from);
    return reply({});
  }
  const json stanza = service::parse_json(text.substr(kSendFor.size()));
  const auto field = [&](const char* name) {
    return stanza.is_object() && stanza.contains(name) && stanza[name].is_string()
               ? stanza[name].get<std::string>()
               : std::string();
  };
  to_sip_.send_for(field("from"), field("to"), field("xml"),
                   [reply = std::move(reply)] { reply(std::string(kSent)); });
}

void Worker::about_to_write(xmpp::Link& link) {
  notice_standstill();
  to_sip_.send_unsent();
  answers_.about_to_write(link);
  to_xmpp_.about_to_write(link);
  if (to_sip_.has_told()) link.ask_for_proof(now());
  arrange();
}

void Worker::link_up(xmpp::Link& link) {
  if (streams_->backend() == pb::COMPONENT) moved_.came({});
  to_xmpp_.link_up(link);
  answers_.link_up(link);
  to_sip_.note_told();
  if (to_sip_.has_unsent()) link.write_soon();
}

void Worker::link_down(xmpp::Link& link) {
  to_xmpp_.link_down(link);
  arrange();
}

void Worker::link_gone(xmpp::Link& link) {
  to_xmpp_.link_gone(link);
  answers_.link_gone(link);
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

void Worker::stanza(const xmpp::Element& element, uint64_t stream) {
  auto stanza = xmpp::read_stanza(element);
  if (!stanza) return;
  notice_standstill();
  ++stanzas_in_;
  // COMPAT(ejabberd 23): "romeo@SIP.Test" comes as its user has typed it; a reply needs an address of ours.
  std::string to;
  if (!to_sip_.is_own(xmpp::domain_of(stanza->to))) to = prepared_address(stanza->to);
  if (!to.empty()) stanza->to = to;
  const bool is_message = stanza->kind == Stanza::Kind::kMessage;
  if (stanza->is_error() || stanza->type == "result") {
    if (stanza->kind != Stanza::Kind::kPresence) answer(*stanza, stream);
    return;
  }
  if (is_message && !decline_invitation(*stanza)) return to_sip_.message(*stanza);
  if (is_message) return;
  // A server with several connections of our domain brings a keepalive, which goes to the domain, on any.
  if (to_sip_.is_own(xmpp::domain_of(stanza->from))) return answer(*stanza, stream);
  if (!to_sip_.is_own(xmpp::domain_of(stanza->to))) return void(++not_answered_);
  note_features(*stanza);
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  info_.uptime = now() - started_;
  if (!xmpp::answer(*stanza, info_, xml)) return;
  ++(send_answer(stanza->to, stanza->from) ? answered_ : not_answered_);
}

bool Worker::decline_invitation(const Stanza& message) {
  if (!to_sip_.is_own(xmpp::domain_of(message.to)) || to_sip_.is_own(xmpp::domain_of(message.from)))
    return false;
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  if (!xmpp::decline_invitation(message, xml)) return false;
  ++(send_answer(message.to, message.from) ? answered_ : not_answered_);
  return true;
}

// A client that looks at the features of a SIP user, or shows its own (XEP-0115), is one that may be told
// typing.
void Worker::note_features(const Stanza& stanza) {
  if (!xmpp::is_about_features(stanza)) return;
  const std::string from = prepared_address(stanza.from), to = prepared_address(stanza.to);
  if (!from.empty() && !to.empty() && xmpp::has_resource(from))
    contacts_.get(from, to).shows(from, Contact::States::kAssumed);
}

std::string_view Worker::first_words(const Stanza& stanza, std::string_view id) {
  const auto from = Jid::parse(stanza.from), to = Jid::parse(stanza.to);
  return from && to ? contacts_.recent_words().find(from->str(), to->str(), id) : std::string_view();
}

void Worker::called(const Stanza& message) {
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  if (xmpp::decline_call(message, xml)) ++(send_answer(message.to, message.from) ? answered_ : not_answered_);
}

// Of a stanza that any worker of our domains wrote.
void Worker::answer(Stanza stanza, uint64_t stream) {
  std::string from, to;
  auto id = ids_.read_answer(stanza.id, stanza.from, stanza.to);
  if (!id) {
    // COMPAT(Openfire): it writes a domain with A-labels, however it was written to.
    from = prepared_address(stanza.from);
    to = prepared_address(stanza.to);
    stanza.from = from;
    stanza.to = to;
    id = ids_.read_answer(stanza.id, from, to);
  }
  if (!id) return context_.log.debug("an answer from {} to a stanza that nobody here wrote", stanza.from);
  if (id->has(xmpp::StanzaId::kVcard)) {
    const std::string_view name = xmpp::name_in_vcard(stanza);
    Contact* contact = contacts_.find(stanza.from, stanza.to);
    if (contact != nullptr && contact->user_name.empty() && name.size() <= Contacts::kMaxName)
      contact->user_name = name;
    return;
  }
  const bool to_message = stanza.kind == Stanza::Kind::kMessage;
  xmpp::StanzaError error;
  if (stanza.is_error()) error = xmpp::read_error(stanza.element);
  if (ids_.is_own(*id) || id->worker == edge().name())
    return to_xmpp_.answer(*id, {to_message, stanza.id, stanza.from, stanza.to, std::move(error), 0});
  hand_over_.Clear();
  hand_over_.set_to_message(to_message);
  hand_over_.set_id(stanza.id.data(), stanza.id.size());
  hand_over_.set_from(stanza.from.data(), stanza.from.size());
  hand_over_.set_to(stanza.to.data(), stanza.to.size());
  if (stanza.is_error()) *hand_over_.mutable_error() = from_stanza_error(error, false);
  hand_over_.SerializeToString(&payload_);
  if (!edge().hand_over(id->worker, id->epoch, stream, payload_)) hand_overs_lost();
  ++handed_over_;
}

void Worker::oversized(const xmpp::Element& element) {
  const auto stanza = xmpp::read_stanza(element);
  if (!stanza || stanza->is_error() || stanza->from.empty()) return;
  const bool owed = stanza->kind == Stanza::Kind::kMessage || stanza->type == "get" || stanza->type == "set";
  if (owed) to_sip_.refuse(*stanza, {"modify", "policy-violation", "Too large"});
  context_.log.info("an oversized stanza from {} was refused", stanza->from);
}

// --- the process

void Worker::check_status() {
  if (!bus_) return;
  service::Status current = status();
  // For how long a server has been silent is no news.
  const bool silent = current.state == State::kReady && streams_->silence();
  const bool is_same = current.reason == told_.reason || (silent && told_silence_);
  told_silence_ = silent;
  if (current.state == told_.state && is_same) return;
  told_ = std::move(current);
  context_.status_changed();
}

// Told a little before it is so, for nothing to come that would be refused.
bool Worker::holds() const { return streams_->holds(now() + 2 * kTick); }

void Worker::tell_serving() {
  if (!bus_) return;
  const service::Status streams = streams_->status();
  pb::Serving serving;
  serving.set_state(draining_ ? pb::DRAINING : to_bus(streams.state));
  serving.set_reason(streams.reason);
  serving.set_backend(streams_->backend());
  serving.set_connection(streams_->connection());
  serving.set_broken(streams_->broken());
  told_holds_ = holds();
  serving.set_holds_nothing(!told_holds_);
  for (const std::string& domain : config_.domains) serving.add_domains(prepared(domain));
  // Who has drained and closed its streams is nothing on XMPP any more: another may take its place.
  if (!place_given_) {
    for (const std::string& domain : serves_) serving.add_serves(domain);
  }
  edge().set_serving(std::move(serving));
}

void Worker::stop() {
  to_xmpp_.stop();
  to_sip_.stop();
  to_sip_.close();
  streams_->stop();
  arrange();
}

void Worker::reload(const service::Config& config) {
  take_settings(config.gateway);
  bus_->connect_to(config.mapper_endpoints());
  const auto* section = find_section(config, context_.identity.section);
  if (section == nullptr) return;
  streams_->reload(*section);
}

void Worker::send(const json& request, service::Reply reply) {
  const auto text = [&](const char* key) {
    return request.contains(key) && request[key].is_string() ? request[key].get<std::string>() : "";
  };
  to_sip_.inject(
      text("from"), text("to"), text("text"),
      [reply = std::move(reply)](const std::string& trace_id, const std::string& outcome, bool ok) {
        reply({{"ok", ok}, {"trace", to_hex(trace_id)}, {"outcome", outcome}, {"error", ok ? "" : outcome}});
      });
  arrange();
}

}  // namespace stox::worker
