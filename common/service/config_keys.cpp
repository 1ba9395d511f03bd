#include "common/service/config_keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/jid.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/service/config_values.h"

namespace stox::service {
namespace {

using Check = Complaint (*)(std::string_view);

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string in_quotes(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& one : list) out += (out.empty() ? "" : ", ") + in_quotes(one);
  return "[" + out + "]";
}

// For a message: short, on one line, and never with a URI's password.
std::string shown(std::string_view text) { return "\"" + one_line(mask_passwords(text), 60) + "\""; }

void complain(const Value& value, std::string_view text, const std::string& complaint) {
  value.bad(fmt::format("{} {}", shown(text), complaint));
}

std::optional<std::string> text_of(const Value& value, const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  value.bad("must be text; write it in quotes");
  return std::nullopt;
}

// The strings of a list, each passed to `each`.
void read_list(const Value& value, const std::function<void(const Value&, const std::string&)>& each) {
  const auto* list = value.node.as_array();
  if (list == nullptr) return value.bad("must be a list; write it in [ ], its values in quotes");
  for (const toml::node& node : *list) {
    const Value one{node, value.section, value.key, value.problems};
    if (const auto text = text_of(one, node)) each(one, *text);
  }
}

template <class S>
Key<S> text(const char* name, std::string S::*member, Check check) {
  return {name, Key<S>::Kind::kText,
          [=](const Value& value, S& section) {
            const auto text = text_of(value, value.node);
            if (!text) return;
            if (const auto complaint = check(*text)) return complain(value, *text, *complaint);
            section.*member = *text;
          },
          [=](const S& section) {
            return (section.*member).empty() ? "" : in_quotes(mask_passwords(section.*member));
          }};
}

template <class S>
Key<S> required(Key<S> key) {
  key.required = true;
  return key;
}

template <class S>
Key<S> secret(const char* name, std::string S::*member) {
  return {name, Key<S>::Kind::kText,
          [=](const Value& value, S& section) {
            const auto text = text_of(value, value.node);
            if (text && text->empty()) return value.bad("is empty");
            if (text) section.*member = *text;
          },
          [=](const S& section) { return (section.*member).empty() ? "" : "\"***\""; }};
}

template <class S, class Number>
Key<S> number(const char* name, Number S::*member, int64_t low, int64_t high) {
  return {name, Key<S>::Kind::kNumber,
          [=](const Value& value, S& section) {
            const auto* found = value.node.as_integer();
            if (found == nullptr) return value.bad("must be a whole number, without quotes");
            if (found->get() < low || found->get() > high)
              return value.bad(fmt::format("is {}; it must be from {} to {}", found->get(), low, high));
            section.*member = static_cast<Number>(found->get());
          },
          [=](const S& section) { return std::to_string(section.*member); }};
}

template <class S>
Key<S> one_of(const char* name, int S::*member, std::vector<int> known) {
  return {name, Key<S>::Kind::kNumber,
          [=](const Value& value, S& section) {
            const auto* found = value.node.as_integer();
            if (found == nullptr) return value.bad("must be a whole number, without quotes");
            if (std::find(known.begin(), known.end(), found->get()) == known.end()) {
              return value.bad(fmt::format("is {}; it must be {}", found->get(), fmt::join(known, " or ")));
            }
            section.*member = static_cast<int>(found->get());
          },
          [=](const S& section) { return std::to_string(section.*member); }};
}

template <class S>
Key<S> one_of(const char* name, std::string S::*member, std::vector<std::string> known) {
  return {name, Key<S>::Kind::kText,
          [=](const Value& value, S& section) {
            const auto text = text_of(value, value.node);
            if (!text) return;
            if (std::find(known.begin(), known.end(), *text) == known.end())
              return complain(value, *text, none_of(*text, known));
            section.*member = *text;
          },
          [=](const S& section) { return in_quotes(section.*member); }};
}

template <class S>
Key<S> flag(const char* name, bool S::*member) {
  return {name, Key<S>::Kind::kFlag,
          [=](const Value& value, S& section) {
            const auto* found = value.node.as_boolean();
            if (found == nullptr) return value.bad("must be true or false, without quotes");
            section.*member = found->get();
          },
          [=](const S& section) { return section.*member ? "true" : "false"; }};
}

// A choice of two words kept as a bool.
template <class S>
Key<S> either(const char* name, bool S::*member, std::string if_false, std::string if_true) {
  return {name, Key<S>::Kind::kText,
          [=](const Value& value, S& section) {
            const auto text = text_of(value, value.node);
            if (!text) return;
            if (*text != if_false && *text != if_true)
              return complain(value, *text, none_of(*text, {if_false, if_true}));
            section.*member = *text == if_true;
          },
          [=](const S& section) { return in_quotes(section.*member ? if_true : if_false); }};
}

// List: a vector of texts, or an optional one that knows an empty list from none.
template <class S, class List>
Key<S> list(const char* name, List S::*member, Check check) {
  return {name, Key<S>::Kind::kList,
          [=](const Value& value, S& section) {
            std::vector<std::string> found;
            read_list(value, [&](const Value& one, const std::string& text) {
              if (const auto complaint = check(text)) return complain(one, text, *complaint);
              found.push_back(text);
            });
            section.*member = found;
          },
          [=](const S& section) -> std::string {
            if constexpr (std::is_same_v<List, std::optional<std::vector<std::string>>>)
              return section.*member ? in_quotes(*(section.*member)) : "";
            else
              return in_quotes(section.*member);
          }};
}

// An empty list is as good as none.
template <class S>
Key<S> only_if_set(Key<S> key) {
  key.print = [print = key.print](const S& section) {
    const std::string printed = print(section);
    return printed == "[]" ? "" : printed;
  };
  return key;
}

Key<SipFrontConfig> listen() {
  return {"listen", Key<SipFrontConfig>::Kind::kList,
          [](const Value& value, SipFrontConfig& section) {
            section.listen.clear();
            std::vector<std::string> seen;
            read_list(value, [&](const Value& one, const std::string& text) {
              const auto listen = parse_listen(text);
              if (!listen) return complain(one, text, listen.error().text);
              const std::string bound = text.substr(0, text.find('/'));
              if (std::find(seen.begin(), seen.end(), bound) != seen.end())
                return complain(one, text, "is listed twice");
              seen.push_back(bound);
              section.listen.push_back(*listen);
            });
            if (const auto* found = value.node.as_array(); found != nullptr && found->empty())
              value.bad("is empty; leave it out for the default");
          },
          [](const SipFrontConfig& section) {
            std::vector<std::string> out;
            for (const ListenConfig& one : section.listen) out.push_back(print_listen(one));
            return in_quotes(out);
          }};
}

// What a.b.c = "x" has become in TOML, for which "a.b.c" = "x" was meant.
std::string dotted(std::string_view key, const toml::node& node) {
  const auto* within = node.as_table();
  if (within == nullptr || within->empty()) return std::string(key);
  return fmt::format("{}.{}", key, dotted(within->begin()->first.str(), within->begin()->second));
}

// A table of texts, whose own keys are checked, too.
template <class S>
Key<S> table(const char* name, std::map<std::string, std::string> S::*member, Check check_key,
             Check check_value) {
  return {name, Key<S>::Kind::kTable,
          [=](const Value& value, S& section) {
            const auto* found = value.node.as_table();
            if (found == nullptr)
              return value.bad(fmt::format("must be a table; write it as [{}.{}]", value.section, value.key));
            for (const auto& [key, node] : *found) {
              const Value one{node, value.section, value.key, value.problems};
              if (node.is_table()) {
                one.bad(fmt::format("has a name with dots and without quotes; write it as {} = \"...\"",
                                    shown(dotted(key.str(), node))));
                continue;
              }
              const auto text = text_of(one, node);
              const auto wrong_key = check_key(key.str());
              const auto wrong_value = text ? check_value(*text) : std::nullopt;
              if (wrong_key) complain(one, key.str(), *wrong_key);
              if (wrong_value) complain(one, *text, *wrong_value);
              if (!text || wrong_key || wrong_value) continue;
              (section.*member)[std::string(key.str())] = *text;
            }
          },
          [=](const S& section) {
            std::string out;
            for (const auto& [key, text] : section.*member)
              out += (out.empty() ? "" : ", ") + in_quotes(key) + " = " + in_quotes(text);
            return out.empty() ? "" : "{ " + out + " }";
          }};
}

// The keys of a table within a section.
template <class Part>
struct Field {
  const char* name;
  std::string Part::*member;
  Check check;  // null: a secret, which is never shown
};

template <class Part>
void read_fields(const Value& value, const toml::table& table, const std::vector<Field<Part>>& fields,
                 Part& part, std::string_view other = {}) {
  for (const auto& [key, node] : table) {
    if (!other.empty() && key == other) continue;
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [wanted = key.str()](const auto& one) { return one.name == wanted; });
    const std::string name = fmt::format("{}.{}", value.key, key.str());
    const Value one{node, value.section, name, value.problems};
    if (field == fields.end()) {
      std::vector<std::string> known;
      for (const auto& each : fields) known.push_back(each.name);
      if (!other.empty()) known.emplace_back(other);
      one.bad(fmt::format("is unknown; known here: {}; keys of [[{}]] itself stand above this table",
                          fmt::join(known, ", "), value.section));
      continue;
    }
    const auto text = text_of(one, node);
    if (!text) continue;
    if (text->empty()) {
      one.bad("is empty");
    } else if (const auto complaint = field->check ? field->check(*text) : std::nullopt) {
      complain(one, *text, *complaint);
    } else {
      part.*field->member = *text;
    }
  }
}

