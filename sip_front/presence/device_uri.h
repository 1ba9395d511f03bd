// The device in an address: the `gr` of an addr-spec (RFC 5627), as in pb::Presence.
#pragma once

#include <string>
#include <string_view>

namespace stox {

// As written, still percent-encoded; empty: the address is the user's.
std::string_view device_in(std::string_view uri);
std::string without_device(std::string_view uri);

}  // namespace stox
