#include "ctl/doctor_loop.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <string_view>

#include "common/base/jid.h"
#include "common/base/shortened.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/service/probe.h"
#include "ctl/site.h"
#include "ctl/text_table.h"

namespace stox::ctl {
namespace {

using nlohmann::json;

constexpr uint16_t kSipPort = 5060;
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
// proxy lets speak without a password, and to users a name that nobody has.
std::string domain_to_speak_for(const service::Config& config, bool to_user) {
  std::string of_pattern;
  for (const auto& front : config.sip_fronts) {
    for (const std::string& domain : front.from_domains) {
      if (domain.find('*') == std::string::npos) return domain;
      if (domain.starts_with("*.")) of_pattern = "doctor" + domain.substr(1);
    }
  }
  if (!of_pattern.empty()) return of_pattern;
  return to_user ? "doctor.invalid" : config.gateway.gateway_domain;
}

// The last status line in what came, without "SIP/2.0 ".
std::string status_of(const std::string& came) {
  const std::size_t at = came.rfind("SIP/2.0 ");
  if (at == std::string::npos || (at != 0 && came[at - 1] != '\n')) return {};
  return shortened(came.substr(at + 8, came.find('\r', at) - at - 8), 120);
}

json row(const char* kind, std::string what, std::string remedy = {}) {
  return {{"name", "loop"}, {"kind", kind}, {"what", std::move(what)}, {"remedy", std::move(remedy)}};
}

}  // namespace

LoopMessage loop_message(const service::Config& config, const std::string& to_jid,
                         const std::string& unique) {
  const service::GatewayConfig& gateway = config.gateway;
  const auto jid = Jid::parse(to_jid);
  const std::string user = jid ? percent_encoded(unescape_localpart(jid->local())) : "stox-doctor";
  const std::string domain = jid ? std::string(jid->domain()) : gateway.xmpp_domain;
  const std::string call_id = unique + "@stox-doctor";
  const std::string from = "sip:stox-doctor@" + domain_to_speak_for(config, jid.has_value());
  if (!gateway.gwmap.empty()) {  // it leads to no domain but its own
    for (const auto& [sip_domain, xmpp_domain] : gateway.gwmap) {
      if (jid && xmpp_domain == domain) return {"sip:" + user + "@" + sip_domain, from, call_id};
    }
    return {};
  }
  return {fmt::format("sip:{}{}{}@{}", user, gateway.domain_separator, domain, gateway.gateway_domain), from,
          call_id};
}

std::string text_of(const LoopMessage& message, const std::string& own, const char* transport) {
  static constexpr std::string_view kText = "stoxctl doctor tries whether messages arrive. This one did.";
  return fmt::format(
      "MESSAGE {0} SIP/2.0\r\nVia: SIP/2.0/{1} {2};branch=z9hG4bK{7};rport\r\nMax-Forwards: 20\r\n"
      "From: <{4}>;tag=doctor\r\nTo: <{0}>\r\nCall-ID: {3}\r\nCSeq: 1 MESSAGE\r\n"
      "Content-Type: text/plain\r\nContent-Length: {5}\r\n\r\n{6}",
      message.request_uri, transport, own, message.call_id, message.from, kText.size(), kText,
      message.call_id.substr(0, message.call_id.find('@')));
}

json loop_row(const std::string& answer, const json& hops, bool to_user) {
  std::string way;
  for (const json& hop : hops) {
    const std::string process = text_at(hop, "process");
    if (way.find(process) == std::string::npos) way += (way.empty() ? "" : ", ") + process;
  }
  const std::string said = answer.empty() ? "no answer within 5 s" : answer;
  if (way.empty()) {
    if (answer.starts_with("401") || answer.starts_with("407"))
      return row("warning", "the SIP proxy asks for a password: " + said,
                 "not tried then; let a phone write to an XMPP user");
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

json try_loop(const service::Config& config, const std::string& to_jid) {
  const auto proxy = parse_sip_uri(config.gateway.outbound_proxy);
  if (config.gateway.outbound_proxy.empty() || !proxy) return {};
  const std::string transport = ascii_lower(proxy->param("transport").value_or("udp"));
  if (transport == "tls" || proxy->is_sips()) return {};
  auto probe = service::Probe::connect(std::string(proxy->host), proxy->port != 0 ? proxy->port : kSipPort,
                                       transport == "udp");
  if (!probe) return {};  // the front's own check says so
  const std::string unique = fmt::format("{:x}-{:x}", getpid(), std::time(nullptr));
  const LoopMessage message = loop_message(config, to_jid, unique);
  if (message.request_uri.empty()) return {};
  std::string answer;
  if (probe->send(text_of(message, probe->own_address(), transport == "udp" ? "UDP" : "TCP"))) {
    for (int i = 0; i < kMaxAnswers && (answer.empty() || answer[0] == '1'); ++i) {
      const std::string came = probe->receive("\r\n\r\n");
      if (came.empty()) break;
      answer = status_of(came);
    }
  }
  if (answer.starts_with('1')) answer.clear();
  return loop_row(answer, find_trace(config, message.call_id).value["hops"], !to_jid.empty());
}

}  // namespace stox::ctl