template <class Part>
std::string print_fields(const std::vector<Field<Part>>& fields, const Part& part) {
  std::string out;
  for (const auto& field : fields) {
    const std::string& text = part.*field.member;
    if (text.empty()) continue;
    out += fmt::format("{}{} = {}", out.empty() ? "" : ", ", field.name,
                       field.check ? in_quotes(text) : "\"***\"");
  }
  return out.empty() ? "" : "{ " + out + " }";
}

const std::vector<Field<TlsConfig>> kTlsFields = {{"certificate", &TlsConfig::certificate, check_path},
                                                  {"key", &TlsConfig::key, check_path},
                                                  {"ca", &TlsConfig::ca, check_path}};

Key<SipFrontConfig> tls() {
  return {"tls", Key<SipFrontConfig>::Kind::kTable,
          [](const Value& value, SipFrontConfig& section) {
            const auto* table = value.node.as_table();
            if (table == nullptr) return value.bad("must be a table; write it as [sip_front.tls]");
            read_fields(value, *table, kTlsFields, section.tls);
            if (table->contains("certificate") != table->contains("key"))
              value.bad("has only one of certificate and key; give both, or neither");
          },
          [](const SipFrontConfig& section) { return print_fields(kTlsFields, section.tls); }};
}

// With `require`, which is no file.
Key<XmppWorkerConfig> worker_tls() {
  static constexpr std::string_view kRequire = "require";
  return {"tls", Key<XmppWorkerConfig>::Kind::kTable,
          [](const Value& value, XmppWorkerConfig& section) {
            const auto* table = value.node.as_table();
            if (table == nullptr) return value.bad("must be a table; write it as [xmpp_worker.tls]");
            read_fields(value, *table, kTlsFields, section.tls, kRequire);
            if (table->contains("certificate") != table->contains("key"))
              value.bad("has only one of certificate and key; give both, or neither");
            const toml::node* require = table->get(kRequire);
            if (require == nullptr) return;
            const auto text = require->value<std::string>();  // as the environment has it
            const auto flag = text ? std::optional<bool>(*text == "true") : require->value_exact<bool>();
            if (!flag || (text && *text != "true" && *text != "false"))
              return Value{*require, value.section, "tls.require", value.problems}.bad(
                  "must be true or false, without quotes");
            section.tls_require = *flag;
          },
          [](const XmppWorkerConfig& section) {
            std::string files = print_fields(kTlsFields, section.tls);
            if (files.empty() && section.tls_require) return files;
            if (files.empty()) return fmt::format("{{ require = {} }}", section.tls_require);
            files.erase(files.size() - 2);
            return fmt::format("{}, require = {} }}", files, section.tls_require);
          }};
}

