#include "mapper/mapping/presence/presence.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/text.h"
#include "mapper/mapping/error/errors.h"

namespace stox::mapping {
namespace {

constexpr int kMaxNotes = 16;
constexpr std::size_t kMaxText = 1024;
constexpr std::size_t kMaxLanguage = 64;
constexpr CharClass kLanguageChars("-");

// Spaces at the ends mean nothing to anybody, and a reader of XML may drop them.
std::string clean(std::string_view text) {
  return is_utf8(text) ? std::string(trim(one_line(xml_legal(text), kMaxText))) : std::string();
}

bool is_language(std::string_view text) {
  return text.size() <= kMaxLanguage && kLanguageChars.has_all(text);
}

pb::Presence with(const pb::Presence& in, std::string from, std::string to) {
  pb::Presence out = in;
  out.set_from(std::move(from));
  out.set_to(std::move(to));
  out.set_text(clean(in.text()));
  if (!in.has_state()) return out;
  pb::PresenceState& state = *out.mutable_state();
  state.set_priority(std::clamp(state.priority(), -128, 127));
  state.clear_notes();
  for (const pb::XmppText& note : in.state().notes()) {
    std::string text = clean(note.text());
    if (text.empty() || state.notes_size() == kMaxNotes) continue;
    pb::XmppText& kept = *state.add_notes();
    kept.set_text(std::move(text));
    if (is_language(note.lang())) kept.set_lang(note.lang());
  }
  return out;
}

}  // namespace

std::optional<pb::Outcome> presence_to_xmpp(const pb::Presence& in, pb::Presence& out,
                                            const Addresses& addresses) {
  const auto to = addresses.xmpp_recipient(in.to(), in.from());
  if (!to) return refuse_sip(to.error(), Party::kRecipient);
  const auto from = addresses.xmpp_sender(in.from());
  if (!from) return refuse_sip(from.error(), Party::kSender);
  out = with(in, from->str(), to->str());
  return std::nullopt;
}

std::optional<pb::Outcome> presence_to_sip(const pb::Presence& in, pb::Presence& out,
                                           const Addresses& addresses) {
  const auto to = addresses.sip_recipient(in.to());
  if (!to) return refuse_xmpp(to.error(), Party::kRecipient);
  const auto from = addresses.sip_sender(in.from());
  if (!from) return refuse_xmpp(from.error(), Party::kSender);
  out = with(in, *from, *to);
  return std::nullopt;
}

}  // namespace stox::mapping
