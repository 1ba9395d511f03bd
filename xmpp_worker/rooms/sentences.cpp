#include "xmpp_worker/rooms/sentences.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "common/base/text.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {

namespace {

constexpr std::size_t kMaxName = 100, kMaxText = 500;  // bytes of what a peer wrote
constexpr std::size_t kMaxMembersText = 1000;

std::string name(std::string_view text) { return one_line(trim(text), kMaxName); }
std::string words(std::string_view text) { return one_line(trim(text), kMaxText); }

// ": why", if it was said.
std::string because(std::string_view reason) {
  const std::string text = words(reason);
  return text.empty() ? "" : ": " + text;
}

std::string by(std::string_view nick) { return nick.empty() ? "" : " by " + name(nick); }

// An end of its own for what ends with a peer's words.
std::string sentence(std::string text) {
  if (!text.empty() && std::string_view(".!?").find(text.back()) == std::string_view::npos) text += '.';
  return text;
}

// The JID that it is, or that a URI has (RFC 5122), which may say what to do there: xmpp:garden@conf?join.
std::string address_of(std::string_view text) {
  if (!text.starts_with("xmpp:")) return name(text);
  const std::string_view path = text.substr(5, text.find('?') - 5);
  return name(percent_decode(path).value_or(std::string(path)));
}

struct Row {
  std::string_view condition, text;  // {} in it is the start character
};

constexpr Row kJoinRefusals[] = {
    {"not-authorized", "This room needs a password: write {}join PASSWORD"},
    {"registration-required", "This room is only for its members: ask its owner to make you one"},
    {"forbidden", "You are banned from this room"},
    {"service-unavailable", "This room is full: try again later"},
    {"item-not-found", "This room does not exist, or is not open yet"},
    {"not-allowed", "This room does not exist, and you may not create it"},
    {"not-acceptable", "This room wants your registered nick: write {}nick NAME"},
    {"conflict", "Someone in this room has your nick: write {}nick NAME"},
    {"jid-malformed", "This room does not take your nick: write {}nick NAME"},
    {"resource-constraint", "This room is full: try again later"},
    {"policy-violation", "This room does not take any more now: try again later"},
    {"remote-server-not-found", "The server of this room cannot be found"},
    {"remote-server-timeout", "The server of this room does not answer: try again later"},
};

constexpr Row kSpeechRefusals[] = {
    {"not-acceptable", "You are not in this room: write {}join"},
    {"forbidden", "You may not speak here: the room is moderated"},
    {"not-allowed", "This room does not allow that"},
    {"item-not-found", "Nobody of that name is in this room"},
    {"recipient-unavailable", "Nobody of that name is in this room"},
    {"policy-violation", "This room takes no more from you now: wait a little"},
    {"resource-constraint", "This room takes no more from you now: wait a little"},
    {"service-unavailable", "This room does not take that"},
    {"remote-server-not-found", "The server of this room cannot be found"},
    {"remote-server-timeout", "The server of this room does not answer: try again later"},
};

template <std::size_t N>
std::string refusal(const Row (&rows)[N], const xmpp::StanzaError& error, char start, const char* otherwise) {
  const auto* row = std::find_if(std::begin(rows), std::end(rows),
                                 [&](const Row& each) { return each.condition == error.condition; });
  if (error.condition == "gone" || error.condition == "redirect") {
    const std::string other = address_of(error.address);
    return other.empty() ? "This room does not exist any more" : "This room is now " + other;
  }
  if (row != std::end(rows)) return fmt::format(fmt::runtime(row->text), start);
  const std::string said = words(error.text.empty() ? error.condition : error.text);
  return otherwise + (said.empty() ? "" : ": " + said);
}

}  // namespace

std::string out_sentence(const xmpp::RoomPresence& said, char start) {
  if (said.is_destroyed) {
    const std::string other = address_of(said.other_room);
    std::string out = sentence("* This room was closed" + because(said.reason));
    return other.empty() ? out : out + " Go on in " + other;
  }
  if (said.has_code(303) || said.has_code(332)) return "";
  if (said.has_code(301))
    return sentence("* You were banned from this room" + by(said.actor_nick) + because(said.reason));
  const std::string back = fmt::format(" Write {}join to come back", start);
  if (said.has_code(307))
    return sentence("* You were removed from this room" + by(said.actor_nick) + because(said.reason)) + back;
  if (said.has_code(321))
    return sentence("* You are no member of this room any more" + because(said.reason)) + back;
  if (said.has_code(322))
    return sentence("* This room is only for its members now, and you are none" + because(said.reason));
  return "";
}

std::string nick_sentence(std::string_view new_nick) {
  return "* You are called " + name(new_nick) + " here now";
}

std::string topic_sentence(std::string_view nick, std::string_view topic) {
  const std::string text = words(topic);
  const std::string who = nick.empty() ? "The room" : name(nick);
  return text.empty() ? "* " + who + " has taken the topic away"
                      : "* " + who + " has changed the topic to: " + text;
}

std::string topic_answer(std::string_view topic) {
  const std::string text = words(topic);
  return text.empty() ? "* There is no topic" : "* The topic is: " + text;
}

std::string members_answer(const std::vector<std::string_view>& nicks) {
  if (nicks.empty()) return "* The room does not say who is here";
  std::string out = fmt::format("* {} here: ", nicks.size() < xmpp::kMaxMembers
                                                   ? std::to_string(nicks.size())
                                                   : std::to_string(nicks.size()) + " or more");
  std::size_t told = 0;
  for (const std::string_view each : nicks) {
    if (out.size() >= kMaxMembersText) break;
    out += (told++ == 0 ? "" : ", ") + name(each);
  }
  return told == nicks.size() ? out : fmt::format("{} and {} others", out, nicks.size() - told);
}

std::string invitation_sentence(const xmpp::RoomInvitation& invitation, char start) {
  // From another occupant it is, and only a nick is known of him.
  const bool is_occupant = xmpp::bare_of(invitation.from) == invitation.room;
  const std::string who =
      name(is_occupant ? xmpp::resource_of(invitation.from) : xmpp::bare_of(invitation.from));
  return sentence("* " + (who.empty() ? "You are invited" : who + " invites you") + " to this room" +
                  because(invitation.reason)) +
         fmt::format(" Write {}join to come in", start);
}

std::string left_out_sentence(uint64_t messages) {
  return messages == 1 ? "* 1 message was left out" : fmt::format("* {} messages were left out", messages);
}

std::string join_refusal(const xmpp::StanzaError& error, char start) {
  return refusal(kJoinRefusals, error, start, "The room does not let you in");
}

std::string speech_refusal(const xmpp::StanzaError& error, char start) {
  return refusal(kSpeechRefusals, error, start, "The room does not take that");
}

}  // namespace stox::worker
