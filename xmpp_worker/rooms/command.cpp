#include "xmpp_worker/rooms/command.h"

#include <algorithm>
#include <iterator>

#include "common/base/hash.h"
#include "common/base/text.h"

namespace stox::worker {

namespace {

using Kind = RoomCommand::Kind;

enum class Takes { kNothing, kMaybeText, kText, kNick, kNickAndText };

struct Row {
  std::string_view word;
  Kind kind;
  Takes takes;
  std::string_view usage, meaning;
};

constexpr Row kRows[] = {
    {"join", Kind::kJoin, Takes::kMaybeText, "join [PASSWORD]", "come into the room"},
    {"leave", Kind::kLeave, Takes::kNothing, "leave", "leave it"},
    {"nick", Kind::kNick, Takes::kNick, "nick NAME", "be called NAME"},
    {"members", Kind::kMembers, Takes::kNothing, "members", "who is here"},
    {"topic", Kind::kTopic, Takes::kMaybeText, "topic [TEXT]", "show or set the topic"},
    {"invite", Kind::kInvite, Takes::kText, "invite ADDRESS", "invite someone"},
    {"msg", Kind::kMsg, Takes::kNickAndText, "msg NAME TEXT", "tell one member alone"},
    {"help", Kind::kHelp, Takes::kNothing, "help", "this"},
};

constexpr std::string_view kSpace = " \t\r\n";

std::string_view strip(std::string_view text) {
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

// Cuts off the first word, or what stands in double quotes.
std::string_view take_nick(std::string_view* text) {
  const bool is_quoted = text->starts_with('"') && text->find('"', 1) != std::string_view::npos;
  if (is_quoted) text->remove_prefix(1);
  const std::size_t end = std::min(is_quoted ? text->find('"') : text->find_first_of(kSpace), text->size());
  const std::string_view nick = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  *text = strip(*text);
  return strip(nick);
}

}  // namespace

RoomCommand read_room_command(std::string_view text, char start) {
  text = strip(text);
  if (text.empty() || text.front() != start) return {};
  const std::string_view word = text.substr(1, text.find_first_of(kSpace) - 1);
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows),
                                 [&](const Row& each) { return ascii_iequal(each.word, word); });
  if (row == std::end(kRows)) return {};
  std::string_view given = strip(text.substr(1 + word.size()));
  if (row->takes == Takes::kMaybeText) return {row->kind, given};
  if (row->takes == Takes::kNothing) return given.empty() ? RoomCommand{row->kind} : RoomCommand{};
  RoomCommand out{row->kind, given};
  if (row->takes != Takes::kText) {
    const std::string_view all = given;
    out.argument = take_nick(&given);
    // Nothing follows the new nick, so its spaces need no quotes.
    if (row->takes == Takes::kNick && !given.empty()) out.argument = all;
    if (row->takes == Takes::kNickAndText) out.rest = given;
  }
  const bool lacks = out.argument.empty() || (row->takes == Takes::kNickAndText && out.rest.empty());
  return lacks ? RoomCommand{Kind::kHelp} : out;
}

std::string room_help(char start) {
  std::string out = "Whatever you write here is said in the room, but for:";
  for (const Row& each : kRows) {
    out += '\n';
    out += start;
    out.append(each.usage).append(": ").append(each.meaning);
  }
  return out;
}

std::string next_nick(std::string_view nick, int attempt) {
  if (attempt <= 0) return std::string(nick);
  if (attempt <= 2) return std::string(nick) + std::to_string(attempt + 1);
  std::string out(nick);
  out += '-';
  for (uint64_t letters = hash64(nick, static_cast<uint64_t>(attempt)), i = 0; i < 4; ++i, letters /= 26)
    out += static_cast<char>('A' + letters % 26);
  return out;
}

}  // namespace stox::worker
