// The configuration of a whole site (interface: "Configuration"), checked: what parsed may be used without
// looking again. One file serves all processes; each picks its own section by role and name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace stox::service {

enum class Role { kMapper, kSipFront, kXmppWorker, kCtl };

struct GatewayConfig {
  std::string gateway_domain;
  std::string xmpp_domain;
  std::string domain_separator = "*";
  std::string outbound_proxy;            // SIP URI; empty = route by Request-URI
  int accept_status = 200;               // 200 or 202
  int unavailable_status = 404;          // 403, 404 or 480
  bool global_failures = false;          // refusals of a bare JID are 6xx
  int unhandled_method_status = 405;     // 405 or 503
  std::string message_type = "chat";     // or "normal"
  bool receipt_on_200 = false;           // a 200 of a SIP peer that sends no notifications is a receipt
  std::string long_messages = "stream";  // towards SIP; or reject, split
  bool resource_in_from = false;         // sender_resource = "gr": as RFC 7572 has it
  bool thread_as_call_id = false;        // towards SIP, as RFC 7572 has it
  std::string correction_prefix = "* ";  // towards SIP, of a text that corrects an earlier one
  bool quote_reactions = true;           // with the first words of what they are about
  std::vector<std::string> unknown_peers_take;  // SIP peers of whom nothing is known: cpim, iscomposing
  bool resend_on_doubt = false;                 // on_doubt = "resend"
  std::vector<std::string> xmpp_domains;        // patterns; empty = all
  std::string tel_domain;                       // SIP domain of numbers without one; empty = none
  std::vector<std::string> sip_domains;         // names, *.NAME, addresses, networks; empty = all
  // SIP domain -> XMPP domain, both as written; each stands once. Empty = the separator scheme.
  std::map<std::string, std::string> gwmap;
  bool passes_unmapped = false;  // gwmap_default = "pass": other XMPP domains are the same on SIP
  std::map<std::string, std::string> aliases;  // name or number -> bare JID, those of aliases_file, too
  std::string aliases_file;                    // lines like those of aliases; empty = none
  std::string display_names = "nick";          // towards SIP; or vcard, off (both ways)
  bool presence = true;                        // who may see whom, and in which state, crosses
  std::string presence_unsupported = "grant";  // of a SIP user without presence: or online, strict
  std::string rooms = "listed";                // XMPP rooms that SIP users may be in; or any, off
  std::vector<std::string> room_domains;       // of rooms = "listed", as written; empty = no rooms
  std::string room_command = "#";              // one character, before the commands that a room takes
};

struct RuntimeConfig {
  std::string directory = "/run/stox";
  std::string state_directory = "/var/lib/stox";
  // Restarts one process by the supervisor; {name}, {section}, {instance} and {program} are filled in.
  std::string restart_command;
  int drain_seconds = 30;
};

struct LogConfig {
  std::string level = "info";   // trace, debug, info, warn, error
  std::string format = "text";  // or "json"
};

struct DnsConfig {
  std::vector<std::string> servers;                   // ADDRESS[:PORT]; empty = the system's
  std::map<std::string, std::string> static_servers;  // domain -> ADDRESS:PORT
};

// Keys of the bus between hosts (ZeroMQ's CURVE), 40 characters of Z85 each. Set whole, or not at all.
struct CurveConfig {
  std::string mapper_public_key;                    // whom fronts and workers take for a mapper
  std::map<std::string, std::string> section_keys;  // [bus.curve.keys]: as what their owners may connect
  std::vector<std::string> edge_public_keys;        // of old configurations: their owners may be any section
  std::string mapper_key_file;
  std::string edge_key_file;  // {section} stands for the section's name
  std::string secret_key;     // of the own role, from its file; empty in stoxctl
};

struct MapperConfig {
  std::string name;
  std::string bind;  // default ipc://<runtime directory>/<name>.sock
  std::string
      connect;  // default: bind; may also be a name, tcp://HOST:PORT, or an SRV name, tcp://_stox._tcp.NAME
  std::string metrics;  // ADDRESS:PORT; empty = none
};

struct ListenConfig {
  enum class Transport { kUdp, kTcp, kTls } transport = Transport::kUdp;
  std::string address;  // IPv4 or IPv6 text, without brackets
  uint16_t port = 0;
  std::string advertised_address;  // empty = address
  uint16_t advertised_port = 0;    // 0 = port
};

// PEM files. Empty: no certificate of our own; the authorities that the system trusts.
struct TlsConfig {
  std::string certificate, key, ca;
};

// None is empty but the file. The password is secret; of the process's own section also from password_file.
struct CredentialsConfig {
  std::string realm, username, password, password_file;
};

// What differs at one of the addresses that a front listens at; unset: as at the others.
struct ListenerConfig {
  std::string listen;  // "tls:ADDRESS:PORT", as the front's own `listen` has it
  std::optional<std::vector<std::string>> trusted, trusted_certificates;
};