Complaint check_quotable(std::string_view text) {
  if (one_line(text, text.size()) == text) return std::nullopt;
  return "holds control characters";
}

// The tables of a key that may be there several times.
void read_tables(const Value& value, const std::function<void(const Value&, const toml::table&)>& each) {
  const auto* list = value.node.as_array();
  if (list == nullptr || !list->is_homogeneous(toml::node_type::table))
    return value.bad(
        fmt::format("may be there several times; write it as [[{}.{}]]", value.section, value.key));
  for (const toml::node& node : *list)
    each(Value{node, value.section, value.key, value.problems}, *node.as_table());
}

Key<SipFrontConfig> credentials() {
  static const std::vector<Field<CredentialsConfig>> kFields = {
      {"realm", &CredentialsConfig::realm, check_quotable},
      {"username", &CredentialsConfig::username, check_quotable},
      {"password", &CredentialsConfig::password, nullptr},
      {"password_file", &CredentialsConfig::password_file, check_path}};
  return {"credentials", Key<SipFrontConfig>::Kind::kTables,
          [](const Value& value, SipFrontConfig& section) {
            read_tables(value, [&](const Value& one, const toml::table& table) {
              CredentialsConfig read;
              read_fields(one, table, kFields, read);
              const bool has_file = table.contains("password_file");
              for (const auto& field : kFields) {
                if (field.member == &CredentialsConfig::password_file || table.contains(field.name)) continue;
                if (field.member == &CredentialsConfig::password && has_file) continue;
                one.bad(fmt::format("has no {}; it needs realm, username and password", field.name));
              }
              if (has_file && table.contains("password"))
                one.bad("has password and password_file; keep one of them");
              const auto same = [&](const auto& other) { return other.realm == read.realm; };
              if (std::any_of(section.credentials.begin(), section.credentials.end(), same))
                one.bad(fmt::format("has the realm {} twice; keep one", shown(read.realm)));
              section.credentials.push_back(std::move(read));
            });
          },
          [](const SipFrontConfig& section) {
            std::string out;
            for (const auto& one : section.credentials)
              out += (out.empty() ? "" : ", ") + print_fields(kFields, one);
            return out.empty() ? "" : "[" + out + "]";
          }};
}

