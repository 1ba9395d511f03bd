#include "common/service/config_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>

#include "common/base/jid.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/service/config_values.h"

namespace stox::service {
namespace {

// Which section knows a key, for one that was written into another section.
std::string section_knowing(const std::string& name) {
  Config config;
  std::string found;
  const auto look = [&](const char* section, const auto& table, const char* form) {
    for (const auto& key : table) {
      if (key.name == name && found.empty()) found = fmt::format(fmt::runtime(form), section);
    }
  };
  single_sections(config, [&](const char* section, auto& place) {
    look(section, keys<std::decay_t<decltype(place)>>(), "[{}]");
  });
  repeated_sections(config, [&](const char* section, auto& places) {
    look(section, keys<typename std::decay_t<decltype(places)>::value_type>(), "[[{}]]");
  });
  return found;
}

std::string hint(const std::string& full_name, std::string_view name, const std::vector<std::string>& known) {
  const auto& later = keys_of_later_versions();
  if (std::find(later.begin(), later.end(), full_name) != later.end()) return "it is not in this version";
  if (const auto near = nearest(name, known)) return fmt::format("did you mean {}?", *near);
  if (const std::string other = section_knowing(std::string(name)); !other.empty())
    return fmt::format("it belongs into {}", other);
  return fmt::format("known here: {}", fmt::join(known, ", "));
}

class Reader {
 public:
  Reader(Config& config, Problems& problems) : config_(config), problems_(problems) {}

  void read(const toml::table& root) {
    single_sections(config_, [&](const char* section, auto& place) { read_single(root, section, place); });
    repeated_sections(config_,
                      [&](const char* section, auto& places) { read_repeated(root, section, places); });
    for (const auto& [key, node] : root) {
      const std::string name(key.str());
      if (name == "bus") {  // a rest: with_nested_sections() took what is good
        problems_.at(node.source(), "bus must hold the section [bus.curve] and nothing else");
        continue;
      }
      const auto& known = section_names();
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      const bool section = node.is_table() || node.is_array_of_tables();
      problems_.at(key.source(), fmt::format("unknown {} {}; {}", section ? "section" : "key",
                                             one_line(name, 60), hint(name, name, known)));
    }
  }

 private:
  template <class Section>
  void read_single(const toml::table& root, const char* section, Section& place) {
    const toml::node* node = root.get(section);
    if (node == nullptr) return demand_keys(toml::table(), root.source(), section, place);
    if (node->is_table()) return read_section(*node->as_table(), section, place);
    problems_.at(node->source(), fmt::format("{} must be one section; write it as [{}]", section, section));
  }

  template <class Section>
  void read_repeated(const toml::table& root, const char* section, std::vector<Section>& places) {
    const toml::node* node = root.get(section);
    if (node == nullptr) return;
    const toml::array* list = node->as_array();
    if (list == nullptr || !list->is_homogeneous(toml::node_type::table)) {
      return problems_.at(node->source(),
                          fmt::format("{} may be there several times; write it as [[{}]]", section, section));
    }
    for (const toml::node& one : *list) {
      read_section(*one.as_table(), section, places.emplace_back());
      check_new_name(*one.as_table(), places.back().name);
    }
  }

  template <class Section>
  void read_section(const toml::table& table, const char* section, Section& place) {
    for (const auto& [key, node] : table) {
      const std::string_view name = key.str();
      const auto& known = keys<Section>();
      const auto found =
          std::find_if(known.begin(), known.end(), [&](const auto& k) { return k.name == name; });
      if (found != known.end()) {
        found->read(Value{node, section, found->name, problems_}, place);
      } else {
        problems_.at(key.source(),
                     fmt::format("unknown key {} in {}; {}", one_line(name, 60), section,
                                 hint(fmt::format("{}.{}", section, name), name, key_names<Section>())));
      }
    }
    demand_keys(table, table.source(), section, place);
  }

  template <class Section>
  void demand_keys(const toml::table& table, const toml::source_region& where, const char* section,
                   const Section&) {
    for (const auto& key : keys<Section>()) {
      if (key.required && !table.contains(key.name))
        problems_.at(where, fmt::format("{}.{} is missing; it has no default", section, key.name));
    }
  }

