#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "common/base/addressing.h"
#include "common/base/hash.h"
#include "common/base/jid.h"
#include "common/base/text.h"
#include "common/bus/zmq/curve.h"
#include "common/service/config.h"
#include "common/service/config_environment.h"
#include "common/service/config_file.h"
#include "common/service/config_values.h"
#include "common/service/file_access.h"

namespace stox::service {
namespace {

std::vector<std::string> names_in(const toml::table& root, Role role) {
  std::vector<std::string> out;
  if (const toml::array* list = root[role_name(role)].as_array()) {
    for (const toml::node& one : *list) {
      if (one.is_table()) out.push_back((*one.as_table())["name"].value_or(std::string()));
    }
  }
  return out;
}

Result<Identity> identify(const std::vector<std::string>& sections, Role role, std::string_view name) {
  if (role == Role::kCtl) return Identity{role, "", ""};
  const std::string list = fmt::format("{}", fmt::join(sections, ", "));
  if (sections.empty()) return error(fmt::format("there is no [[{}]]; add one with a name", role_name(role)));
  if (name.empty()) {
    if (sections.size() == 1) return Identity{role, sections[0], sections[0]};
    return error(
        fmt::format("there are several [[{}]]: {}; say with -n which one this is", role_name(role), list));
  }
  const auto at = name.find('@');
  const std::string section(name.substr(0, at));
  if (std::find(sections.begin(), sections.end(), section) == sections.end()) {
    return error(fmt::format("there is no [[{}]] with name = \"{}\" (-n); there are: {}", role_name(role),
                             one_line(section, 60), list));
  }
  if (at != std::string_view::npos && check_name(name.substr(at + 1)))
    return error(
        fmt::format("-n {}: what follows @ {}", one_line(name, 60), *check_name(name.substr(at + 1))));
  return Identity{role, section, std::string(name)};
}

void warn_if_all_can_read(const char* what, const std::string& file, std::vector<std::string>* warnings) {
  if (all_can_read(file))
    warnings->push_back(fmt::format("everybody on this host can read the {0} {1}; chmod o= {1}", what, file));
}

void read_password(const char* key, const std::string& file, const toml::source_region& where,
                   std::string* password, Problems& problems, std::vector<std::string>* warnings) {
  const auto text = read_file(file);
  if (!text) return problems.at(where, fmt::format("{}: cannot read {}: {}", key, file, text.error().text));
  warn_if_all_can_read("password in", file, warnings);
  *password = text->substr(0, text->find_last_not_of("\r\n") + 1);
  if (password->empty() || password->find('\n') != std::string::npos)
    problems.at(where, fmt::format("{}: {} must hold one line, the password", key, file));
}

// The secret of the own section, which alone is demanded.
void read_secret(const toml::table& root, std::size_t index, XmppWorkerConfig& worker, Problems& problems,
                 std::vector<std::string>* warnings) {
  if (worker.backend == "server" && worker.xmpp_password_file.empty()) return;  // it needs none
  if (root["xmpp_worker"][index]["xmpp_password"]) return;                      // maybe wrong: said already
  const toml::source_region where = place_of(root, "xmpp_worker", index, "xmpp_password_file");
  const std::string& file = worker.xmpp_password_file;
  if (file.empty()) {
    return problems.at(where,
                       "xmpp_worker.xmpp_password is missing; give it, xmpp_password_file or "
                       "STOX_XMPP_WORKER_XMPP_PASSWORD");
  }
  read_password("xmpp_worker.xmpp_password_file", file, where, &worker.xmpp_password, problems, warnings);
}

// Those of the own section.
void read_credentials(const toml::table& root, std::size_t index, SipFrontConfig& front, Problems& problems,
                      std::vector<std::string>* warnings) {
  for (std::size_t i = 0; i < front.credentials.size(); ++i) {
    CredentialsConfig& one = front.credentials[i];
    if (one.password_file.empty()) continue;
    const auto node = root["sip_front"][index]["credentials"][i]["password_file"];
    read_password("sip_front.credentials.password_file", one.password_file, node.node()->source(),
                  &one.password, problems, warnings);
  }
}

// What our secret key is not, which the configuration says of it; empty: it fits.
std::string misfit(const CurveConfig& curve, const Identity& identity, const std::string& public_key) {
  if (identity.role == Role::kMapper) {
    if (curve.mapper_public_key.empty() || public_key == curve.mapper_public_key) return {};
    return "is not the secret half of bus.curve.mapper_public_key";
  }
  const auto own = curve.section_keys.find(identity.section);
  const auto& nameless = curve.edge_public_keys;
  if (own != curve.section_keys.end() && own->second == public_key) return {};
  if (std::find(nameless.begin(), nameless.end(), public_key) != nameless.end()) return {};
  return own != curve.section_keys.end()
             ? fmt::format("is not the secret half of bus.curve.keys.{}", identity.section)
             : "is not the secret half of any of bus.curve.edge_public_keys";
}

// One line, as the tool wrote it.
void read_curve_key(const toml::table& root, const Identity& identity, Config& config, Loaded* loaded,
                    Problems& problems) {
  const toml::table* section = root["bus.curve"].as_table();
  if (section == nullptr || identity.role == Role::kCtl) return;
  CurveConfig& curve = config.curve;
  const bool is_mapper = identity.role == Role::kMapper;
  const std::string key = is_mapper ? "mapper_key_file" : "edge_key_file";
  const std::string file = own_key_file(config, identity);
  const toml::node* node = section->get(key);
  const auto bad = [&](const std::string& what) {
    problems.at(node != nullptr && node->source().begin.line != 0 ? node->source() : section->source(),
                fmt::format("bus.curve.{} {}", key, what));
  };
  if (node == nullptr) return bad("is missing; `stoxctl keys` makes the keys and says what to write");
  if (file.empty()) return;  // said already
  const auto text = read_file(file);
  if (!text) return bad(fmt::format("\"{}\" cannot be read: {}", file, text.error().text));
  curve.secret_key = text->substr(0, text->find_last_not_of("\r\n") + 1);
  const auto public_key = bus::public_key_of(curve.secret_key);
  if (check_curve_key(curve.secret_key) || !public_key)
    return bad(fmt::format("\"{}\" does not hold a key; `stoxctl keys` makes keys", file));
  if (const std::string why = misfit(curve, identity, *public_key); !why.empty())
    bad(fmt::format("\"{}\" {}, but of {}; `stoxctl keys` says what to write for the keys there are", file,
                    why, *public_key));
  warn_if_all_can_read("secret key", file, &loaded->warnings);
}

// Into gateway.aliases; all of them are checked for names and addresses that stand twice.
void read_aliases(const toml::table& root, GatewayConfig& gateway, Problems& problems) {
  const toml::node* node = root["gateway"]["aliases_file"].node();
  const auto bad = [&](const std::string& what) {
    const toml::node* place = node != nullptr ? node : root.get("gateway");
    problems.at(place != nullptr ? place->source() : root.source(), "gateway.aliases_file " + what);
  };
  if (!gateway.aliases_file.empty()) {
    const std::string& file = gateway.aliases_file;
    const auto text = read_file(file);
    if (!text) return bad(fmt::format("\"{}\" cannot be read: {}", file, text.error().text));
    toml::parse_result parsed = toml::parse(*text);
    if (!parsed) {
      return bad(fmt::format("\"{}\", line {}, is not like \"4711\" = \"juliet@xmpp.example.org\": {}", file,
                             parsed.error().source().begin.line,
                             one_line(parsed.error().description(), 200)));
    }
    toml::table section;
    section.insert("aliases", std::move(parsed).table());
    GatewayConfig read;
    Problems wrong(file);
    for (const auto& key : keys<GatewayConfig>()) {
      if (key.name == "aliases") key.read(Value{*section.get("aliases"), "gateway", "aliases", wrong}, read);
    }
    if (wrong.any()) return bad(wrong.lines());
    for (auto& [name, jid] : read.aliases) {
      if (!gateway.aliases.emplace(name, jid).second)
        return bad(fmt::format("has {} again; keep one line", name));
    }
  }
  std::map<std::string, std::string> names;
  for (const auto& [name, text] : gateway.aliases) {
    const auto jid = Jid::parse(text);
    if (name.starts_with("@") || !jid) continue;
    const auto [other, is_new] = names.emplace(jid->bare(), name);
    if (is_new) continue;
    const toml::node* table = root["gateway"]["aliases"].node();
    problems.at(
        table != nullptr ? table->source() : root.get("gateway")->source(),
        fmt::format(
            "gateway.aliases has {} as \"{}\" and as \"{}\", so its name on SIP is not clear; keep one", text,
            other->second, name));
  }
}

// Fronts and workers find each mapper by its address: only a name can stand for several.
void check_mapper_instance(const toml::table& root, const Identity& identity, const Config& config,
                           Problems& problems) {
  if (identity.role != Role::kMapper || identity.full == identity.section) return;
  for (std::size_t i = 0; i < config.mappers.size(); ++i) {
    const MapperConfig& mapper = config.mappers[i];
    if (mapper.name != identity.section || is_mapper_name(mapper.connect)) continue;
    problems.at(
        place_of(root, "mapper", i, "connect"),
        fmt::format("mapper {} can have instances (-n {}) only if connect is a name that stands for all "
                    "of them, as \"tcp://mappers.example.org:7300\"; else add another [[mapper]]",
                    mapper.name, one_line(identity.full, 80)));
  }
}

// Domains of rooms that SIP users may not reach, as xmpp_domains has none of them.
std::vector<std::string> closed_room_domains(const GatewayConfig& gateway) {
  std::vector<std::string> out;
  if (gateway.rooms != "listed" || gateway.xmpp_domains.empty()) return out;
  for (const std::string& room_domain : gateway.room_domains) {
    const std::string domain = ascii_domain(room_domain).value_or(room_domain);
    const auto covers = [&](const std::string& written) {
      const bool is_pattern = written.starts_with("*.");
      const std::string name = is_pattern ? written.substr(2) : written;
      return domain_matches((is_pattern ? "*." : "") + ascii_domain(name).value_or(name), domain);
    };
    if (std::none_of(gateway.xmpp_domains.begin(), gateway.xmpp_domains.end(), covers))
      out.push_back(room_domain);
  }
  return out;
}

// Besides the environment's.
void add_warnings(const Config& config, std::vector<std::string>* warnings) {
  const GatewayConfig& gateway = config.gateway;
  if (!config.sip_fronts.empty() && gateway.outbound_proxy.empty() && gateway.sip_domains.empty()) {
    warnings->push_back(
        "neither gateway.outbound_proxy nor gateway.sip_domains is set, so anybody on XMPP can have this "
        "gateway send SIP to any public address; set one of them");
  }
  for (const std::string& domain : closed_room_domains(gateway)) {
    warnings->push_back(
        fmt::format("gateway.room_domains has {0}, which gateway.xmpp_domains does not let SIP users reach; "
                    "add {0} there",
                    domain));
  }
  if (holds_secret(config) && everybody_reads(config.file))
    warnings->push_back(
        fmt::format("everybody on this host can read {0}, which holds a secret; chmod o= {0}", config.file));
  if (std::string why = who_else_writes(config.runtime.directory); !why.empty())
    warnings->push_back("runtime.directory: " + why);
  if (!config.curve.edge_public_keys.empty()) {
    warnings->push_back(fmt::format(
        "{}: the owner of a key in bus.curve.edge_public_keys may be any front or worker, and be given its "
        "messages; `stoxctl keys` makes a key for each, and says what to write instead",
        config.file));
  }
}

template <class Section>
void print_section(const char* heading, const Section& section, std::string* out) {
  std::string lines;
  for (const auto& key : keys<Section>()) {
    if (const std::string value = key.print(section); !value.empty())
      lines += fmt::format("{} = {}\n", key.name, value);
  }
  if (!lines.empty()) *out += fmt::format("\n{}\n{}", heading, lines);
}

// "section.key" -> value.
std::map<std::string, std::string> flat(Config config) {
  std::map<std::string, std::string> out;
  const auto put = [&](const std::string& prefix, const auto& section) {
    for (const auto& key : keys<std::decay_t<decltype(section)>>())
      out[prefix + "." + key.name] = key.print(section);
  };
  single_sections(config, put);
  repeated_sections(config, [&](const std::string& name, const auto& sections) {
    for (const auto& one : sections) put(name + " " + one.name, one);
  });
  // Printed masked: a new secret would not show.
  for (const XmppWorkerConfig& worker : config.xmpp_workers) {
    out["xmpp_worker " + worker.name + ".xmpp_password"] = worker.xmpp_password;
    out["xmpp_worker " + worker.name + ".dialback_secret"] = worker.dialback_secret;
  }
  for (const SipFrontConfig& front : config.sip_fronts) {
    for (const CredentialsConfig& one : front.credentials)
      out["sip_front " + front.name + ".credentials"] += "\n" + one.password;
  }
  return out;
}

}  // namespace

const char* role_name(Role role) {
  switch (role) {
    case Role::kMapper:
      return "mapper";
    case Role::kSipFront:
      return "sip_front";
    case Role::kXmppWorker:
      return "xmpp_worker";
    case Role::kCtl:
      break;
  }
  return "ctl";
}

std::string own_key_file(const Config& config, const Identity& identity) {
  if (identity.role == Role::kMapper) return config.curve.mapper_key_file;
  static constexpr std::string_view kSection = "{section}";
  std::string file = config.curve.edge_key_file;
  const auto at = file.find(kSection);
  return at == std::string::npos ? file : file.replace(at, kSection.size(), identity.section);
}

uint64_t shared_digest(const Config& config) {
  const GatewayConfig& gateway = config.gateway;
  std::string all = gateway.gateway_domain + "\n" + gateway.xmpp_domain + "\n" + gateway.domain_separator;
  for (const auto& [sip, xmpp] : gateway.gwmap) all += "\n" + sip + "\n" + xmpp;
  return std::max<uint64_t>(hash64(all), 1);
}

void keep_shared(const Config& running, Config& read) {
  read.gateway.gateway_domain = running.gateway.gateway_domain;
  read.gateway.xmpp_domain = running.gateway.xmpp_domain;
  read.gateway.domain_separator = running.gateway.domain_separator;
  read.gateway.gwmap = running.gateway.gwmap;
  for (XmppWorkerConfig& worker : read.xmpp_workers) {
    for (const XmppWorkerConfig& before : running.xmpp_workers) {
      if (before.name == worker.name) worker.serves = before.serves;
    }
  }
}

std::vector<std::string> files_read_by(const Config& config, const Identity& identity) {
  std::vector<std::string> out = {config.file};
  const auto add = [&](const std::string& file) {
    if (!file.empty()) out.push_back(file);
  };
  const auto add_tls = [&](const TlsConfig& tls) {
    add(tls.certificate);
    add(tls.key);
    add(tls.ca);
  };
  if (identity.role != Role::kCtl) add(own_key_file(config, identity));
  for (const SipFrontConfig& front : config.sip_fronts) {
    if (identity.role != Role::kSipFront || front.name != identity.section) continue;
    add_tls(front.tls);
    for (const CredentialsConfig& one : front.credentials) add(one.password_file);
  }
  for (const XmppWorkerConfig& worker : config.xmpp_workers) {
    if (identity.role != Role::kXmppWorker || worker.name != identity.section) continue;
    add_tls(worker.tls);
    add(worker.xmpp_password_file);
  }
  return out;
}

std::vector<std::string> Config::mapper_endpoints() const {
  std::vector<std::string> out;
  for (const MapperConfig& mapper : mappers) out.push_back(mapper.connect);
  return out;
}

Result<Loaded> load_config(const std::string& file, Role role, std::string_view name,
                           const Environment& environment) {
  auto root = parse_config_file(file);
  if (!root) return tl::make_unexpected(root.error());
  Loaded loaded;
  loaded.config.file = file;
  Problems problems(file);
  const auto identity = identify(names_in(*root, role), role, name);
  const bool no_mapper = role == Role::kMapper && !root->contains("mapper");  // complete() says so
  if (!identity && !no_mapper) problems.at(root->source(), identity.error().text);
  override_by_environment(*root, identity ? &*identity : nullptr, environment, problems, &loaded.warnings);
  read_sections(*root, loaded.config, problems);
  complete(*root, loaded.config, problems);
  if (identity) loaded.identity = *identity;
  if (identity) check_mapper_instance(*root, *identity, loaded.config, problems);
  read_aliases(*root, loaded.config.gateway, problems);
  if (identity) read_curve_key(*root, *identity, loaded.config, &loaded, problems);
  auto& workers = loaded.config.xmpp_workers;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    if (role == Role::kXmppWorker && identity && workers[i].name == identity->section)
      read_secret(*root, i, workers[i], problems, &loaded.warnings);
  }
  auto& fronts = loaded.config.sip_fronts;
  for (std::size_t i = 0; i < fronts.size(); ++i) {
    if (role == Role::kSipFront && identity && fronts[i].name == identity->section)
      read_credentials(*root, i, fronts[i], problems, &loaded.warnings);
  }
  if (problems.any()) return error(problems.lines());
  add_warnings(loaded.config, &loaded.warnings);
  return loaded;
}