Complaint check_listen(std::string_view text) {
  if (const auto listen = parse_listen(text); !listen) return listen.error().text;
  if (text.find('/') != std::string_view::npos) return "has an advertised address; leave it out here";
  return std::nullopt;
}

// Each at one of the addresses in `listen`, which complete() checks.
Key<SipFrontConfig> listener() {
  using L = ListenerConfig;
  static const std::vector<Key<L>> kListenerKeys = {
      text("listen", &L::listen, check_listen), list("trusted", &L::trusted, check_network),
      list("trusted_certificates", &L::trusted_certificates, check_sip_domain)};
  return {"listener", Key<SipFrontConfig>::Kind::kTables,
          [](const Value& value, SipFrontConfig& section) {
            read_tables(value, [&](const Value& one, const toml::table& table) {
              L read;
              for (const auto& [name, node] : table) {
                const std::string full = fmt::format("{}.{}", one.key, name.str());
                const Value part{node, one.section, full, one.problems};
                const auto key =
                    std::find_if(kListenerKeys.begin(), kListenerKeys.end(),
                                 [own = name.str()](const auto& each) { return each.name == own; });
                if (key == kListenerKeys.end())
                  part.bad(
                      "is unknown; known here: listen, trusted, trusted_certificates; keys of [[sip_front]] "
                      "itself stand above this table");
                else
                  key->read(part, read);
              }
              if (!table.contains("listen"))
                one.bad("has no listen; give it one of the addresses in sip_front.listen");
              section.listeners.push_back(std::move(read));
            });
          },
          [](const SipFrontConfig& section) {
            std::string out;
            for (const L& one : section.listeners) {
              std::string fields;
              for (const auto& key : kListenerKeys) {
                const std::string printed = key.print(one);
                if (!printed.empty()) fields += (fields.empty() ? "" : ", ") + key.name + " = " + printed;
              }
              out += (out.empty() ? "{ " : ", { ") + fields + " }";
            }
            return out.empty() ? "" : "[" + out + "]";
          }};
}

