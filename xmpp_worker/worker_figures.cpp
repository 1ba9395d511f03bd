// What a worker shows: status, what `stoxctl` lists, figures.
#include <fmt/format.h>

#include "common/base/text.h"
#include "xmpp_worker/outcomes/outcomes.h"
#include "xmpp_worker/worker.h"

namespace stox::worker {
namespace {
using nlohmann::json;
using service::Metric;
using service::State;

constexpr std::size_t kMaxUnreachable = 20;

// Other servers that we wanted a stream to and have none, and why.
std::vector<json> unreachable_domains(const json& streams) {
  std::vector<json> out;
  for (const json& stream : streams) {
    if (stream["direction"] != "out" || stream["state"] == "up" || stream["reason"] == "") continue;
    out.push_back({{"name", stream["domain"]},
                   {"kind", "xmpp_domain"},
                   {"state", "no stream to"},
                   {"why", stream["reason"]}});
    if (out.size() == kMaxUnreachable) break;
  }
  return out;
}
}  // namespace

service::Status Worker::own_status() const {
  service::Status streams = streams_->status();
  if (streams.state != State::kReady) return streams;
  if (const auto silence = streams_->silence())
    return {State::kReady,
            fmt::format("{} has answered nothing for {} s; {} messages to it wait for proof", silence->server,
                        to_ms(silence->for_time) / 1000, to_xmpp_.unproved())};
  if (journal_ && !journal_->trouble().empty())
    return {State::kReady, "messages from XMPP are refused, because of the " + journal_->trouble()};
  return streams;
}

json Worker::peers() const {
  json list = streams_->list();
  for (json& domain : unreachable_domains(streams_->streams())) list.push_back(std::move(domain));
  add_mappers(list);
  json journal;
  if (journal_)
    journal = {{"path", journal_->path()}, {"held", journal_->size()}, {"trouble", journal_->trouble()}};
  return {{"peers", list}, {"journal", journal}};
}

json Worker::known_peers() const {
  json list = json::array();
  for (const Contact& contact : contacts_.list()) {
    const Duration left = contact.used + Contacts::kRemembered - now();
    if (left <= Duration{0}) break;
    json takes = json::array(), refuses = json::array();
    if (contact.states_of(contact.user) == Contact::States::kTells) takes.push_back("chatstates");
    if (contact.states_of(contact.user) == Contact::States::kTellsNot) refuses.push_back("chatstates");
    list.push_back({{"peer", contact.user},
                    {"towards", contact.sip_user},
                    {"takes", std::move(takes)},
                    {"refuses", std::move(refuses)},
                    {"forgotten_in_ms", to_ms(left)}});
  }
  return list;
}

std::pair<std::string, std::string> Worker::addresses_of(const bus::InFlight& one) const {
  const auto* pending = to_sip_.find(one.number);
  return pending != nullptr ? std::pair(pending->from, pending->to) : std::pair<std::string, std::string>();
}

std::vector<Metric> Worker::metrics() const {
  const auto counter = [](const char* name, const char* help, uint64_t value) {
    return Metric{Metric::Kind::kCounter, name, help, static_cast<double>(value)};
  };
  const auto gauge = [](const char* name, const char* help, auto value) {
    return Metric{Metric::Kind::kGauge, name, help, static_cast<double>(value)};
  };
  const auto& out = to_xmpp_.figures();
  const auto& in = to_sip_.figures();
  std::vector<Metric> all = {
      gauge("stox_journal_held", "stanzas in the journal, whose messages have not ended",
            journal_ ? journal_->size() : 0),
      gauge("stox_journal_trouble",
            "1 while the journal cannot be written and messages from XMPP are refused",
            journal_ && !journal_->trouble().empty()),
      gauge("stox_xmpp_unproved", "messages written whose processing is not proved", to_xmpp_.unproved()),
      gauge("stox_xmpp_held", "messages that wait for the stream", to_xmpp_.held()),
      gauge("stox_xmpp_mute_domains", "domains that answer no pings", to_xmpp_.mute_domains()),
      counter("stox_xmpp_stanzas_received_total", "stanzas that came in", stanzas_in_),
      counter("stox_xmpp_receipts_total", "receipts and markers passed on to SIP",
              notices_.figures().receipts),
      counter("stox_xmpp_receipts_unknown_total", "receipts for messages that nobody here wrote",
              notices_.figures().not_ours),
      counter("stox_xmpp_receipts_lost_total", "receipts that found no way", notices_.figures().lost),
      counter("stox_xmpp_typing_to_sip_total", "chat states passed on to SIP", notices_.figures().typing),
      counter("stox_xmpp_typing_total", "chat states written", out.typing),
      counter("stox_xmpp_typing_dropped_total", "chat states not written: nobody wants them, or no stream",
              out.typing_dropped),
      counter("stox_xmpp_written_total", "messages written to the stream", out.written),
      counter("stox_xmpp_delivered_total", "messages whose processing was proved", out.delivered),
      counter("stox_xmpp_passed_on_total", "messages passed on without proof", out.passed_on),
      counter("stox_xmpp_bounced_total", "messages refused by XMPP", out.bounced),
      counter("stox_xmpp_failed_total", "messages to XMPP that failed in the gateway", out.failed),
      counter("stox_xmpp_late_errors_total", "errors that came after the answer", out.late_errors),
      counter("stox_xmpp_refused_total", "error stanzas sent", in.refused),
      counter("stox_sip_over_share_total",
              "messages for SIP refused because their sender or domain had its share under way",
              in.over_share),
      counter("stox_xmpp_errors_lost_total", "error stanzas that could not be sent", in.errors_lost),
      counter("stox_xmpp_answers_total", "IQs and presence answered, or to be as soon as there is a stream",
              services_.figures().answered),
      counter("stox_xmpp_unanswered_total",
              "IQs not answered, because the server does not read or is out of reach",
              services_.figures().not_answered),
      counter("stox_xmpp_presence_to_sip_total", "envelopes with presence of XMPP users, one for each front",
              presence_to_sip_.figures().taken),
      counter("stox_xmpp_presence_dropped_total",
              "presence of XMPP users not passed on: there is no room, or no front",
              presence_to_sip_.figures().dropped),
      counter("stox_xmpp_presence_refused_total", "subscriptions of XMPP users that reached no front",
              presence_to_sip_.figures().refused),
      counter("stox_xmpp_presence_written_total", "presence of SIP users written",
              presence_to_xmpp_.figures().written),
      counter("stox_xmpp_presence_failed_total", "presence of SIP users not written, which its front repeats",
              presence_to_xmpp_.figures().failed),
      gauge("stox_xmpp_presence_held", "presence of SIP users that waits for a stream",
            presence_to_xmpp_.held()),
      gauge("stox_rooms_memberships", "rooms that SIP users are in, one for each user and room",
            rooms_.size()),
      counter("stox_rooms_joined_total", "times that a SIP user came into a room", rooms_.figures().joined),
      counter("stox_rooms_refused_total", "times that a room did not let one in", rooms_.figures().refused),
      counter("stox_rooms_lost_total", "times that a room had lost one, who is brought back",
              rooms_.figures().lost),
      counter("stox_rooms_said_total", "messages of SIP users to rooms", rooms_.figures().said),
      counter("stox_rooms_shown_total", "messages of rooms that arrived at SIP users",
              rooms_.figures().shown),
      counter("stox_rooms_left_out_total", "messages of rooms that were too many for a SIP user",
              rooms_.figures().left_out),
      counter("stox_xmpp_handed_over_total", "answers that came here for stanzas of another worker",
              handed_over_),
  };
  streams_->add_metrics(all);
  return all;
}

}  // namespace stox::worker
