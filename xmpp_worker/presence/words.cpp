#include "xmpp_worker/presence/words.h"

#include <utility>

namespace stox::worker {
namespace {

using pb::Presence;
using pb::PresenceState;

constexpr std::pair<std::string_view, Presence::Kind> kTypes[] = {{"subscribe", Presence::SUBSCRIBE},
                                                                  {"subscribed", Presence::SUBSCRIBED},
                                                                  {"unsubscribe", Presence::UNSUBSCRIBE},
                                                                  {"unsubscribed", Presence::UNSUBSCRIBED},
                                                                  {"probe", Presence::PROBE},
                                                                  {"", Presence::STATE},
                                                                  {"unavailable", Presence::STATE},
                                                                  {"error", Presence::FAILED}};

constexpr std::pair<std::string_view, PresenceState::Activity> kShows[] = {{"chat", PresenceState::CHAT},
                                                                           {"away", PresenceState::AWAY},
                                                                           {"xa", PresenceState::LONG_AWAY},
                                                                           {"dnd", PresenceState::BUSY}};

constexpr std::size_t kMaxLang = 64;  // no language has a longer name
constexpr int64_t kOldS = 60;

// Whole characters of at most so many bytes.
std::string_view cut(std::string_view text) {
  if (text.size() <= kMaxStatus) return text;
  std::size_t end = kMaxStatus;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

void assign(std::string* to, std::string_view text) { to->assign(text.data(), text.size()); }

void from_content(const xmpp::Stanza& stanza, const xmpp::PresenceContent& content, PresenceState* state) {
  state->set_available(stanza.type.empty());
  for (const auto& [show, activity] : kShows) {
    if (show == content.show) state->set_activity(activity);
  }
  for (const xmpp::LangText& each : content.statuses) {
    pb::XmppText* note = state->add_notes();
    const std::string_view lang = each.lang.empty() ? stanza.lang : each.lang;
    if (lang.size() <= kMaxLang) assign(note->mutable_lang(), lang);
    assign(note->mutable_text(), cut(each.text));
  }
  state->set_priority(content.priority);
  state->set_since_s(content.since_s);
}

}  // namespace

std::optional<Presence::Kind> presence_kind(std::string_view type) {
  for (const auto& [each, kind] : kTypes) {
    if (each == type) return kind;
  }
  return std::nullopt;
}

std::optional<std::string_view> presence_type(const Presence& presence) {
  if (presence.kind() == Presence::FAILED) return std::nullopt;
  if (presence.kind() == Presence::STATE) return presence.state().available() ? "" : "unavailable";
  for (const auto& [type, kind] : kTypes) {
    if (kind == presence.kind()) return type;
  }
  return std::nullopt;
}

void from_presence(const xmpp::Stanza& stanza, Presence::Kind kind, Presence* out) {
  out->set_kind(kind);
  if (kind == Presence::FAILED) {
    const xmpp::StanzaError error = xmpp::read_error(stanza.element);
    out->set_condition(error.condition.empty() ? "undefined-condition" : error.condition);
    return assign(out->mutable_text(), cut(error.text));
  }
  const xmpp::PresenceContent content = xmpp::read_presence(stanza.element);
  if (kind == Presence::STATE) from_content(stanza, content, out->mutable_state());
  if (kind == Presence::UNSUBSCRIBED && !content.statuses.empty())
    assign(out->mutable_text(), cut(content.statuses.front().text));
}

xmpp::PresenceContent to_presence(const Presence& presence, int64_t now_s) {
  xmpp::PresenceContent out;
  if (presence.kind() == Presence::UNSUBSCRIBED && !presence.text().empty())
    out.statuses.push_back({{}, presence.text()});
  if (presence.kind() != Presence::STATE) return out;
  const PresenceState& state = presence.state();
  for (const pb::XmppText& each : state.notes()) out.statuses.push_back({each.lang(), each.text()});
  if (state.since_s() > 0 && state.since_s() < now_s - kOldS) out.since_s = state.since_s();
  if (!state.available()) return out;
  for (const auto& [show, activity] : kShows) {
    if (activity == state.activity()) out.show = show;
  }
  out.priority = state.priority();
  return out;
}

}  // namespace stox::worker