Complaint check_format(std::string_view text) {
  if (text == "cpim" || text == "iscomposing" || text == "rcs-ft-http") return std::nullopt;
  return none_of(text, {"cpim", "iscomposing", "rcs-ft-http"});
}

// In front of a text, on its line.
Complaint check_prefix(std::string_view text) {
  if (text.size() > 20 || one_line(text, text.size()) != text || !is_utf8(text))
    return "must be one line of at most 20 bytes";
  return std::nullopt;
}

Key<GatewayConfig> correction_prefix() {
  using S = GatewayConfig;
  Key<S> key = text("correction_prefix", &S::correction_prefix, check_prefix);
  key.print = [](const S& section) { return in_quotes(section.correction_prefix); };  // empty, too
  return key;
}

// A name as the user of a SIP address, or @DOMAIN.
Complaint check_alias(std::string_view text) {
  if (text.starts_with("@")) return check_sip_host(text.substr(1));
  if (!fold_localpart(text, true)) return "is not a name or number that an address may hold";
  return std::nullopt;
}

Complaint check_xmpp_user(std::string_view text) {
  const auto jid = Jid::parse(text);
  if (!jid)
    return fmt::format("is not an XMPP address ({}); write it like \"juliet@xmpp.example.org\"",
                       describe(jid.error()));
  if (jid->local().empty() || !jid->resource().empty())
    return "must be the address of a user, like \"juliet@xmpp.example.org\"";
  return std::nullopt;
}

Complaint check_backend(std::string_view text) {
  if (text == "component" || text == "server") return std::nullopt;
  return none_of(text, {"component", "server"});
}

Complaint check_restart_command(std::string_view text) {
  bool names_one = false;
  for (std::size_t at = text.find('{'); at != std::string_view::npos; at = text.find('{', at + 1)) {
    const std::string_view place = text.substr(at, text.find('}', at) + 1 - at);
    const bool is_word =
        place.size() > 2 && place.back() == '}' &&
        std::all_of(place.begin() + 1, place.end() - 1, [](char c) { return c >= 'a' && c <= 'z'; });
    const bool is_ours = is_word && (at == 0 || text[at - 1] != '$');  // other braces are the shell's
    if (place == "{name}" || place == "{section}" || place == "{program}") {
      names_one = true;
    } else if (is_ours && place != "{instance}") {
      return fmt::format(
          "has {}, which stands for nothing; there are {{name}}, {{section}}, {{instance}} and "
          "{{program}}",
          place);
    }
  }
  if (names_one) return std::nullopt;
  return "names no process; write {name} or {program} into it, as in \"supervisorctl restart {name}\"";
}

}  // namespace

