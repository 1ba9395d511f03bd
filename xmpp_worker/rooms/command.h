// What people write to a room that is not for the room to hear: `#join secret`, `#members`.
#pragma once

#include <string>
#include <string_view>

namespace stox::worker {

struct RoomCommand {
  enum class Kind {
    kText,     // no command: to be said in the room
    kJoin,     // argument: the password; empty = none
    kLeave,    //
    kNick,     // argument: the new nick
    kMembers,  //
    kTopic,    // argument: the new topic; empty: what is it?
    kInvite,   // argument: whom, as written: an address, or a sip: or xmpp: URI
    kMsg,      // argument: nick, rest: what to tell it
    kHelp,     // asked for, or a command lacks what it needs
  };
  Kind kind = Kind::kText;
  std::string_view argument = {}, rest = {};  // slices of the text; not checked
};

// Commands begin with the character `start`, in letters of any case. A nick may stand in double quotes. Words
// that are no command are text, and so is more than a command takes: people write "#help me".
RoomCommand read_room_command(std::string_view text, char start);

// What there is to write, in a few lines for people.
std::string room_help(char start);

// The nick to try when others have those before: romeo, romeo2, romeo3, then romeo-ABCD, each time with other
// letters. The attempt counts from 0.
std::string next_nick(std::string_view nick, int attempt);

}  // namespace stox::worker
