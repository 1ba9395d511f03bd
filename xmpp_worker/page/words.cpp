#include "xmpp_worker/page/words.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "common/bus/edge/envelope_name.h"

namespace stox::worker {
namespace {

template <class Texts>
void slice(const Texts& from, std::vector<xmpp::LangText>* to) {
  for (const pb::XmppText& each : from) to->push_back({each.lang(), each.text()});
}

template <class Texts>
void copy(const std::vector<xmpp::LangText>& from, Texts* to) {
  for (const xmpp::LangText& each : from) {
    pb::XmppText* text = to->Add();
    text->set_lang(each.lang.data(), each.lang.size());
    text->set_text(each.text.data(), each.text.size());
  }
}

constexpr std::pair<pb::XmppMessage::State, std::string_view> kStates[] = {
    {pb::XmppMessage::ACTIVE, "active"},
    {pb::XmppMessage::COMPOSING, "composing"},
    {pb::XmppMessage::PAUSED, "paused"},
    {pb::XmppMessage::INACTIVE, "inactive"},
    {pb::XmppMessage::GONE, "gone"}};

}  // namespace

std::string_view name_of(pb::XmppMessage::State state) {
  for (const auto& [each, name] : kStates) {
    if (each == state) return name;
  }
  return {};
}

void to_stanza(const pb::XmppMessage& message, xmpp::Stanza* stanza, xmpp::MessageContent* content) {
  *stanza = {};
  stanza->from = message.from();
  stanza->to = message.to();
  stanza->type = message.type();
  stanza->lang = message.lang();
  content->clear();
  slice(message.bodies(), &content->bodies);
  slice(message.subjects(), &content->subjects);
  content->thread = message.thread();
  content->delay_s = message.delay_stamp_s();
  content->state = name_of(message.state());
  content->nick = message.nick();
  content->wants_receipt = message.wants().delivered();
  content->wants_marker = message.wants().displayed();
}

xmpp::File to_file(const pb::XmppFile& file) {
  return {file.url(), file.name(), file.media_type(), file.size()};
}

std::string_view words_beside_files(const pb::XmppMessage& message) {
  std::string_view text;
  if (message.bodies_size() > 0) text = message.bodies(0).text();
  for (int i = message.files_size(); i > 0; --i) {
    const std::string& url = message.files(i - 1).url();
    if (!text.ends_with(url)) return text;
    text.remove_suffix(url.size());
    if (text.ends_with('\n')) text.remove_suffix(1);
  }
  return text;
}

void from_stanza(const xmpp::Stanza& stanza, const xmpp::MessageContent& content, pb::XmppMessage* message) {
  message->set_id(stanza.id.data(), stanza.id.size());
  message->set_type(stanza.type.data(), stanza.type.size());
  message->set_lang(stanza.lang.data(), stanza.lang.size());
  copy(content.bodies, message->mutable_bodies());
  copy(content.subjects, message->mutable_subjects());
  message->set_thread(content.thread.data(), content.thread.size());
  message->set_delay_stamp_s(content.delay_s);
  for (const xmpp::Oob& each : content.oobs) {
    pb::XmppOob* oob = message->add_oobs();
    oob->set_url(each.url.data(), each.url.size());
    oob->set_description(each.description.data(), each.description.size());
  }
  message->set_replaces(content.replaces.data(), content.replaces.size());
  for (const auto& [state, name] : kStates) {
    if (name == content.state) message->set_state(state);
  }
}

pb::StanzaError from_stanza_error(const xmpp::StanzaError& error, bool full_jid) {
  pb::StanzaError out;
  out.set_type(error.type);
  out.set_condition(error.condition);
  out.set_text(error.text);
  out.set_address(error.address);
  out.set_full_jid(full_jid);
  out.set_legacy_code(error.legacy_code);
  return out;
}

xmpp::StanzaError to_stanza_error(pb::Reason reason) {
  switch (reason) {
    case pb::NO_TARGET:
      return {"wait", "resource-constraint", "The gateway cannot reach SIP at the moment"};
    case pb::OVERLOADED:
      return {"wait", "resource-constraint", "The gateway has too many messages under way"};
    case pb::LINK_DOWN:
      return {"wait", "resource-constraint", "The gateway is not connected at the moment"};
    case pb::STOPPING:
      return {"wait", "resource-constraint", "The gateway is being restarted"};
    case pb::DEADLINE:
      return {"wait", "remote-server-timeout", "No answer in time"};
    case pb::IN_DOUBT:
      return {"wait", "remote-server-timeout", "No answer; the message may have been delivered"};
    case pb::UNSUPPORTED:
      return {"cancel", "feature-not-implemented", "The gateway cannot pass on such a message"};
    default:
      return {"cancel", "internal-server-error", "The gateway could not deliver the message"};
  }
}

xmpp::StanzaError to_stanza_error(const pb::Outcome& outcome) {
  if (outcome.reason() != pb::NOT_GIVEN || !outcome.has_stanza_error())
    return to_stanza_error(outcome.reason());
  return to_stanza_error(outcome.stanza_error());
}

xmpp::StanzaError to_stanza_error(const pb::StanzaError& said) {
  xmpp::StanzaError error{said.type(), said.condition(), said.text()};
  error.address = said.address();
  error.legacy_code = said.legacy_code();
  return error;
}

void write_envelope_name(const std::string& origin, uint64_t epoch, uint64_t number, std::string* out) {
  bus::write_envelope_name(origin, epoch, number, *out);
}

std::string describe(const pb::Outcome& outcome) {
  if (outcome.verdict() == pb::DELIVERED) return "delivered";
  if (outcome.verdict() == pb::PASSED_ON) return "passed on, not proved";
  std::string out;
  if (outcome.has_stanza_error()) {
    const pb::StanzaError& said = outcome.stanza_error();
    out = fmt::format("{} ({})", said.condition().empty() ? "code " + said.legacy_code() : said.condition(),
                      said.type());
    if (!said.text().empty()) out += ": " + said.text();
    return out;
  }
  out = pb::Reason_Name(outcome.reason());
  if (!outcome.text().empty()) out += ": " + outcome.text();
  return out;
}

}  // namespace stox::worker
