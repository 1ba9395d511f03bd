#include "common/service/config_key_kinds.h"

#include <cctype>

#include "common/base/jid.h"
#include "common/base/sip_uri.h"

namespace stox::service {

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

std::string shown(std::string_view text) { return "\"" + one_line(mask_passwords(text), 60) + "\""; }

void complain(const Value& value, std::string_view text, const std::string& complaint) {
  value.bad(fmt::format("{} {}", shown(text), complaint));
}

std::optional<std::string> text_of(const Value& value, const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  value.bad("must be text; write it in quotes");
  return std::nullopt;
}

void read_list(const Value& value, const std::function<void(const Value&, const std::string&)>& each) {
  const auto* list = value.node.as_array();
  if (list == nullptr) return value.bad("must be a list; write it in [ ], its values in quotes");
  for (const toml::node& node : *list) {
    const Value one{node, value.section, value.key, value.problems};
    if (const auto text = text_of(one, node)) each(one, *text);
  }
}

std::string dotted(std::string_view key, const toml::node& node) {
  const auto* within = node.as_table();
  if (within == nullptr || within->empty()) return std::string(key);
  return fmt::format("{}.{}", key, dotted(within->begin()->first.str(), within->begin()->second));
}

namespace {

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

Complaint check_listen(std::string_view text) {
  if (const auto listen = parse_listen(text); !listen) return listen.error().text;
  if (text.find('/') != std::string_view::npos) return "has an advertised address; leave it out here";
  return std::nullopt;
}

// In front of a text, on its line.
Complaint check_prefix(std::string_view text) {
  if (text.size() > 20 || one_line(text, text.size()) != text || !is_utf8(text))
    return "must be one line of at most 20 bytes";
  return std::nullopt;
}

}  // namespace

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

}  // namespace stox::service