template <>
const std::vector<Key<GatewayConfig>>& keys() {
  using S = GatewayConfig;
  static const std::vector<Key<S>> kKeys = {
      required(text("gateway_domain", &S::gateway_domain, check_sip_domain)),
      required(text("xmpp_domain", &S::xmpp_domain, check_xmpp_domain)),
      text("domain_separator", &S::domain_separator, check_separator),
      text("outbound_proxy", &S::outbound_proxy, check_proxy),
      one_of("accept_status", &S::accept_status, {200, 202}),
      one_of("unavailable_status", &S::unavailable_status, {403, 404, 480}),
      flag("global_failures", &S::global_failures),
      one_of("unhandled_method_status", &S::unhandled_method_status, {405, 503}),
      one_of("message_type", &S::message_type, {"chat", "normal"}),
      flag("receipt_on_200", &S::receipt_on_200),
      one_of("long_messages", &S::long_messages, {"stream", "split", "reject"}),
      either("sender_resource", &S::resource_in_from, "never", "gr"),
      flag("thread_as_call_id", &S::thread_as_call_id),
      correction_prefix(),
      flag("quote_reactions", &S::quote_reactions),
      list("unknown_peers_take", &S::unknown_peers_take, check_format),
      either("on_doubt", &S::resend_on_doubt, "fail", "resend"),
      list("xmpp_domains", &S::xmpp_domains, check_domain_pattern),
      list("sip_domains", &S::sip_domains, check_sip_place),
      text("tel_domain", &S::tel_domain, check_sip_domain),
      table("gwmap", &S::gwmap, check_sip_host, check_xmpp_domain),
      either("gwmap_default", &S::passes_unmapped, "refuse", "pass"),
      table("aliases", &S::aliases, check_alias, check_xmpp_user),
      text("aliases_file", &S::aliases_file, check_path),
      one_of("display_names", &S::display_names, {"nick", "vcard", "off"}),
      one_of("presence_unsupported", &S::presence_unsupported, {"grant", "online", "strict"}),
  };
  return kKeys;
}

template <>
const std::vector<Key<RuntimeConfig>>& keys() {
  using S = RuntimeConfig;
  static const std::vector<Key<S>> kKeys = {
      text("directory", &S::directory, check_path),
      text("state_directory", &S::state_directory, check_path),
      number("drain_seconds", &S::drain_seconds, 0, 3600),
      text("restart_command", &S::restart_command, check_restart_command),
  };
  return kKeys;
}

template <>
const std::vector<Key<LogConfig>>& keys() {
  using S = LogConfig;
  static const std::vector<Key<S>> kKeys = {
      text("level", &S::level, check_level),
      one_of("format", &S::format, {"text", "json"}),
  };
  return kKeys;
}

template <>
const std::vector<Key<DnsConfig>>& keys() {
  static const std::vector<Key<DnsConfig>> kKeys = {
      list("servers", &DnsConfig::servers, check_dns_server),
      table("static", &DnsConfig::static_servers, check_xmpp_domain, check_xmpp_server),
  };
  return kKeys;
}

template <>
const std::vector<Key<CurveConfig>>& keys() {
  using S = CurveConfig;
  static const std::vector<Key<S>> kKeys = {
      text("mapper_public_key", &S::mapper_public_key, check_curve_key),
      only_if_set(list("edge_public_keys", &S::edge_public_keys, check_curve_key)),
      text("mapper_key_file", &S::mapper_key_file, check_path),
      text("edge_key_file", &S::edge_key_file, check_path),
      table("keys", &S::section_keys, check_name, check_curve_key),
  };
  return kKeys;
}

template <>
const std::vector<Key<MapperConfig>>& keys() {
  using S = MapperConfig;
  static const std::vector<Key<S>> kKeys = {
      required(text("name", &S::name, check_name)),
      text("bind", &S::bind, check_bind),
      text("connect", &S::connect, check_connect),
      text("metrics", &S::metrics, check_address_port),
  };
  return kKeys;
}

