// What a worker does for messages, receipts and typing (page/), and for what other workers of its domains
// have of them.
#include "common/base/jid.h"
#include "xmpp_worker/outcomes/outcomes.h"
#include "xmpp_worker/siblings/sibling_calls.h"
#include "xmpp_worker/worker.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {
namespace {

using service::State;

constexpr Duration kNoticeWithin = std::chrono::seconds(60);
constexpr Duration kTimerF = std::chrono::seconds(35);  // that a begun transaction runs
constexpr Duration kTypingWithin = std::chrono::seconds(5);

}  // namespace

Result<void> Worker::room(std::size_t more, pb::Reason* reason) {
  // One that ends takes what the server sends until the stream is closed, if the next process could go on
  // with it: a refusal would be no help to anybody.
  if (is_draining() && !(is_ending() && journal_)) {
    *reason = pb::STOPPING;
    return error("this process takes nothing new");
  }
  auto taken = origin().room(more);
  if (!taken) *reason = origin().refusal();
  return taken;
}

uint64_t Worker::restore(pb::Envelope& envelope, const bus::RestoredTimes& times, uint32_t attempts) {
  return origin().restore(envelope, times, attempts);
}

Result<uint64_t> Worker::submit(pb::Envelope& envelope, Time begin_before, Time end_by, pb::Reason* reason) {
  const Time came =
      moved_.must_wait(xmpp::domain_of(envelope.xmpp_message().from()), envelope.conversation());
  const bool held = came != Time{};
  const std::string conversation = held ? envelope.conversation() : std::string();
  auto number = origin().submit(envelope, begin_before, end_by, held);
  if (!number) {
    *reason = origin().refusal();
  } else if (held) {
    moved_.hold(came, conversation, *number);
    end_of_turn_.ask();
  }
  return number;
}

void Worker::write_envelope_name(uint64_t number, std::string* out) const {
  worker::write_envelope_name(edge().name(), edge().epoch(), number, out);
}

void Worker::without_words(const xmpp::Stanza& stanza, const Jid& from, const Jid& to,
                           const xmpp::MessageContent& content) {
  notices_.take(stanza, from, to, content);
}

void Worker::taking(const xmpp::Stanza& stanza, const xmpp::MessageContent& content,
                    pb::XmppMessage& message) {
  notices_.message(stanza, content, message);
  names_.taking(message);
}

void Worker::accepted(std::string_view from, std::string_view to, std::string_view id, std::string_view asked,
                      const pb::Outcome& outcome) {
  notices_.accepted(from, to, id, asked, outcome);
}

std::string_view Worker::first_words(const xmpp::Stanza& stanza, std::string_view id) {
  const auto from = Jid::parse(stanza.from), to = Jid::parse(stanza.to);
  return from && to ? contacts_.recent_words().find(from->str(), to->str(), id) : std::string_view();
}

void Worker::called(const xmpp::Stanza& message) { services_.decline_call(message); }

void Worker::refused_late(const xmpp::StanzaId& id, const Answer& answer) {
  // COMPAT(jabberd2 2.7): bounces with the addresses as they were.
  const bool swapped = !to_sip_.is_own(xmpp::domain_of(answer.from));
  const auto user = Jid::parse(swapped ? answer.from : answer.to);
  const auto sip_user = Jid::parse(swapped ? answer.to : answer.from);
  if (user && sip_user) notices_.refused_late(id, user->str(), sip_user->str(), answer.error);
}

// Its outcome is nobody's: to_sip_ does not know the number.
bool Worker::submit_notice(pb::Envelope& envelope) {
  envelope.set_trace_id(to_sip_.new_trace_id());
  service::TraceHop& hop = context_.trace.add();
  hop.trace_id = envelope.trace_id();
  hop.message_id = envelope.xmpp_message().receipt().id();
  hop.from = envelope.xmpp_message().from();
  hop.to = envelope.xmpp_message().to();
  hop.decision = "a notification, to a mapper";
  hop.came_us = hop.went_us = context_.loop.clock().wall_us();
  const auto number = origin().submit(envelope, now() + kNoticeWithin, now() + kNoticeWithin + kTimerF);
  if (number) write_envelope_name(*number, &hop.envelope);
  if (!number) hop.outcome = number.error().text;
  return number.has_value();
}

void Worker::submit_typing(pb::Envelope& envelope) {
  envelope.set_trace_id(to_sip_.new_trace_id());
  origin().submit_lossy(envelope, now() + kTypingWithin);
}

bool Worker::send_stanza(std::string_view from, std::string_view to, std::string_view xml) {
  xmpp::Path* path = streams_->path(xmpp::domain_of(from), xmpp::domain_of(to));
  return path != nullptr && path->has_room() && path->send(from, xml) != xmpp::Path::Sent::kNotUp;
}

ToSipUser::Fate Worker::fate(std::string_view from, std::string_view to, Time sent) {
  const xmpp::Path* path = streams_->path(xmpp::domain_of(from), xmpp::domain_of(to));
  if (path == nullptr || !path->is_up() || path->up_since() > sent) return Fate::kBroken;
  return path->proved_until() > sent ? Fate::kArrived : Fate::kWaits;
}

void Worker::ask_soon(std::string_view from, std::string_view to) {
  xmpp::Path* path = streams_->path(xmpp::domain_of(from), xmpp::domain_of(to));
  if (path != nullptr && path->is_up()) path->write_soon();
}

bool Worker::lend(std::string_view from, std::string_view to, std::string_view xml,
                  std::function<void()> sent) {
  const std::string holder = others_.holder();
  if (holder.empty() || (stopped_ == Time{} && streams_->status().state != State::kStandby)) return false;
  send_for(edge().calls(), holder, from, to, xml, std::move(sent));
  return true;
}

void Worker::ask_in_hand(const std::string& worker, pb::InHand question,
                         std::function<void(const pb::Held&)> reply) {
  worker::ask_in_hand(edge().calls(), worker, std::move(question), std::move(reply));
}

void Worker::call_came(const pb::Call& question, bus::Calls::Reply reply) {
  pb::Call answer;
  switch (question.what_case()) {
    case pb::Call::kInHand:
      to_sip_.hand_on();
      *answer.mutable_held() = MovedStreams::answer(question.in_hand(), now(),
                                                    [this](const std::string& conversation, Time until) {
                                                      return origin().has_in_flight(conversation, until);
                                                    });
      return reply(std::move(answer));
    case pb::Call::kSendFor:
      return send_for_another(question, std::move(reply));
    default:
      return reply({});
  }
}

// What is written on our stream speaks for our domain.
void Worker::send_for_another(const pb::Call& question, bus::Calls::Reply reply) {
  if (!others_.has_been_alike(question.from())) {
    context_.log.warn("{} asks to have a stanza sent and is no worker of our domains: it is not",
                      question.from());
    return reply({});
  }
  const pb::SendFor& stanza = question.send_for();
  to_sip_.send_for(stanza.from(), stanza.to(), stanza.xml(), [reply = std::move(reply)] {
    pb::Call sent;
    sent.mutable_sent();
    reply(std::move(sent));
  });
}

}  // namespace stox::worker
