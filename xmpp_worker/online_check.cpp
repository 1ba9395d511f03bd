#include "xmpp_worker/online_check.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "common/base/shortened.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/service/lookup.h"
#include "common/service/own_certificate.h"
#include "xmpp_worker/tlsa_check.h"

namespace stox::worker {
namespace {

using service::Finding;
using Kind = Finding::Kind;

std::string sha1_hex(const std::string& bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return to_hex({reinterpret_cast<const char*>(digest.data()), size});
}

// The text between two others; empty if it is not there.
std::string between(const std::string& text, std::string_view begin, char end) {
  const std::size_t at = text.find(begin);
  if (at == std::string::npos) return {};
  const std::size_t from = at + begin.size();
  return text.substr(from, text.find(end, from) - from);
}

// <stream:error> with its condition, as far as it can be seen without a parser.
std::string stream_error(const std::string& answer) {
  const std::size_t at = answer.find("<stream:error");
  if (at == std::string::npos) return {};
  const std::string condition = between(answer.substr(answer.find('>', at)), "<", '>');
  return condition.substr(0, std::min<std::size_t>(condition.find_first_of(" /"), 60));
}

// One handshake as a component (XEP-0114), and the end of it.
void check_component(const service::DnsConfig& dns, const service::XmppWorkerConfig& worker,
                     const std::string& domain, std::vector<Finding>* out) {
  const std::string server = host_port(worker.xmpp_host, worker.xmpp_port);
  const auto bad = [&](const std::string& what, const std::string& remedy) {
    out->push_back({Kind::kFailure, server + " " + what, remedy});
  };
  auto probe = service::connect_to(dns, {worker.xmpp_host, worker.xmpp_port, "", 0}, false);
  if (!probe)
    return bad("cannot be reached: " + probe.error().text,
               "start the XMPP server, or mend xmpp_host and xmpp_port: its component port");
  const std::string header = fmt::format(
      "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
      "xmlns:stream='http://etherx.jabber.org/streams' to='{}'>",
      domain);
  std::string answer;
  if (probe->send(header)) answer = probe->receive(">");
  if (answer.find("<?xml") == 0 && answer.find("<stream:stream") == std::string::npos)
    answer += probe->receive(">");
  if (answer.empty())
    return bad("says nothing", "is it an XMPP server's component port? Perhaps it wants TLS at once");
  if (answer.find("stream:stream") == std::string::npos)
    return bad("speaks no XMPP: \"" + shortened(answer, 60) + "\"",
               "mend xmpp_port: the server's component port");
  for (const char* const others : {"client", "server"}) {
    if (answer.find(fmt::format("jabber:{}", others)) != std::string::npos)
      return bad(fmt::format("is the port for {}s, not for components", others),
                 "mend xmpp_port: the server's component port (5347 is usual)");
  }
  if (const std::string why = stream_error(answer); !why.empty())
    return bad("refuses the component " + domain + ": " + why, "configure the component at the XMPP server");
  std::string id = between(answer, " id='", '\'');
  if (id.empty()) id = between(answer, " id=\"", '"');
  if (id.empty())
    return bad("opens no stream for components", "mend xmpp_port: 5222 and 5269 are for others");
  if (probe->send("<handshake>" + sha1_hex(id + worker.xmpp_password) + "</handshake>"))
    answer = probe->receive(">");
  if (answer.find("<handshake") != std::string::npos) {
    out->push_back(
        {Kind::kOk, fmt::format("{} takes us as component {}: port and secret are right", server, domain)});
    static_cast<void>(probe->send("</stream:stream>"));
    return;
  }
  const std::string why = stream_error(answer);
  bad(fmt::format("does not take us as component {}: {}", domain,
                  why.empty() ? "closes the connection" : why),
      "the secret must be the same there: xmpp_password, and the name that of the component");
}

// How other servers find a domain of ours (RFC 6120 3.2), and whether that leads here.
Finding check_domain(const service::DnsConfig& dns, const service::XmppWorkerConfig& worker,
                     const std::string& domain) {
  const std::string name = "_xmpp-server._tcp." + domain;
  const auto records = service::look_up_services(dns, name);
  if (!records && records.error().kind == net::ResolveError::Kind::kFailed)
    return {
        Kind::kFailure, "DNS does not work: " + records.error().text,
        "look at dns.servers, or /etc/resolv.conf where there are none: other servers are not found without"};
  if (records && !records->empty()) {
    std::string ports;
    for (const auto& record : *records) {
      if (record.target == ".")
        return {Kind::kFailure, name + " says that there is no XMPP server for " + domain,
                "let its SRV record name this host and port " + std::to_string(worker.xmpp_port)};
      if (const auto found = service::look_up(dns, record.target); !found)
        return {
            Kind::kFailure,
            fmt::format("{} leads to {}, which has no address: {}", name, record.target, found.error().text),
            "give it one, or let the SRV record name another host"};
      ports += (ports.empty() ? "" : ", ") + host_port(record.target, record.port);
      if (record.port == worker.xmpp_port) return {Kind::kOk, fmt::format("{} leads to {}", name, ports)};
    }
    return {Kind::kWarning, fmt::format("{} leads to {}, and xmpp_port is {}", name, ports, worker.xmpp_port),
            "right if something forwards that port to this one; else mend one of them"};
  }
  const auto found = service::look_up(dns, domain);
  if (!found)
    return {Kind::kWarning, domain + " has no address in DNS: " + found.error().text,
            "other servers need one, or SRV records " + name};
  if (worker.xmpp_port != kServerPort)
    return {Kind::kWarning,
            fmt::format("{} has no SRV records, so other servers try port {}, and xmpp_port is {}", domain,
                        kServerPort, worker.xmpp_port),
            fmt::format("{}. SRV 0 0 {} HOST.", name, worker.xmpp_port)};
  return {Kind::kOk, fmt::format("{} has the address {}", domain, found->front())};
}

void check_server(const service::Config& config, const service::XmppWorkerConfig& worker, bool runs,
                  std::vector<Finding>* out) {
  const std::string own = host_port(worker.xmpp_host, worker.xmpp_port);
  if (runs) {
    out->push_back({Kind::kOk, own + " is this process's, which runs"});
  } else if (const auto free = service::try_bind(worker.xmpp_host, worker.xmpp_port, false); free) {
    out->push_back({Kind::kOk, own + " is free"});
  } else {
    out->push_back({Kind::kFailure, "cannot listen: " + free.error().text,
                    "end what uses it, or choose another address"});
  }
  for (Finding& finding : service::check_own_certificate(worker.tls, "other servers"))
    out->push_back(std::move(finding));
  if (worker.tls.certificate.empty())
    out->push_back({Kind::kWarning,
                    "it has no certificate: other servers must do with dialback, most refuse us",
                    "xmpp_worker.tls: certificate and key for " + worker.serves.front()});
  for (const std::string& domain : worker.serves) {
    out->push_back(check_domain(config.dns, worker, domain));
    if (out->back().kind != Kind::kFailure) check_tlsa(config.dns, worker.tls, domain, out);
  }
}

}  // namespace

std::vector<Finding> check_online(const service::Config& config, const service::Identity& identity,
                                  bool runs) {
  std::vector<Finding> out;
  for (const service::XmppWorkerConfig& worker : config.xmpp_workers) {
    if (worker.name != identity.section) continue;
    if (worker.backend == "server") {
      check_server(config, worker, runs, &out);
    } else if (runs) {
      out.push_back(
          {Kind::kOk, "its stream was not tried: the process runs, and a second stream would end its own"});
    } else {
      check_component(config.dns, worker, worker.serves.front(), &out);
    }
  }
  return out;
}

}  // namespace stox::worker
