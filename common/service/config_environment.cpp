#include "common/service/config_environment.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "common/base/text.h"

namespace stox::service {
namespace {

// Puts the environment's overrides into the table as if they stood in the file.
class Overrides {
 public:
  Overrides(const Environment& environment, Problems& problems)
      : environment_(environment), problems_(problems) {}

  template <class Section>
  void apply(const char* section, toml::table& table) {
    for (const Key<Section>& key : keys<Section>()) {
      const auto found = environment_.find(variable_name(section, key.name));
      if (key.name == "name" || found == environment_.end() || found->second.empty()) continue;
      if (!is_utf8(found->second)) {
        problems_.general(fmt::format("environment: {} is not UTF-8", found->first));
        continue;
      }
      put(table, key, found->second);
    }
  }

  // Variables that begin like an override of this section and miss a key by a letter or two. Others are let
  // be: Kubernetes puts STOX_MAPPER_PORT and the like into the environment of a pod.
  template <class Section>
  void warn_of_near_misses(const char* section, std::vector<std::string>* warnings) const {
    const std::string prefix = variable_name(section, "");
    for (const auto& [variable, value] : environment_) {
      if (!variable.starts_with(prefix)) continue;
      std::vector<std::string> known = key_names<Section>();
      const std::string rest = ascii_lower(variable.substr(prefix.size()));
      const auto near = nearest(rest, known);
      if (near && *near != rest) {
        warnings->push_back(fmt::format("environment: {} overrides nothing; did you mean {}?", variable,
                                        variable_name(section, *near)));
      }
    }
  }

 private:
  template <class Section>
  void put(toml::table& table, const Key<Section>& key, const std::string& text) {
    using Kind = typename Key<Section>::Kind;
    if (key.name == "xmpp_password") table.erase("xmpp_password_file");  // the secret comes from one place
    if (key.name == "xmpp_password_file") table.erase("xmpp_password");
    if (key.kind == Kind::kTables) {
      return problems_.general(
          fmt::format("environment: {} cannot be given here; write it into the file", key.name));
    }
    const auto number = parse_number(text, 0, INT64_MAX);
    if (key.kind == Kind::kFlag && (text == "true" || text == "false")) {
      table.insert_or_assign(key.name, text == "true");
    } else if (key.kind == Kind::kNumber && number) {
      table.insert_or_assign(key.name, static_cast<int64_t>(*number));
    } else if (key.kind == Kind::kList) {
      toml::array list;
      std::istringstream in(text);
      for (std::string one; std::getline(in, one, ',');) list.push_back(std::string(trim(one)));
      table.insert_or_assign(key.name, std::move(list));
    } else if (key.kind == Kind::kTable) {
      toml::table entries;
      std::istringstream in(text);
      for (std::string one; std::getline(in, one, ',');) {
        const std::size_t equals = std::min(one.find('='), one.size());
        const std::string value = equals == one.size() ? "" : one.substr(equals + 1);
        entries.insert_or_assign(std::string(trim(one.substr(0, equals))), std::string(trim(value)));
      }
      table.insert_or_assign(key.name, std::move(entries));
    } else {
      table.insert_or_assign(key.name, text);
    }
  }

  const Environment& environment_;
  Problems& problems_;
};

// The table of the process's own [[section]], to be overridden. Null if its name is wrong (said already).
toml::table* own_table(toml::table& root, const Identity& identity) {
  toml::array* list = root[role_name(identity.role)].as_array();
  if (list == nullptr) return nullptr;
  for (toml::node& one : *list) {
    toml::table* table = one.as_table();
    if (table != nullptr && (*table)["name"].value_or(std::string()) == identity.section) return table;
  }
  return nullptr;
}

}  // namespace

Environment read_environment() {
  Environment out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (text.starts_with("STOX_") && equals != std::string_view::npos)
      out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

void override_by_environment(toml::table& root, const Identity* own, const Environment& environment,
                             Problems& problems, std::vector<std::string>* warnings) {
  Overrides overrides(environment, problems);
  Config shape;
  single_sections(shape, [&](const char* section, auto& place) {
    using Section = std::decay_t<decltype(place)>;
    overrides.warn_of_near_misses<Section>(section, warnings);
    toml::table added;
    toml::table* table = root[section].as_table();
    overrides.apply<Section>(section, table != nullptr ? *table : added);
    if (!added.empty()) root.insert(section, std::move(added));
  });
  repeated_sections(shape, [&](const char* section, auto& places) {
    using Section = typename std::decay_t<decltype(places)>::value_type;
    if (own == nullptr || std::string_view(section) != role_name(own->role)) return;
    overrides.warn_of_near_misses<Section>(section, warnings);
    if (toml::table* table = own_table(root, *own)) overrides.apply<Section>(section, *table);
  });
}

}  // namespace stox::service
