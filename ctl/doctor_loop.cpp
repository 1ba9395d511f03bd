#include "ctl/doctor_loop.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <string_view>
#include <vector>

#include "common/base/jid.h"
#include "common/base/shortened.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/service/config_values.h"
#include "common/service/lookup.h"
#include "ctl/doctor_password.h"
#include "ctl/site.h"
#include "ctl/text_table.h"
#include "sip_front/sip/policy/tls_identity.h"

namespace stox::ctl {
namespace {

using nlohmann::json;

constexpr uint16_t kSipPort = 5060, kSipTlsPort = 5061;
constexpr int kMaxAnswers = 8;  // provisional ones, each waited for

// As the user part of a SIP URI.
std::string percent_encoded(std::string_view text) {
  static constexpr std::string_view kPlain = "-_.!~*'()";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte < 0x80 && (std::isalnum(byte) != 0 || kPlain.find(c) != std::string_view::npos);
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return out;
}

// Whom the fronts let speak, of a pattern somebody that nobody is; else, to nobody, the gateway, which a
// proxy lets speak without a password, and to users those whose password we have, or a name that nobody has.
std::string domain_to_speak_for(const service::Config& config, bool to_user) {
  std::string of_pattern;
  for (const auto& front : config.sip_fronts) {
    for (const std::string& domain : front.from_domains) {
      if (domain.find('*') == std::string::npos) return domain;
      if (domain.starts_with("*.")) of_pattern = "doctor" + domain.substr(1);
    }
  }
  if (!of_pattern.empty()) return of_pattern;
  if (!to_user) return config.gateway.gateway_domain;
  for (const auto& front : config.sip_fronts) {
    for (const auto& one : front.credentials) {
      if (is_host_name(one.realm) && one.realm.find('.') != std::string::npos) return ascii_lower(one.realm);
    }
  }
  return "doctor.invalid";
}

// The last status line in what came, without "SIP/2.0 ".
std::string status_of(const std::string& came) {
  const std::size_t at = came.rfind("SIP/2.0 ");
  if (at == std::string::npos || (at != 0 && came[at - 1] != '\n')) return {};
  return shortened(came.substr(at + 8, came.find('\r', at) - at - 8), 120);
}

bool asks_for_password(const std::string& status) {
  return status.starts_with("401") || status.starts_with("407");
}

// A proxy lets nobody speak for another than whose password it was shown.
LoopMessage spoken_by(LoopMessage message, const std::string& username, const std::string& proof) {
  const std::string name = username.substr(0, username.find('@'));
  message.from = "sip:" + percent_encoded(name) + message.from.substr(message.from.find('@'));
  message.proof = proof;
  return message;
}

json row(const char* kind, std::string what, std::string remedy = {}) {
  return {{"name", "loop"}, {"kind", kind}, {"what", std::move(what)}, {"remedy", std::move(remedy)}};
}

}  // namespace

std::string final_response_in(const std::string& came) {
  const std::string status = status_of(came);
  if (status.empty() || status[0] == '1') return {};
  const std::size_t at = came.rfind("SIP/2.0 ");
  return came.find("\r\n\r\n", at) == std::string::npos ? std::string() : came.substr(at);
}

LoopMessage loop_message(const service::Config& config, const std::string& to_jid,
                         const std::string& unique) {
  const service::GatewayConfig& gateway = config.gateway;
  const auto jid = Jid::parse(to_jid);
  const std::string user = jid ? percent_encoded(unescape_localpart(jid->local())) : "stox-doctor";
  const std::string domain = jid ? std::string(jid->domain()) : gateway.xmpp_domain;
  const std::string call_id = unique + "@stox-doctor";
  LoopMessage out{"", "sip:stox-doctor@" + domain_to_speak_for(config, jid.has_value()), call_id};
  if (gateway.gwmap.empty()) {
    out.request_uri =
        fmt::format("sip:{}{}{}@{}", user, gateway.domain_separator, domain, gateway.gateway_domain);
    return out;
  }
  for (const auto& [sip_domain, xmpp_domain] : gateway.gwmap) {  // it leads to no domain but its own
    if (jid && xmpp_domain == domain) out.request_uri = "sip:" + user + "@" + sip_domain;
  }
  return out;
}

std::string text_of(const LoopMessage& message, const std::string& own, const char* transport) {
  static constexpr std::string_view kText = "stoxctl doctor tries whether messages arrive. This one did.";
  const int sequence = message.proof.empty() ? 1 : 2;
  return fmt::format(
      "MESSAGE {0} SIP/2.0\r\nVia: SIP/2.0/{1} {2};branch=z9hG4bK{7}-{8};rport\r\nMax-Forwards: 20\r\n"
      "From: <{4}>;tag=doctor\r\nTo: <{0}>\r\nCall-ID: {3}\r\nCSeq: {8} MESSAGE\r\n{9}"
      "Content-Type: text/plain\r\nContent-Length: {5}\r\n\r\n{6}",
      message.request_uri, transport, own, message.call_id, message.from, kText.size(), kText,
      message.call_id.substr(0, message.call_id.find('@')), sequence, message.proof);
}

json loop_row(const std::string& answer, const json& hops, bool to_user, const std::string& no_proof) {
  std::string way;
  for (const json& hop : hops) {
    const std::string process = text_at(hop, "process");
    if (way.find(process) == std::string::npos) way += (way.empty() ? "" : ", ") + process;
  }
  const std::string said = answer.empty() ? "no answer within 5 s" : answer;
  if (way.empty()) {
    if (asks_for_password(answer) && no_proof.empty())
      return row(
          "failure", "the SIP proxy does not accept the password in [[sip_front.credentials]]: " + said,
          "the gateway is refused as well: mend username or password, or let the proxy take the gateway's "
          "address without one");
    if (asks_for_password(answer))
      return row("warning", "the SIP proxy asks for a password: " + said, no_proof);
    return row(
        "failure", "a message by the SIP proxy did not come to the gateway: " + said,
        "the proxy must send gateway_domain to a front (doc/site.md), and the front must trust the proxy; "
        "`stoxctl sip` and the front's log show what it refused");
  }
  if (!to_user) return row("ok", fmt::format("a message by the SIP proxy came to the gateway: {}", way));
  if (answer.starts_with("2"))
    return row("ok", fmt::format("a message by the SIP proxy went to XMPP and back: {}: {}", way, said));
  return row("failure", fmt::format("a message by the SIP proxy was not delivered: {}: {}", way, said),
             fmt::format("`stoxctl trace {}` shows where it ended", short_id(text_at(hops[0], "trace"))));
}

namespace {

// As the front would, or not at all: who is not believed gets no password proved.
bool start_tls(service::Probe& probe, const service::SipFrontConfig& front, const std::string& host) {
  const auto seen = probe.start_tls(front.tls, service::is_address(host) ? "" : host);
  std::vector<std::string> allow_wildcard;
  for (const std::string& name : front.allow_wildcard) allow_wildcard.push_back(ascii_lower(name));
  return seen && !sip::why_not(*seen, host, allow_wildcard);
}

// The last final response that comes, its head whole; empty: none.
std::string final_response(service::Probe& probe) {
  std::string all;
  for (int i = 0; i < kMaxAnswers; ++i) {
    const std::string came = probe.receive("\r\n\r\n");
    if (came.empty()) break;
    if (std::string final = final_response_in(all += came); !final.empty()) return final;
  }
  return {};
}

}  // namespace

json try_loop(const service::Config& config, const std::string& to_jid) {
  const auto proxy = parse_sip_uri(config.gateway.outbound_proxy);
  if (config.gateway.outbound_proxy.empty() || !proxy || config.sip_fronts.empty()) return {};
  const std::string wanted = ascii_lower(proxy->param("transport").value_or("udp"));
  const bool tls = wanted == "tls" || proxy->is_sips(), udp = wanted == "udp" && !tls;
  const std::string host(proxy->host);
  const char* const service = tls ? "_sips._tcp" : udp ? "_sip._udp" : "_sip._tcp";
  auto probe =
      service::connect_to(config.dns, {host, proxy->port, service, tls ? kSipTlsPort : kSipPort}, udp);
  // The front's own check says why not.
  if (!probe || (tls && !start_tls(*probe, config.sip_fronts.front(), host))) return {};
  const std::string unique = fmt::format("{:x}-{:x}", getpid(), std::time(nullptr));
  LoopMessage message = loop_message(config, to_jid, unique);
  if (message.request_uri.empty()) return {};
  const auto answer_to = [&] {
    const auto sent = probe->send(text_of(message, probe->own_address(), tls ? "TLS" : udp ? "UDP" : "TCP"));
    return sent ? final_response(*probe) : std::string();
  };
  std::string answer = answer_to(), no_proof;
  if (asks_for_password(status_of(answer))) {
    if (const auto proof = prove(credentials_of(config), answer, "MESSAGE", message.request_uri, unique)) {
      message = spoken_by(message, proof->username, proof->header);
      answer = answer_to();
    } else {
      no_proof = proof.error().text;
    }
  }
  return loop_row(status_of(answer), find_trace(config, message.call_id).value["hops"], !to_jid.empty(),
                  no_proof);
}

}  // namespace stox::ctl
