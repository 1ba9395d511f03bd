// Every key of the configuration, as tables: one line a key, with what may stand there. Reading, overriding,
// printing and the hints for misspelt keys all go by these tables. Sections are plain structs (config.h).
#pragma once

#include <string>
#include <vector>

#include "common/service/config.h"
#include "common/service/config_key.h"

namespace stox::service {

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

}  // namespace stox::service
