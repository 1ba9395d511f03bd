#include "mapper/mapping/page/room.h"

#include <algorithm>

#include "mapper/mapping/page/names.h"

namespace stox::mapping {

bool is_said_in_room(const pb::XmppMessage& message) { return message.type() == "groupchat"; }

std::string speaker_of(const pb::XmppMessage& message) {
  const std::string_view from = message.from();
  const auto slash = from.find('/');
  if (slash == std::string_view::npos) return {};
  // Without a name his words would pass for those of the room, as with one that begins as those do; with one
  // that ends as a name does, what follows would pass for another's.
  std::string name = shown_name(from.substr(slash + 1));
  std::replace(name.begin(), name.end(), ':', '.');
  if (name.starts_with('*')) name.front() = '.';
  return name.empty() ? "?" : name;
}

std::string speaker_address(std::string_view speaker, std::string_view uri) {
  std::string out(speaker);
  std::replace(out.begin(), out.end(), '"', '\'');
  return out.insert(0, "\"").append("\" <").append(uri).append(">");
}

}  // namespace stox::mapping