  void check_new_name(const toml::table& table, const std::string& name) {
    if (name.empty() || names_.insert(name).second) return;
    problems_.at(table.get("name")->source(),
                 fmt::format("name \"{}\" is taken already; each process of a site needs its own", name));
  }

  Config& config_;
  Problems& problems_;
  std::set<std::string> names_;
};

// [bus.curve] stands as one section of that name from here on.
toml::table with_nested_sections(toml::table root) {
  toml::table* bus = root["bus"].as_table();
  toml::table* curve = bus != nullptr ? (*bus)["curve"].as_table() : nullptr;
  if (curve == nullptr) return root;
  root.insert("bus.curve", std::move(*curve));
  bus->erase("curve");
  if (bus->empty()) root.erase("bus");
  return root;
}

// Each key belongs to a section, and each section has one.
void check_section_keys(const toml::table& curve, const Config& config, Problems& problems) {
  std::vector<std::string> sections;
  for (const auto& one : config.sip_fronts) sections.push_back(one.name);
  for (const auto& one : config.xmpp_workers) sections.push_back(one.name);
  const toml::table* table = curve["keys"].as_table();
  for (const auto& [name, key] : config.curve.section_keys) {
    if (std::find(sections.begin(), sections.end(), name) != sections.end()) continue;
    const auto near = nearest(name, sections);
    problems.at(table->get(name)->source(),
                fmt::format("bus.curve.keys.{} is of no [[sip_front]] or [[xmpp_worker]]; {}", name,
                            near ? "did you mean " + *near + "?" : "take it out, or add that section"));
  }
  if (!config.curve.edge_public_keys.empty()) return;
  for (const std::string& name : sections) {
    if (config.curve.section_keys.contains(name)) continue;
    problems.at(
        table != nullptr ? table->source() : curve.source(),
        fmt::format("bus.curve.keys has no key of {}; `stoxctl keys` makes it and says what to write", name));
  }
}

// What others could connect to is encrypted, and everybody there proves who he is: on loopback, too, where
// every user of the host could be a worker and be given messages. Files of sockets have owners.
void check_bus(const toml::table& root, const Config& config, Problems& problems) {
  for (std::size_t i = 0; i < config.mappers.size(); ++i) {
    const MapperConfig& mapper = config.mappers[i];
    const auto need_keys = [&](const char* key, const std::string& endpoint) {
      if (!is_tcp(endpoint) || root.contains("bus.curve")) return;
      problems.at(place_of(root, "mapper", i, key),
                  fmt::format("mapper.{} \"{}\" is TCP, so it needs the keys of [bus.curve]; "
                              "`stoxctl keys` makes them and says what to write",
                              key, endpoint));
    };
    need_keys("bind", mapper.bind);
    if (mapper.connect != mapper.bind) need_keys("connect", mapper.connect);
    if (is_any_address(mapper.connect)) {
      problems.at(
          place_of(root, "mapper", i, "connect"),
          fmt::format("mapper {} is bound to every address of its host; say in connect which one fronts "
                      "and workers use",
                      mapper.name));
    }
  }
  const toml::table* section = root["bus.curve"].as_table();
  if (section == nullptr) return;
  const auto missing = [&](const char* key) {
    problems.at(
        section->source(),
        fmt::format("bus.curve.{} is missing; `stoxctl keys` makes the keys and says what to write", key));
  };
  if (!section->contains("mapper_public_key")) missing("mapper_public_key");
  if (!section->contains("keys") && !section->contains("edge_public_keys")) return missing("keys");
  check_section_keys(*section, config, problems);
}

void complete_mappers(const toml::table& root, Config& config, Problems& problems) {
  std::set<std::string> taken;
  for (std::size_t i = 0; i < config.mappers.size(); ++i) {
    MapperConfig& mapper = config.mappers[i];
    if (mapper.name.empty()) continue;  // said already
    if (mapper.bind.empty()) mapper.bind = "ipc://" + config.runtime.directory + "/" + mapper.name + ".sock";
    if (mapper.connect.empty()) mapper.connect = mapper.bind;
    if (!taken.insert(mapper.connect).second) {
      problems.at(place_of(root, "mapper", i, "bind"),
                  fmt::format("mapper {} has the address {} of another mapper; give each its own",
                              mapper.name, mapper.connect));
    }
  }
  if (!root.contains("mapper"))
    problems.at(root.source(),
                "there is no [[mapper]]; add one with a name, fronts and workers connect to it");
}

// The longest name decides; "@INSTANCE.ctl" with a short instance comes behind it.
void check_socket_paths(const toml::table& root, Config& config, Problems& problems) {
  static constexpr std::size_t kBehindName = 8;
  std::string longest;
  repeated_sections(config, [&](const char*, const auto& sections) {
    for (const auto& one : sections) {
      if (one.name.size() > longest.size()) longest = one.name;
    }
  });
  if (config.runtime.directory.size() + 1 + longest.size() + kBehindName <= kMaxSocketPath) return;
  const auto directory = root["runtime"]["directory"];
  problems.at(directory ? directory.node()->source() : root.source(),
              fmt::format("runtime.directory makes the path {}/{}.ctl too long for a socket; shorten it",
                          config.runtime.directory, longest));
}

// What is mostly meant where TOML sees a number, a date, or no end of a text.
std::string advice(std::string_view description) {
  const auto tells = [&](std::string_view part) { return description.find(part) != std::string_view::npos; };
  if (tells("control characters")) return "; is there no quote at the end of this line?";
  for (const char* kind : {"value:", "floating-point:", "integer:", "boolean:", "date:", "time:"}) {
    if (tells("parsing ") && tells(kind)) return "; text stands in quotes";
  }
  return "";
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return error(std::strerror(errno));
  std::string out;
  std::array<char, 4096> part{};
  do {
    in.read(part.data(), part.size());
    out.append(part.data(), static_cast<std::size_t>(in.gcount()));
  } while (in);
  if (in.bad()) return error(std::strerror(errno));  // a directory, say
  return out;
}

bool all_can_read(const std::string& path) {
  struct stat info {};
  return !path.empty() && stat(path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0;
}

bool holds_secret(const Config& config) {
  return std::any_of(config.xmpp_workers.begin(), config.xmpp_workers.end(),
                     [](const XmppWorkerConfig& one) {
                       return !one.dialback_secret.empty() ||
                              (!one.xmpp_password.empty() && one.xmpp_password_file.empty());
                     }) ||
         std::any_of(config.sip_fronts.begin(), config.sip_fronts.end(), [](const SipFrontConfig& one) {
           return std::any_of(one.credentials.begin(), one.credentials.end(),
                              [](const CredentialsConfig& each) { return each.password_file.empty(); });
         });
}

Result<toml::table> parse_config_file(const std::string& file) {
  const auto text = read_file(file);
  if (!text)
    return error(fmt::format("{}: cannot read it: {}; -f names another file", file, text.error().text));
  toml::parse_result parsed = toml::parse(*text);
  if (parsed) return with_nested_sections(std::move(parsed).table());
  Problems problems(file);
  const std::string_view why = parsed.error().description();
  problems.at(parsed.error().source(), fmt::format("not TOML: {}{}", one_line(why, 200), advice(why)));
  return error(problems.lines());
}

void read_sections(const toml::table& root, Config& config, Problems& problems) {
  Reader(config, problems).read(root);
}

Result<std::vector<std::string>> edge_sections(const std::string& file) {
  const auto root = parse_config_file(file);
  if (!root) return tl::make_unexpected(root.error());
  std::vector<std::string> out;
  for (const char* role : {"sip_front", "xmpp_worker"}) {
    const toml::array* list = (*root)[role].as_array();
    for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
      if (const auto name = (*root)[role][i]["name"].value<std::string>()) out.push_back(*name);
    }
  }
  return out;
}

toml::source_region place_of(const toml::table& root, const char* section, std::size_t index,
                             const char* key) {
  const toml::table& table = *root.get(section)->as_array()->get(index)->as_table();
  const toml::node* node = table.get(key);
  return node != nullptr && node->source().begin.line != 0 ? node->source() : table.source();
}

// Both ways must be clear: whether we serve the XMPP domain tells SIP users' domains from XMPP users', and
// each way back leads to one domain.
void check_gwmap(const toml::table& root, const Config& config, Problems& problems) {
  const toml::node* table = root["gateway"]["gwmap"].node();
  if (table == nullptr || !table->is_table()) return;
  const auto bad = [&](const toml::node& node, const std::string& what) {
    Value{node, "gateway", "gwmap", problems}.bad(what);
  };
  if (table->as_table()->empty()) return bad(*table, "is empty; leave it out for the separator scheme");
  std::set<std::string> served, seen_sip, seen_xmpp;
  for (const XmppWorkerConfig& worker : config.xmpp_workers) {
    for (const std::string& domain : worker.serves) served.insert(ascii_domain(domain).value_or(domain));
  }
  std::size_t ours = 0;
  const auto& map = config.gateway.gwmap;
  for (const auto& [sip, xmpp] : map) {
    const std::string domain = ascii_domain(xmpp).value_or(xmpp);
    const toml::node& line = *table->as_table()->get(sip);
    if (!seen_sip.insert(ascii_lower(sip)).second) bad(line, fmt::format("has {} twice; keep one", sip));
    if (!seen_xmpp.insert(domain).second) {
      bad(line,
          fmt::format("leads to {} twice, so no way back is clear; give each SIP domain its own XMPP domain",
                      xmpp));
    }
    ours += served.count(domain);
  }
  if (map.size() < table->as_table()->size()) return;  // a line was wrong by itself
  if (ours == 0) {
    bad(*table,
        "has no XMPP domain that an [[xmpp_worker]] serves, so no SIP user could write; add a line that has");
  } else if (ours == map.size()) {
    bad(*table, "has only XMPP domains that workers serve, so no XMPP user could be reached; add theirs");
  }
}

// Each [[sip_front.listener]] is one of the addresses in `listen`, and is there once.
void check_listeners(const toml::table& root, std::size_t index, SipFrontConfig& front, Problems& problems) {
  std::set<std::string> seen;
  for (std::size_t i = 0; i < front.listeners.size(); ++i) {
    ListenerConfig& one = front.listeners[i];
    const auto listen = parse_listen(one.listen);
    if (!listen) continue;  // said already
    one.listen = print_listen(*listen);
    const toml::node* node = root["sip_front"][index]["listener"][i].node();
    const auto bad = [&](const std::string& what) {
      Value{*node, "sip_front", "listener", problems}.bad(what);
    };
    const auto same = [&](const ListenConfig& other) {
      return other.transport == listen->transport && other.address == listen->address &&
             other.port == listen->port;
    };
    if (std::none_of(front.listen.begin(), front.listen.end(), same)) {
      bad(fmt::format("is for {}, at which sip_front {} does not listen; add that to listen, or correct it",
                      one.listen, front.name));
    } else if (!seen.insert(one.listen).second) {
      bad(fmt::format("is there twice for {}; keep one", one.listen));
    } else if (one.trusted_certificates && listen->transport != ListenConfig::Transport::kTls) {
      bad(fmt::format("has trusted_certificates for {}, which sees none; only tls: does", one.listen));
    }
  }
}

// A front would send to itself what it should send on.
void check_proxy_is_another(const toml::table& root, const Config& config, Problems& problems) {
  const toml::node* const node = root["gateway"]["outbound_proxy"].node();
  const auto proxy = parse_sip_uri(config.gateway.outbound_proxy);
  if (node == nullptr || !proxy) return;  // none, or said already
  const std::string transport = ascii_lower(proxy->param("transport").value_or(""));
  const uint16_t port = proxy->port != 0 ? proxy->port : transport == "tls" ? 5061 : 5060;
  for (std::size_t i = 0; i < config.sip_fronts.size(); ++i) {
    const SipFrontConfig& front = config.sip_fronts[i];
    // A misspelt `listen` is a problem already: the default, which stands in for it, is nobody's wish.
    if (problems.any() && !root["sip_front"][i]["listen"]) continue;
    for (const ListenConfig& one : front.listen) {
      if (!transport.empty() && !print_listen(one).starts_with(transport + ":")) continue;
      const bool bound = proxy->host == one.address && port == one.port;
      const uint16_t advertised_port = one.advertised_port != 0 ? one.advertised_port : one.port;
      if (!bound && (proxy->host != one.advertised_address || port != advertised_port)) continue;
      return problems.at(node->source(),
                         fmt::format("gateway.outbound_proxy is where sip_front {} itself listens; write the "
                                     "address of the proxy, or leave it out",
                                     front.name));
    }
  }
}

// Rooms are elsewhere: what the gateway itself is on XMPP and SIP has users only.
void check_room_domains(const toml::table& root, const Config& config, Problems& problems) {
  const GatewayConfig& gateway = config.gateway;
  std::set<std::string> ours;
  const auto add = [&](const std::string& domain) { ours.insert(ascii_domain(domain).value_or(domain)); };
  add(gateway.gateway_domain);
  add(gateway.xmpp_domain);
  for (const XmppWorkerConfig& worker : config.xmpp_workers)
    std::for_each(worker.serves.begin(), worker.serves.end(), add);
  const auto list = root["gateway"]["room_domains"];
  if (gateway.rooms != "listed" || !list.is_array()) return;
  for (const toml::node& node : *list.as_array()) {
    const std::string domain = node.value_or(std::string());
    if (!ours.contains(ascii_domain(domain).value_or(domain))) continue;
    Value{node, "gateway", "room_domains", problems}.bad(
        fmt::format("\"{}\" is the gateway itself; name the domain of an XMPP server's rooms, like "
                    "\"conference.example.org\"",
                    domain));
  }
}

void complete(const toml::table& root, Config& config, Problems& problems) {
  complete_mappers(root, config, problems);
  check_bus(root, config, problems);
  for (std::size_t i = 0; i < config.sip_fronts.size(); ++i) {
    SipFrontConfig& front = config.sip_fronts[i];
    if (front.listen.empty())
      front.listen = {*parse_listen("udp:127.0.0.1:5060"), *parse_listen("tcp:127.0.0.1:5060")};
    const bool tls = std::any_of(front.listen.begin(), front.listen.end(), [](const ListenConfig& one) {
      return one.transport == ListenConfig::Transport::kTls;
    });
    if (tls && front.tls.certificate.empty()) {
      problems.at(place_of(root, "sip_front", i, "listen"),
                  fmt::format("sip_front {} listens on tls: without a certificate; add [sip_front.tls] with "
                              "certificate and key",
                              front.name));
    }
    check_listeners(root, i, front, problems);
  }
  check_proxy_is_another(root, config, problems);
  for (std::size_t i = 0; i < config.xmpp_workers.size(); ++i) {
    XmppWorkerConfig& worker = config.xmpp_workers[i];
    if (worker.serves.empty()) worker.serves = {config.gateway.xmpp_domain};
    const bool is_server = worker.backend == "server";
    if (worker.xmpp_port == 0) worker.xmpp_port = is_server ? 5269 : 5347;
    if (!is_server && worker.serves.size() != 1) {
      problems.at(
          place_of(root, "xmpp_worker", i, "serves"),
          fmt::format("xmpp_worker {} is a component, which is one domain, so serves must hold one; add "
                      "another [[xmpp_worker]] for each other domain",
                      worker.name));
    }
    if (is_server && worker.tls.certificate.empty() && worker.tls_require &&
        worker.insecure_domains.empty()) {
      problems.at(place_of(root, "xmpp_worker", i, "backend"),
                  fmt::format("xmpp_worker {} is a server without a certificate; add [xmpp_worker.tls] with "
                              "certificate and key, or, for a lab, require = false",
                              worker.name));
    }
    if (!worker.xmpp_password.empty() && !worker.xmpp_password_file.empty()) {
      problems.at(place_of(root, "xmpp_worker", i, "xmpp_password_file"),
                  fmt::format("xmpp_worker {} has xmpp_password and xmpp_password_file; keep one of them",
                              worker.name));
    }
  }
  if (!config.xmpp_workers.empty()) check_gwmap(root, config, problems);
  check_room_domains(root, config, problems);
  check_socket_paths(root, config, problems);
}

}  // namespace stox::service
