// What configuration, fronts, workers and mappers must see alike about addresses.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace stox {

// Why this text cannot be a domain_separator; nothing when it can. The separator is split at its last
// occurrence, so it may be any ASCII character that no host, port or IPv6 address holds and that XEP-0106
// does not escape.
std::optional<std::string> refuse_separator(std::string_view separator);

// "example.org" matches itself, "*.example.org" every name below example.org, "*" everything. Both as
// A-labels, lower case.
bool domain_matches(std::string_view pattern, std::string_view domain);

// A telephone number without visual separators (RFC 3966 5.1.1); nothing for what is none.
std::optional<std::string> phone_number(std::string_view text);

// An address as one key, however it is spelt: bare, case-folded. Takes SIP addr-specs and JIDs; password,
// parameters, headers and resource do not count.
std::string address_key(std::string_view address);

// The XMPP domain that the key of a SIP address has in its user part, behind the separator; empty: it has
// none, as with gwmap.
std::string_view xmpp_domain_in(std::string_view address_key, char domain_separator);

// The key of a conversation: the sender's, a space, the recipient's.
std::string conversation_key(std::string_view sender, std::string_view recipient);
// The same of their address_key()s.
std::string conversation_of_keys(std::string sender, std::string_view recipient);

}  // namespace stox
