// What people call themselves, fit to be shown to others: the display name of a SIP From, the nickname of
// XEP-0172.
#pragma once

#include <string>
#include <string_view>

namespace stox::mapping {

// One line of at most 64 characters, without control and bidirectional characters; empty when nothing is
// left.
std::string shown_name(std::string_view text);
// The same where nothing else says who it is. Empty also when it looks like an address or a number, which may
// be another person's.
std::string display_name(std::string_view text);
// display_name() of the user part of a JID.
std::string display_name_of_jid(std::string_view jid);

}  // namespace stox::mapping