Result<Config> load_config(const std::string& file) {
  auto loaded = load_config(file, Role::kCtl, {}, {});
  if (!loaded) return tl::make_unexpected(loaded.error());
  return std::move(loaded->config);
}

std::string print_config(const Config& config) {
  std::string out = "# effective configuration, from " + config.file + "\n";
  Config copy = config;
  single_sections(copy, [&](const std::string& name, const auto& section) {
    print_section(("[" + name + "]").c_str(), section, &out);
  });
  repeated_sections(copy, [&](const std::string& name, const auto& sections) {
    for (const auto& one : sections) print_section(("[[" + name + "]]").c_str(), one, &out);
  });
  return out;
}

std::vector<std::string> changed_keys(const Config& before, const Config& after) {
  const auto old_values = flat(before);
  const auto new_values = flat(after);
  std::vector<std::string> out;
  // A section that only one of them has is one change.
  const auto differs = [&](const std::string& key, const char* how) {
    std::string section = fmt::format("{} ({})", key.substr(0, key.rfind('.')), how);
    if (out.empty() || out.back() != section) out.push_back(std::move(section));
  };
  for (const auto& [key, value] : new_values) {
    const auto found = old_values.find(key);
    if (found == old_values.end()) {
      differs(key, "added");
    } else if (found->second != value) {
      out.push_back(key);
    }
  }
  for (const auto& [key, value] : old_values) {
    if (!new_values.contains(key)) differs(key, "taken out");
  }
  return out;
}

}  // namespace stox::service
