// Every key of the configuration, as tables: one line a key, with what may stand there. Reading, overriding,
// printing and the hints for misspelt keys all go by these tables. Sections are plain structs (config.h).
#pragma once

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/service/config.h"

namespace stox::service {

// What is wrong, gathered over the whole file.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}

  // At a place in the file.
  void at(const toml::source_region&, const std::string& text);
  // About the file as a whole, or a variable of the environment.
  void general(std::string text) { found_.push_back({0, 0, std::move(text)}); }
  bool any() const { return !found_.empty(); }
  std::string lines() const;  // in the order of the file

 private:
  struct Problem {
    toml::source_index line, column;
    std::string text;
  };
  std::string file_;
  std::vector<Problem> found_;
};

// What stands at one key, and where to complain about it.
struct Value {
  const toml::node& node;
  std::string_view section;
  std::string_view key;
  Problems& problems;

  void bad(const std::string& what) const;  // "section.key" and what
};

template <class Section>
struct Key {
  // kTables cannot be given in the environment.
  enum class Kind { kText, kNumber, kFlag, kList, kTable, kTables };

  std::string name;
  Kind kind;
  std::function<void(const Value&, Section&)> read;
  std::function<std::string(const Section&)> print;  // the value in TOML, masked if secret; empty: not set
  std::string range = {};  // what may stand there, for people; empty: the help says it
  bool required = false;
  Taken taken = Taken::kByHup;
  const char* help = "";  // one sentence
};

// The keys of a section in the order they are printed.
template <class Section>
const std::vector<Key<Section>>& keys();
template <>
const std::vector<Key<GatewayConfig>>& keys();
template <>
const std::vector<Key<RuntimeConfig>>& keys();
template <>
const std::vector<Key<LogConfig>>& keys();
template <>
const std::vector<Key<DnsConfig>>& keys();
template <>
const std::vector<Key<CurveConfig>>& keys();
template <>
const std::vector<Key<MapperConfig>>& keys();
template <>
const std::vector<Key<SipFrontConfig>>& keys();
template <>
const std::vector<Key<XmppWorkerConfig>>& keys();

template <class Section>
std::vector<std::string> key_names() {
  std::vector<std::string> out;
  for (const auto& key : keys<Section>()) out.push_back(key.name);
  return out;
}

// Calls each(section name, its place in the configuration) for the single sections, or each(section name,
// list of its places) for the repeated ones.
template <class Each>
void single_sections(Config& config, Each&& each) {
  each("gateway", config.gateway);
  each("runtime", config.runtime);
  each("log", config.log);
  each("dns", config.dns);
  each("bus.curve", config.curve);
}
template <class Each>
void repeated_sections(Config& config, Each&& each) {
  each("mapper", config.mappers);
  each("sip_front", config.sip_fronts);
  each("xmpp_worker", config.xmpp_workers);
}

// Keys and sections that the interface has and this version has not yet: "section.key" or "section".
const std::vector<std::string>& keys_of_later_versions();

const std::vector<std::string>& section_names();

// STOX_SECTION_KEY; a dot in the section becomes _, too.
std::string variable_name(std::string_view section, std::string_view key);

}  // namespace stox::service
