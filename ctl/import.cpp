#include "ctl/import.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/service/config.h"
#include "common/service/config_file.h"
#include "common/service/log.h"
#include "ctl/output.h"

namespace stox::ctl {
namespace {

using nlohmann::json;

constexpr const char* kCarried[] = {"backend",   "domain_separator", "gateway_domain", "xmpp_domain",
                                    "xmpp_host", "xmpp_port",        "xmpp_password",  "outbound_proxy",
                                    "gwmap",     "sip_domain"};
constexpr const char* kReplies[] = {"t_reply",      "sl_send_reply", "send_reply",
                                    "t_send_reply", "sl_reply",      "xlog"};

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

std::string place(const OpenserParam& one) { return fmt::format("{}:{}", one.file, one.line); }
std::string place(const OpenserCall& one) { return fmt::format("{}:{}", one.file, one.line); }

bool is_ipv4(const std::string& host) {
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool is_address(const std::string& host) {
  return is_ipv4(host) || (host.size() > 2 && host.front() == '[' && host.back() == ']');
}

// Reads what the module was told, and writes what stox is told.
class Import {
 public:
  Import(const OpenserConfig& config, const std::string& path) : config_(config), path_(path) {}

  Imported run() {
    embedded_ = std::any_of(config_.modules.begin(), config_.modules.end(), [](const std::string& module) {
      return module == "usrloc" || module == "registrar" || module == "dispatcher";
    });
    gateway();
    mapped_domains();
    front();
    worker();
    others();
    if (embedded_) {
      in_the_proxy();
    } else {
      note(&out_.proxy, "", "nothing, if it forwards the gateway's domain to the addresses above",
           "this configuration serves the gateway alone: stop that process, stox takes its place. A proxy "
           "that "
           "shares its host sends from 127.0.0.1; one on another host must stand in `trusted`");
    }
    out_.toml = fmt::format(
        "# made from {} by stoxctl import; read what it said about what could not be carried "
        "over\n\n[gateway]\n{}{}"
        "\n[[mapper]]\nname = \"mapper-1\"\n\n[[sip_front]]\nname = \"sip-1\"\n{}\n[[xmpp_worker]]\n{}",
        path_, gateway_, gwmap_, front_, worker_);
    check();
    return std::move(out_);
  }

 private:
  using Notes = std::vector<Imported::Note>;
  static void note(Notes* notes, std::string where, std::string what, std::string why) {
    notes->push_back({std::move(where), std::move(what), std::move(why)});
  }

  std::optional<std::string> param(const char* name) const { return config_.param("xmpp", name); }
  const OpenserParam* find(const char* name) const {
    const auto found =
        std::find_if(config_.params.rbegin(), config_.params.rend(),
                     [&](const OpenserParam& one) { return one.module == "xmpp" && one.name == name; });
    return found == config_.params.rend() ? nullptr : &*found;
  }
  static void line(std::string* to, const char* key, const std::string& value) {
    *to += fmt::format("{} = {}\n", key, value);
  }

  void gateway() {
    gateway_domain_ = param("gateway_domain").value_or("");
    xmpp_domain_ = param("xmpp_domain").value_or("");
    const auto sip_domain = param("sip_domain");
    // Newer OpenSIPS has no separator: whole domains stand for each other, as in a gwmap.
    if (gateway_domain_.empty()) gateway_domain_ = sip_domain.value_or(xmpp_domain_);
    if (xmpp_domain_.empty()) {
      note(&out_.missing, "", "xmpp_domain", "it was not set, and the module's own default is an example's");
      xmpp_domain_ = gateway_domain_;
    }
    if (gateway_domain_.empty())
      note(&out_.missing, "", "gateway_domain",
           "it was not set, and the module's own default is an example's");
    line(&gateway_, "gateway_domain", in_quotes(gateway_domain_));
    line(&gateway_, "xmpp_domain", in_quotes(xmpp_domain_));
    if (const auto separator = param("domain_separator"))
      line(&gateway_, "domain_separator", in_quotes(*separator));
    if (const auto proxy = param("outbound_proxy")) {
      line(&gateway_, "outbound_proxy", in_quotes(*proxy));
    } else if (!embedded_) {
      note(&out_.not_carried, "", "no outbound_proxy",
           "messages to SIP go where their address leads, but for private addresses; name the domains that "
           "XMPP "
           "users may reach in sip_domains");
    }
    replies();
  }

  // What the route answers beside the module.
  void replies() {
    bool sent = false, unavailable = false;
    std::string accepted;
    for (const OpenserCall& call : config_.calls) {
      if (call.function == "xmpp_send_message") sent = true;
      const bool is_reply =
          std::find(std::begin(kReplies), std::end(kReplies), call.function) != std::end(kReplies);
      if (!is_reply || call.arguments.size() < 2) continue;
      const std::string& status = call.arguments[0];
      if (sent && accepted.empty() && status.starts_with("2")) accepted = status;
      unavailable = unavailable || (status == "503" && call.arguments[1] == "Service unavailable");
    }
    if (accepted == "202") line(&gateway_, "accept_status", "202");
    if (unavailable) line(&gateway_, "unhandled_method_status", "503");
  }

  void mapped_domains() {
    std::map<std::string, std::string> pairs;
    for (const OpenserParam& one : config_.params) {
      if (one.module != "xmpp" || one.name != "gwmap") continue;
      std::string_view rest = one.value;
      while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(';'), rest.size());
        const std::string_view pair = trim(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (pair.empty()) continue;
        const std::size_t equals = pair.find('=');
        const std::string sip(trim(pair.substr(0, equals)));
        // One domain alone is the same on both sides.
        const std::string xmpp(equals == std::string_view::npos ? sip
                                                                : std::string(trim(pair.substr(equals + 1))));
        if (!pairs.emplace(sip, xmpp.empty() ? sip : xmpp).second)
          note(&out_.not_carried, place(one), fmt::format("gwmap \"{}\"", pair), sip + " stands there twice");
      }
    }
    const bool by_domain = !pairs.empty();
    if (const OpenserParam* one = find("sip_domain"); one != nullptr && !by_domain)
      pairs[one->value] = xmpp_domain_;
    if (pairs.empty()) return;
    gwmap_ = "\n[gateway.gwmap]\n";
    for (const auto& [sip, xmpp] : pairs) line(&gwmap_, in_quotes(sip).c_str(), in_quotes(xmpp));
    note(&out_.not_carried, "", "domains that gwmap does not name",
         "the module passed them on unchanged; here they are refused. Give each that is to pass a line "
         "\"DOMAIN\" = "
         "\"DOMAIN\"");
    const bool is_ours = std::any_of(pairs.begin(), pairs.end(),
                                     [&](const auto& pair) { return pair.second == xmpp_domain_; });
    if (!is_ours) {
      note(&out_.missing, "", "serves, of [[xmpp_worker]]",
           "which right sides of gwmap are domains where SIP users appear on XMPP cannot be seen there; list "
           "them");
    }
  }

  void front() {
    std::vector<std::string> listens;
    std::string port = "5060";
    bool tcp = true;
    for (const OpenserParam& one : config_.settings) {
      if (one.name == "port") port = one.value;
      if (one.name == "disable_tcp") tcp = one.value != "yes" && one.value != "1" && one.value != "true";
    }
    for (const OpenserParam& one : config_.settings) {
      if (one.name != "listen" && one.name != "socket") continue;
      add_listen(one, port, tcp, &listens);
    }
    if (embedded_) {
      proxy_listen_ = listens.empty() ? "udp:127.0.0.1:" + port : listens.front();
      line(&front_, "listen", "[\"udp:127.0.0.1:5070\", \"tcp:127.0.0.1:5070\"]  # the proxy has its own");
      return;
    }
    if (listens.empty()) listens = {"udp:127.0.0.1:" + port, "tcp:127.0.0.1:" + port};
    std::string list;
    for (const std::string& one : listens) list += (list.empty() ? "" : ", ") + in_quotes(one);
    line(&front_, "listen", "[" + list + "]");
    std::string trusted = "\"127.0.0.0/8\", \"::1/128\"";
    const std::string outbound_proxy = param("outbound_proxy").value_or("");
    const auto proxy = parse_sip_uri(outbound_proxy);
    if (proxy && is_ipv4(std::string(proxy->host)) && !proxy->host.starts_with("127."))
      trusted += fmt::format(", \"{}/32\"", proxy->host);
    line(&front_, "trusted", "[" + trusted + "]  # who may send requests: add your proxies");
    for (const auto& [bytes, at] : config_.size_limits) {
      if (bytes != "2048") line(&front_, "max_datagram_bytes", bytes);
      break;
    }
    const bool tls = std::any_of(listens.begin(), listens.end(),
                                 [](const std::string& one) { return one.starts_with("tls:"); });
    if (!tls) return;
    front_ += "# [sip_front.tls] certificate, key, ca: below, for tls:\n";
    note(&out_.missing, "", "[sip_front.tls]",
         "it listens for TLS: give certificate, key and ca (PEM files)");
  }

  void add_listen(const OpenserParam& one, const std::string& port, bool tcp,
                  std::vector<std::string>* listens) {
    std::string_view value = trim(one.value);
    std::string advertised;
    if (const std::size_t at = value.find(" advertise "); at != std::string_view::npos) {
      advertised = std::string(trim(value.substr(at + 11)));
      value = trim(value.substr(0, at));
    }
    std::string transport;
    for (const char* known : {"udp:", "tcp:", "tls:", "sctp:", "ws:", "wss:", "hep_udp:", "bin:"}) {
      if (!ascii_lower(value).starts_with(known)) continue;
      transport = std::string(known, std::string_view(known).size() - 1);
      value.remove_prefix(transport.size() + 1);
    }
    const auto no = [&](const std::string& why) {
      note(&out_.not_carried, place(one), one.name + "=" + one.value, why);
    };
    if (!transport.empty() && transport != "udp" && transport != "tcp" && transport != "tls")
      return no("the gateway listens by udp, tcp and tls");
    std::string host(value), its_port = port;
    if (const std::size_t colon = value.rfind(':'); colon != std::string_view::npos && value.back() != ']') {
      host = std::string(value.substr(0, colon));
      its_port = std::string(value.substr(colon + 1));
    }
    if (!is_address(host)) return no("give the address instead of a name or an interface");
    if (!advertised.empty()) advertised = "/" + advertised;
    for (const char* each : {"udp", "tcp"}) {
      if (!transport.empty() || (each == std::string_view("tcp") && !tcp)) continue;
      listens->push_back(fmt::format("{}:{}:{}{}", each, host, its_port, advertised));
    }
    if (!transport.empty())
      listens->push_back(fmt::format("{}:{}:{}{}", transport, host, its_port, advertised));
  }

  void worker() {
    const std::string backend = param("backend").value_or("component");
    const bool server = backend == "server";
    line(&worker_, "name", server ? "\"server-1\"" : "\"component-1\"");
    line(&worker_, "backend", in_quotes(backend));
    const std::string host = param("xmpp_host").value_or(server ? "0.0.0.0" : "127.0.0.1");
    line(&worker_, "xmpp_host", in_quotes(host));
    if (const auto port = param("xmpp_port")) line(&worker_, "xmpp_port", *port);
    if (!server) {
      line(&worker_, "xmpp_password", in_quotes(param("xmpp_password").value_or("secret")));
      return;
    }
    note(&out_.missing, "", "[xmpp_worker.tls]",
         "other servers demand TLS, which the module did not have: give certificate and key for " +
             xmpp_domain_);
  }

  // What has no place here.
  void others() {
    for (const OpenserParam& one : config_.params) {
      if (one.module == "xmpp" &&
          std::find(std::begin(kCarried), std::end(kCarried), one.name) == std::end(kCarried))
        note(&out_.not_carried, place(one), fmt::format("modparam(\"xmpp\", \"{}\", ...)", one.name),
             "the gateway has no such setting");
      if (one.module == "pua_xmpp")
        note(&out_.not_carried, place(one), fmt::format("modparam(\"pua_xmpp\", \"{}\", ...)", one.name),
             "the gateway does what it did; see doc/presence.md");
    }
    for (const std::string& one : config_.problems)
      note(&out_.not_carried, "", one, "look whether it matters");
  }

  // The gateway was a part of the proxy: what its configuration loses, and what it gains.
  void in_the_proxy() {
    if (param("outbound_proxy").value_or("").empty()) {
      const std::size_t colon = proxy_listen_.find(':');
      line(&gateway_, "outbound_proxy",
           in_quotes(fmt::format("sip:{};transport={}", proxy_listen_.substr(colon + 1),
                                 proxy_listen_.substr(0, colon))));
    }
    for (const OpenserParam& one : config_.params) {
      if (one.module == "xmpp" || one.module == "pua_xmpp")
        note(&out_.proxy, place(one),
             fmt::format("remove modparam(\"{}\", \"{}\", ...)", one.module, one.name), "");
    }
    for (const std::string& one : config_.modules) {
      if (one == "xmpp" || one == "pua_xmpp")
        note(&out_.proxy, "", fmt::format("remove loadmodule \"{}.so\"", one), "");
    }
    for (const OpenserCall& call : config_.calls) {
      if (call.function == "xmpp_send_message")
        note(&out_.proxy, place(call), "instead of xmpp_send_message() and the replies to its result",
             "$du = \"sip:127.0.0.1:5070\"; t_relay(); exit;");
      if (call.function.starts_with("pua_xmpp") || call.function.starts_with("xmpp_")) {
        if (call.function != "xmpp_send_message")
          note(&out_.proxy, place(call), fmt::format("remove {}()", call.function), "the gateway does it");
      }
    }
  }

  // That what was made is a configuration.
  void check() {
    std::string name = "/tmp/stox-import-XXXXXX";
    const int file = mkstemp(name.data());
    if (file < 0) return;
    close(file);
    std::ofstream(name) << out_.toml;
    if (const auto loaded = service::load_config(name); !loaded) {
      std::istringstream lines(loaded.error().text);
      for (std::string line; std::getline(lines, line);) {
        if (const std::size_t at = line.find(name); at != std::string::npos)
          line.replace(at, name.size(), "stox.toml");
        note(&out_.missing, "", line, "");
      }
    }
    unlink(name.c_str());
  }

  const OpenserConfig& config_;
  const std::string& path_;
  bool embedded_ = false;
  std::string gateway_domain_, xmpp_domain_, proxy_listen_;
  std::string gateway_, gwmap_, front_, worker_;
  Imported out_;
};

std::string notes_text(const char* heading, const std::vector<Imported::Note>& notes) {
  if (notes.empty()) return {};
  std::string out = fmt::format("\n{}\n", heading);
  for (const Imported::Note& one : notes) {
    out += fmt::format("  {}{}{}{}{}\n", one.where, one.where.empty() ? "" : ": ", one.what,
                       one.what.empty() || one.why.empty() ? "" : ": ", one.why);
  }
  return out;
}

json notes_json(const std::vector<Imported::Note>& notes) {
  json out = json::array();
  for (const Imported::Note& one : notes)
    out.push_back({{"where", one.where}, {"what", one.what}, {"why", one.why}});
  return out;
}

}  // namespace

Imported import_openser(const OpenserConfig& config, const std::string& path) {
  return Import(config, path).run();
}

std::string report_text(const Imported& imported) {
  return notes_text("Missing, or wrong, before this can be used:", imported.missing) +
         notes_text("Not carried over:", imported.not_carried) +
         notes_text("To change in the proxy:", imported.proxy);
}

json import_json(const Imported& imported) {
  return {{"config", imported.toml},
          {"missing", notes_json(imported.missing)},
          {"not_carried", notes_json(imported.not_carried)},
          {"proxy", notes_json(imported.proxy)}};
}

ExitCode import_file(const std::string& path, bool as_json) {
  const auto config = read_openser_config(path, service::read_file);
  if (!config) {
    complain(config.error().text);
    return kUsage;
  }
  const bool has_module =
      std::find(config->modules.begin(), config->modules.end(), "xmpp") != config->modules.end() ||
      std::any_of(config->params.begin(), config->params.end(),
                  [](const auto& one) { return one.module == "xmpp"; });
  if (!has_module) {
    complain(fmt::format("{} does not use the module xmpp: no loadmodule, no modparam of it", path));
    return kUsage;
  }
  const Imported imported = import_openser(*config, path);
  if (as_json) {
    print_json(import_json(imported));
  } else {
    print_text(imported.toml);
    std::fputs(service::printable_lines(report_text(imported)).c_str(), stderr);
  }
  return imported.missing.empty() ? kFine : kTrouble;
}

}  // namespace stox::ctl