struct SipFrontConfig {
  std::string name;
  std::vector<ListenConfig> listen;                               // default udp and tcp 127.0.0.1:5060
  std::vector<std::string> trusted = {"127.0.0.0/8", "::1/128"};  // CIDR, checked
  std::vector<std::string> trusted_certificates;                  // SIP domains of TLS clients
  std::vector<std::string> from_domains;                          // empty = any
  std::vector<std::string> asserted_identity_from;                // CIDR; empty = nobody
  std::vector<std::string> allow_wildcard;                        // of SIP peers by TLS; names, *.NAME
  std::size_t max_datagram_bytes = 2048;
  std::size_t max_message_bytes = 65536;
  std::size_t max_in_flight = 4096;
  uint32_t max_rate_per_source = 0;       // requests a second; 0 = any
  uint32_t max_rate_per_from_domain = 0;  // MESSAGE requests a second; 0 = any
  std::size_t max_connections = 8192;     // TCP and TLS, in all
  std::size_t max_connections_per_source = 1024;
  int keepalive_seconds = 100;            // between pings to an idle outbound proxy (RFC 5626); 0 = none
  std::optional<int> pace_ms;             // nothing: "auto"
  std::vector<ListenerConfig> listeners;  // each listens at one of `listen`
  TlsConfig tls;
  std::vector<CredentialsConfig> credentials;  // of different realms
  std::string metrics;
};

struct XmppWorkerConfig {
  std::string name;
  std::string backend = "component";  // or "server"
  std::string xmpp_host = "127.0.0.1";
  uint16_t xmpp_port = 0;            // default 5347; server: 5269
  std::string xmpp_password;         // secret; of the process's own section also from xmpp_password_file
  std::string xmpp_password_file;    // where it was read from; empty = none
  std::vector<std::string> serves;   // default [xmpp_domain]
  std::vector<std::string> domains;  // empty = any
  bool journal = true;
  bool journal_sync_full = false;  // journal_sync = "full": each commit waits for the disk
  std::size_t max_in_flight = 4096;
  std::optional<int> pace_ms;  // nothing: "auto"
  // Server:
  TlsConfig tls;
  bool tls_require = true;                    // tls.require: no plaintext but with insecure_domains
  std::vector<std::string> insecure_domains;  // with which plaintext and dialback alone will do
  std::string dialback_secret;                // secret; empty = one that is made and kept in state_directory
  std::string metrics;
};

struct Config {
  std::string file;
  GatewayConfig gateway;
  RuntimeConfig runtime;
  LogConfig log;
  DnsConfig dns;
  CurveConfig curve;
  std::vector<MapperConfig> mappers;
  std::vector<SipFrontConfig> sip_fronts;
  std::vector<XmppWorkerConfig> xmpp_workers;

  std::vector<std::string> mapper_endpoints() const;  // what edges connect to
};

// Which section a process is: SECTION or SECTION@INSTANCE.
struct Identity {
  Role role;
  std::string section;  // name key of the section
  std::string full;     // with @INSTANCE if given: bus name and control socket
};

// Where its own secret key of the bus is; empty: nowhere.
std::string own_key_file(const Config&, const Identity&);

// Of what all processes must have alike (the gateway's domains and what stands for them): equal where it is
// the same, never 0. A reading that is not a start leaves it as it was: keep_shared() puts what `running` has
// of it into `read`.
uint64_t shared_digest(const Config&);
void keep_shared(const Config& running, Config& read);

// Every file that this process reads.
std::vector<std::string> files_read_by(const Config&, const Identity&);

// What a process or the tool runs with.
struct Loaded {
  Config config;
  Identity identity;
  std::vector<std::string> warnings;  // what works and should not stay so, for people
};

using Environment = std::map<std::string, std::string>;
Environment read_environment();  // this process's variables that begin with STOX_

// Of the environment, STOX_SECTION_KEY overrides a key of a single section or of the process's own
// [[section]]; several values are separated by commas, those of a table written KEY=VALUE. `name` (maybe
// empty, maybe with @INSTANCE) says which section of its role the process is; for kCtl it is not looked at.
// Only the own section's secret is demanded and read from its file: other processes' secrets may be out of
// reach here. The error has all problems at once, one a line: "FILE:LINE:COLUMN: what; hint".
Result<Loaded> load_config(const std::string& file, Role, std::string_view name, const Environment&);

// The file alone: no environment, no secret from a file.
Result<Config> load_config(const std::string& file);

// The names of the [[sip_front]] and [[xmpp_worker]] sections of a file that may not be complete yet.
Result<std::vector<std::string>> edge_sections(const std::string& file);

const char* role_name(Role);  // as its section is called: "sip_front"

// The effective configuration as TOML, secrets masked.
std::string print_config(const Config&);

// When a change of a key takes effect. By a restart of edges: mappers do not use it.
enum class Taken { kByHup, kByRestart, kByRestartOfEdges };

// Of a key as changed_keys() names it; one that is no key of a section is taken by HUP.
Taken taken_of(std::string_view changed_key);

// Every key with its range, its default, its meaning and when a change takes effect, in Markdown:
// doc/configuration.md.
std::string config_reference();

// What a new reading has changed: keys whose values differ, as "section.key" or "section NAME.key", and whole
// sections, as "section NAME (added)" or "section NAME (taken out)".
std::vector<std::string> changed_keys(const Config& before, const Config& after);

}  // namespace stox::service
