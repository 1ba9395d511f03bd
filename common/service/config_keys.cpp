#include "common/service/config_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "common/service/config_key_kinds.h"

namespace stox::service {
namespace {

// When a change takes effect, in a row.
constexpr Taken kHup = Taken::kByHup, kRestart = Taken::kByRestart, kEdges = Taken::kByRestartOfEdges;

template <class S>
Key<S> row(Key<S> key, Taken taken, const char* help) {
  key.taken = taken;
  key.help = help;
  return key;
}

}  // namespace

template <>
const std::vector<Key<GatewayConfig>>& keys() {
  using S = GatewayConfig;
  static const std::vector<Key<S>> kKeys = {
      row(required(text("gateway_domain", &S::gateway_domain, check_sip_domain)), kRestart,
          "The SIP domain at which SIP users reach XMPP users; the SIP proxy sends it here."),
      row(required(text("xmpp_domain", &S::xmpp_domain, check_xmpp_domain)), kRestart,
          "The XMPP domain at which XMPP users reach SIP users: the name of the component."),
      row(text("domain_separator", &S::domain_separator, check_separator), kRestart,
          "The character between user and domain in a mapped address."),
      row(text("outbound_proxy", &S::outbound_proxy, check_proxy), kHup,
          "Next hop of all SIP requests, a SIP URI; without it the Request-URI decides."),
      row(one_of("accept_status", &S::accept_status, {200, 202}), kHup,
          "SIP status of a message whose processing by the recipient's server is proved."),
      row(one_of("unavailable_status", &S::unavailable_status, {403, 404, 480}), kHup,
          "SIP status when the XMPP server refuses with service-unavailable."),
      row(flag("global_failures", &S::global_failures), kHup,
          "Refusals of a bare JID are 600, 603, 604 or 606 (RFC 7247), which end all forks."),
      row(one_of("unhandled_method_status", &S::unhandled_method_status, {405, 503}), kHup,
          "SIP status for a method that is not supported."),
      row(one_of("message_type", &S::message_type, {"chat", "normal"}), kHup,
          "Type of message stanzas that come from SIP."),
      row(flag("receipt_on_200", &S::receipt_on_200), kHup,
          "The 200 of a SIP peer that sends no notifications counts as a delivery receipt."),
      row(one_of("long_messages", &S::long_messages, {"stream", "split", "reject"}), kHup,
          "SIP requests over 1,300 bytes: sent over TCP or TLS, split into numbered parts, or refused."),
      row(either("sender_resource", &S::resource_in_from, "never", "gr"), kHup,
          "Whether From carries the XMPP client's resource (RFC 7572); occupants of rooms always keep it."),
      row(flag("thread_as_call_id", &S::thread_as_call_id), kHup,
          "All messages of a thread share one Call-ID (RFC 7572); Linphone then shows only the first."),
      row(correction_prefix(), kHup, "What a corrected message begins with, as SIP cannot edit."),
      row(flag("quote_reactions", &S::quote_reactions), kHup,
          "A reaction quotes the first words of the message that it is about."),
      row(list("unknown_peers_take", &S::unknown_peers_take, check_format), kHup,
          "Formats that SIP peers get before they have shown them: cpim, iscomposing, rcs-ft-http."),
      row(either("on_doubt", &S::resend_on_doubt, "fail", "resend"), kEdges,
          "A message whose handler died while it may have delivered it: fails, or is sent again."),
      row(list("xmpp_domains", &S::xmpp_domains, check_domain_pattern), kHup,
          "XMPP domains that SIP users may reach, names or *.NAME; empty: all."),
      row(list("sip_domains", &S::sip_domains, check_sip_place), kHup,
          "SIP domains that XMPP users may reach: names, *.NAME, addresses, networks; empty: all."),
      row(text("tel_domain", &S::tel_domain, check_sip_domain), kHup,
          "The SIP domain of telephone numbers that come without one."),
      row(table("gwmap", &S::gwmap, check_sip_host, check_xmpp_domain), kRestart,
          "SIP domain = XMPP domain, in place of the separator scheme."),
      row(either("gwmap_default", &S::passes_unmapped, "refuse", "pass"), kHup,
          "XMPP domains that gwmap does not have: refused, or the same on SIP."),
      row(table("aliases", &S::aliases, check_alias, check_xmpp_user), kHup,
          "Names and numbers that stand for XMPP users on SIP, both ways; @DOMAIN: a default recipient."),
      row(text("aliases_file", &S::aliases_file, check_path), kHup, "A file with more lines of aliases."),
      row(one_of("display_names", &S::display_names, {"nick", "vcard", "off"}), kHup,
          "Names of XMPP users in From: what they call themselves, also from their vCard, or none."),
      row(flag("presence", &S::presence), kRestart,
          "XMPP and SIP users see in which state the other is, if he lets them."),
      row(one_of("presence_unsupported", &S::presence_unsupported, {"grant", "online", "strict"}), kHup,
          "A SIP user without a presence service: a contact that is offline, one that is online, or "
          "refused."),
      row(one_of("rooms", &S::rooms, {"listed", "any", "off"}), kHup,
          "XMPP rooms that SIP users may be in: of `room_domains`, of any domain that has some, or none."),
      row(list("room_domains", &S::room_domains, check_xmpp_domain), kHup,
          "XMPP domains whose users are rooms (XEP-0045), with rooms = \"listed\"; empty: no rooms."),
      row(text("room_command", &S::room_command, check_room_command), kHup,
          "The character before what a room takes as a command, as in #leave."),
  };
  return kKeys;
}

template <>
const std::vector<Key<RuntimeConfig>>& keys() {
  using S = RuntimeConfig;
  static const std::vector<Key<S>> kKeys = {
      row(text("directory", &S::directory, check_path), kRestart, "Control sockets and ipc endpoints."),
      row(text("state_directory", &S::state_directory, check_path), kRestart,
          "What must survive a process: journals and what fronts remember."),
      row(number("drain_seconds", &S::drain_seconds, 0, 3600), kHup,
          "How long a process that is asked to stop may finish what it has begun."),
      row(text("restart_command", &S::restart_command, check_restart_command), kHup,
          "Command by which rolling-restart restarts a process: {name}, {section}, {instance}, {program}."),
  };
  return kKeys;
}

template <>
const std::vector<Key<LogConfig>>& keys() {
  using S = LogConfig;
  static const std::vector<Key<S>> kKeys = {
      row(text("level", &S::level, check_level), kHup, "trace, debug, info, warn or error."),
      row(one_of("format", &S::format, {"text", "json"}), kRestart, "Form of the lines."),
  };
  return kKeys;
}

template <>
const std::vector<Key<DnsConfig>>& keys() {
  static const std::vector<Key<DnsConfig>> kKeys = {
      row(list("servers", &DnsConfig::servers, check_dns_server), kEdges,
          "Name servers, ADDRESS or ADDRESS:PORT; empty: those of the system."),
      row(table("static", &DnsConfig::static_servers, check_xmpp_domain, check_xmpp_server), kEdges,
          "XMPP domain = ADDRESS:PORT of its server, before any lookup; with backend = \"server\"."),
  };
  return kKeys;
}

template <>
const std::vector<Key<CurveConfig>>& keys() {
  using S = CurveConfig;
  static const std::vector<Key<S>> kKeys = {
      row(text("mapper_public_key", &S::mapper_public_key, check_curve_key), kRestart,
          "By which fronts and workers know the mappers. `stoxctl keys` makes this section."),
      row(only_if_set(list("edge_public_keys", &S::edge_public_keys, check_curve_key)), kHup,
          "Of earlier versions: keys whose owners may be any section."),
      row(text("mapper_key_file", &S::mapper_key_file, check_path), kRestart, "The mappers' secret key."),
      row(text("edge_key_file", &S::edge_key_file, check_path), kRestart,
          "A front's or worker's secret key; {section} stands for its section's name."),
      row(table("keys", &S::section_keys, check_name, check_curve_key), kHup,
          "SECTION = public key: whom the mappers let in, and as what."),
  };
  return kKeys;
}

template <>
const std::vector<Key<MapperConfig>>& keys() {
  using S = MapperConfig;
  static const std::vector<Key<S>> kKeys = {
      row(required(text("name", &S::name, check_name)), kRestart, "The section's name."),
      row(text("bind", &S::bind, check_bind), kRestart,
          "Where it listens on the bus: ipc://PATH, or tcp://ADDRESS:PORT with [bus.curve]."),
      row(text("connect", &S::connect, check_connect), kHup,
          "What fronts and workers connect to, if it is not `bind`; may be a name that is looked up."),
      row(text("metrics", &S::metrics, check_address_port), kRestart,
          "ADDRESS:PORT of /metrics, /healthz and /readyz; empty: none."),
  };
  return kKeys;
}

template <>
const std::vector<Key<SipFrontConfig>>& keys() {
  using S = SipFrontConfig;
  static const std::vector<Key<S>> kKeys = {
      row(required(text("name", &S::name, check_name)), kRestart, "The section's name."),
      row(listen(), kRestart,
          "Where it listens: \"udp:ADDRESS:PORT\", also tcp and tls, with /ADVERTISED behind."),
      row(list("trusted", &S::trusted, check_network), kHup, "Networks that may send requests."),
      row(list("trusted_certificates", &S::trusted_certificates, check_sip_domain), kHup,
          "SIP domains whose TLS clients may, too."),
      row(list("from_domains", &S::from_domains, check_sip_domain), kHup,
          "Domains that a message may come from; empty: any."),
      row(list("asserted_identity_from", &S::asserted_identity_from, check_network), kHup,
          "Networks whose P-Asserted-Identity names the sender where From does not."),
      row(list("allow_wildcard", &S::allow_wildcard, check_sip_name_pattern), kHup,
          "SIP servers whose wildcard certificates are accepted."),
      row(number("max_datagram_bytes", &S::max_datagram_bytes, 256, 65535), kHup,
          "Larger datagrams are refused."),
      // A charset of one byte a letter may double it, and the bus takes frames of 16 MB.
      row(number("max_message_bytes", &S::max_message_bytes, 256, 4'194'304), kRestart,
          "Larger messages over TCP and TLS are refused."),
      row(number("max_in_flight", &S::max_in_flight, 1, 1'000'000), kRestart,
          "Messages under way; over it they are refused for now."),
      row(number("max_rate_per_source", &S::max_rate_per_source, 0, 1'000'000), kHup,
          "Requests a second of one address; 0: any."),
      row(number("max_rate_per_from_domain", &S::max_rate_per_from_domain, 0, 1'000'000), kHup,
          "Messages a second of one From domain; 0: any."),
      row(number("max_connections", &S::max_connections, 1, 1'000'000), kRestart, "TCP and TLS connections."),
      row(number("max_connections_per_source", &S::max_connections_per_source, 1, 1'000'000), kRestart,
          "Of one address."),
      row(number("keepalive_seconds", &S::keepalive_seconds, 0, 3600), kRestart,
          "Between pings to an idle outbound proxy (RFC 5626); 0: the connection is closed."),
      row(number_or_auto("pace_ms", &S::pace_ms, 0, 1000), kRestart,
          "How long messages are gathered at most, for many to share a wakeup; 0: never."),
      row(listener(), kHup, "What differs at one of `listen`: listen, trusted, trusted_certificates."),
      row(tls(), kHup, "Files: certificate, key, ca. Read again by HUP."),
      row(credentials(), kHup, "Answers to 401 and 407: realm, username, and password or password_file."),
      row(text("metrics", &S::metrics, check_address_port), kRestart,
          "ADDRESS:PORT of /metrics, /healthz and /readyz; empty: none."),
  };
  return kKeys;
}

template <>
const std::vector<Key<XmppWorkerConfig>>& keys() {
  using S = XmppWorkerConfig;
  static const std::vector<Key<S>> kKeys = {
      row(required(text("name", &S::name, check_name)), kRestart, "The section's name."),
      row(text("backend", &S::backend, check_backend), kRestart,
          "\"component\" of an XMPP server (XEP-0114), or \"server\": one itself."),
      row(text("xmpp_host", &S::xmpp_host, check_host), kRestart,
          "The XMPP server to connect to; of a server: the address to listen at."),
      row(number("xmpp_port", &S::xmpp_port, 1, 65535), kRestart, "Default 5347; of a server 5269."),
      row(secret("xmpp_password", &S::xmpp_password), kHup, "The component's secret."),
      row(text("xmpp_password_file", &S::xmpp_password_file, check_path), kHup, "Or the file that has it."),
      row(list("serves", &S::serves, check_xmpp_domain), kRestart,
          "What it is on XMPP; empty: gateway.xmpp_domain."),
      row(list("domains", &S::domains, check_xmpp_domain), kRestart,
          "Recipients' domains that go to it before others; empty: any."),
      row(flag("journal", &S::journal), kRestart,
          "What it has taken in from XMPP survives the death of the process."),
      row(either("journal_sync", &S::journal_sync_full, "normal", "full"), kRestart,
          "\"full\": and that of the machine; each commit waits for the disk."),
      row(number("max_in_flight", &S::max_in_flight, 1, 1'000'000), kRestart,
          "Messages under way; over it they are refused for now."),
      row(number_or_auto("pace_ms", &S::pace_ms, 0, 1000), kRestart,
          "How long messages are gathered at most, for many to share a wakeup; 0: never."),
      row(worker_tls(), kHup, "Of a server: certificate, key, ca, require. Files are read again by HUP."),
      row(list("insecure_domains", &S::insecure_domains, check_xmpp_domain), kHup,
          "Of a server: domains for which plaintext and dialback are sufficient."),
      row(secret("dialback_secret", &S::dialback_secret), kHup,
          "Of a server: the same on all that serve a domain; empty: made at the first start."),
      row(text("metrics", &S::metrics, check_address_port), kRestart,
          "ADDRESS:PORT of /metrics, /healthz and /readyz; empty: none."),
  };
  return kKeys;
}

Taken taken_of(std::string_view changed_key) {
  const auto dot = changed_key.rfind('.');
  if (dot == std::string_view::npos) return Taken::kByHup;
  const std::string_view key = changed_key.substr(dot + 1);
  const std::string_view section = changed_key.substr(0, std::min(dot, changed_key.find(' ')));
  Taken taken = Taken::kByHup;
  const auto look = [&](const char* name, const auto& rows) {
    for (const auto& each : rows) {
      if (section == name && each.name == key) taken = each.taken;
    }
  };
  Config any;
  single_sections(any, [&]<class S>(const char* name, const S&) { look(name, keys<S>()); });
  repeated_sections(any, [&]<class S>(const char* name, const std::vector<S>&) { look(name, keys<S>()); });
  return taken;
}

const std::vector<std::string>& keys_of_later_versions() {
  static const std::vector<std::string> kLater = {
      "dns.trust_anchor_file",
      "gateway.presence",
  };
  return kLater;
}

const std::vector<std::string>& section_names() {
  static const std::vector<std::string> kSections = {"gateway",   "runtime", "log",       "dns",
                                                     "bus.curve", "mapper",  "sip_front", "xmpp_worker"};
  return kSections;
}

}  // namespace stox::service
