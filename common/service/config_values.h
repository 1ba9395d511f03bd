// What may stand at a key of the configuration, as functions of its text alone. A check says what is wrong so
// that it reads on after the quoted value ("... is not a host name; ..."), and nothing if all is well.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/service/config.h"

namespace stox::service {

using Complaint = std::optional<std::string>;

Complaint check_name(std::string_view);        // of a section: bus name and part of a path
Complaint check_sip_domain(std::string_view);  // host name in ASCII (A-labels)
Complaint check_xmpp_domain(std::string_view);
Complaint check_sip_host(std::string_view);          // host name in ASCII, or [IPv6]
Complaint check_domain_pattern(std::string_view);    // a domain or "*.DOMAIN"
Complaint check_sip_name_pattern(std::string_view);  // a host name or "*.NAME"
Complaint check_sip_place(std::string_view);         // a host name, "*.NAME", ADDRESS or ADDRESS/BITS
Complaint check_separator(std::string_view);         // refuse_separator()
Complaint check_room_command(std::string_view);      // one punctuation character
Complaint check_proxy(std::string_view);             // SIP URI of a next hop
Complaint check_network(std::string_view);           // ADDRESS or ADDRESS/BITS
Complaint check_host(std::string_view);              // name or address
Complaint check_dns_server(std::string_view);        // ADDRESS or ADDRESS:PORT
Complaint check_address_port(std::string_view);      // ADDRESS:PORT
Complaint check_xmpp_server(std::string_view);       // the same, of another domain's server
Complaint check_bind(std::string_view);              // ipc:///PATH or tcp://ADDRESS:PORT
Complaint check_connect(std::string_view);  // these, tcp://NAME:PORT or tcp://_SERVICE._PROTOCOL.NAME
Complaint check_curve_key(std::string_view);
Complaint check_path(std::string_view);
Complaint check_level(std::string_view);

bool is_address(std::string_view);  // IPv4, or IPv6 without brackets

bool is_tcp(std::string_view endpoint);  // of an address of the bus
// Of an address of the bus: what goes there does not leave this host.
bool stays_on_host(std::string_view endpoint);
// Of a checked address of the bus: a name, to be looked up in DNS.
bool is_mapper_name(std::string_view endpoint);
// Of an address of the bus: it means every address of this host, so nobody can connect to it as it stands.
bool is_any_address(std::string_view endpoint);

// "udp:ADDRESS:PORT", IPv6 in brackets, with "/ADDRESS:PORT" what it is known as to others. The error reads
// on after the quoted text, as a Complaint.
Result<ListenConfig> parse_listen(std::string_view);
std::string print_listen(const ListenConfig&);

// The longest path of a Unix socket (sockaddr_un).
constexpr std::size_t kMaxSocketPath = 107;

// "none of a, b, c; did you mean "a"?"
std::string none_of(std::string_view value, const std::vector<std::string>& known);

}  // namespace stox::service
