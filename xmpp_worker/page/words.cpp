#include "xmpp_worker/page/words.h"

#include <iterator>
#include <utility>

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
    oob->set_name(each.name.data(), each.name.size());
    oob->set_media_type(each.media_type.data(), each.media_type.size());
    oob->set_size(each.size);
  }
  message->set_replaces(content.replaces.data(), content.replaces.size());
  for (const auto& [state, name] : kStates) {
    if (name == content.state) message->set_state(state);
  }
}

}  // namespace stox::worker