template <>
const std::vector<Key<SipFrontConfig>>& keys() {
  using S = SipFrontConfig;
  static const std::vector<Key<S>> kKeys = {
      required(text("name", &S::name, check_name)),
      listen(),
      list("trusted", &S::trusted, check_network),
      list("trusted_certificates", &S::trusted_certificates, check_sip_domain),
      list("from_domains", &S::from_domains, check_sip_domain),
      list("asserted_identity_from", &S::asserted_identity_from, check_network),
      list("allow_wildcard", &S::allow_wildcard, check_sip_name_pattern),
      number("max_datagram_bytes", &S::max_datagram_bytes, 256, 65535),
      // A charset of one byte a letter may double it, and the bus takes frames of 16 MB.
      number("max_message_bytes", &S::max_message_bytes, 256, 4'194'304),
      number("max_in_flight", &S::max_in_flight, 1, 1'000'000),
      number("max_rate_per_source", &S::max_rate_per_source, 0, 1'000'000),
      number("max_rate_per_from_domain", &S::max_rate_per_from_domain, 0, 1'000'000),
      number("max_connections", &S::max_connections, 1, 1'000'000),
      number("max_connections_per_source", &S::max_connections_per_source, 1, 1'000'000),
      number("keepalive_seconds", &S::keepalive_seconds, 0, 3600),
      number("pace_ms", &S::pace_ms, 0, 1000),
      listener(),
      tls(),
      credentials(),
      text("metrics", &S::metrics, check_address_port),
  };
  return kKeys;
}

template <>
const std::vector<Key<XmppWorkerConfig>>& keys() {
  using S = XmppWorkerConfig;
  static const std::vector<Key<S>> kKeys = {
      required(text("name", &S::name, check_name)),
      text("backend", &S::backend, check_backend),
      text("xmpp_host", &S::xmpp_host, check_host),
      number("xmpp_port", &S::xmpp_port, 1, 65535),
      secret("xmpp_password", &S::xmpp_password),
      text("xmpp_password_file", &S::xmpp_password_file, check_path),
      list("serves", &S::serves, check_xmpp_domain),
      list("domains", &S::domains, check_xmpp_domain),
      flag("journal", &S::journal),
      either("journal_sync", &S::journal_sync_full, "normal", "full"),
      number("max_in_flight", &S::max_in_flight, 1, 1'000'000),
      number("pace_ms", &S::pace_ms, 0, 1000),
      worker_tls(),
      list("insecure_domains", &S::insecure_domains, check_xmpp_domain),
      secret("dialback_secret", &S::dialback_secret),
      text("metrics", &S::metrics, check_address_port),
  };
  return kKeys;
}

const std::vector<std::string>& keys_of_later_versions() {
  static const std::vector<std::string> kLater = {
      "dns.trust_anchor_file",
  };
  return kLater;
}

const std::vector<std::string>& section_names() {
  static const std::vector<std::string> kSections = {"gateway",   "runtime", "log",       "dns",
                                                     "bus.curve", "mapper",  "sip_front", "xmpp_worker"};
  return kSections;
}

void Problems::at(const toml::source_region& where, const std::string& text) {
  found_.push_back({where.begin.line, where.begin.column,
                    fmt::format("{}:{}:{}: {}", file_, where.begin.line, where.begin.column, text)});
}

std::string Problems::lines() const {
  std::vector<Problem> sorted = found_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  std::string out;
  for (const Problem& one : sorted) out += (out.empty() ? "" : "\n") + one.text;
  return out;
}

void Value::bad(const std::string& what) const {
  const toml::source_region& where = node.source();
  if (where.begin.line == 0) {  // not parsed: put in from the environment
    problems.general(fmt::format("environment: {} {}", variable_name(section, key), what));
  } else {
    problems.at(where, fmt::format("{}.{} {}", section, key, what));
  }
}

std::string variable_name(std::string_view section, std::string_view key) {
  std::string out = fmt::format("STOX_{}_{}", section, key);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return c == '.' ? '_' : static_cast<char>(std::toupper(c)); });
  return out;
}

}  // namespace stox::service
