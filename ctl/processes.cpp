#include "ctl/processes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "common/service/config_values.h"
#include "common/service/control_socket.h"
#include "common/service/log.h"
#include "ctl/text_table.h"

namespace stox::ctl {
namespace {

// Full names of the sockets in the runtime directory.
std::vector<std::string> socket_names(const std::string& directory) {
  std::vector<std::string> out;
  std::error_code failure;
  for (std::filesystem::directory_iterator at(directory, failure), end; !failure && at != end;
       at.increment(failure)) {
    if (at->path().extension() == ".ctl") out.push_back(at->path().stem().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<Known> processes_here(const service::Config& config) {
  const std::vector<std::string> sockets = socket_names(config.runtime.directory);
  std::vector<Known> out;
  const auto add = [&](service::Role role, const auto& sections) {
    for (const auto& section : sections) {
      std::vector<std::string> names;
      for (const std::string& name : sockets) {
        if (name == section.name || name.starts_with(section.name + "@")) names.push_back(name);
      }
      if (names.empty()) names.push_back(section.name);
      for (const std::string& name : names)
        out.push_back({name, section.name, role, service::control_path(config.runtime, name), ""});
    }
  };
  add(service::Role::kSipFront, config.sip_fronts);
  add(service::Role::kMapper, config.mappers);
  add(service::Role::kXmppWorker, config.xmpp_workers);
  return out;
}

bool belongs(const std::string& name, const std::string& section) {
  return name == section || name.starts_with(section + "@");
}

using Seen = std::vector<std::pair<std::size_t, nlohmann::json>>;

// What those that can be asked say of the others, edges first: these see mappers, too.
Seen ask_others(const std::vector<Known>& here) {
  const nlohmann::json question = {{"command", "others"}};
  const std::vector<Answer> answers = ask_all(paths_of(here), question);
  Seen out;
  const auto take = [&](bool mappers) {
    for (std::size_t i = 0; i < here.size(); ++i) {
      if ((here[i].role == service::Role::kMapper) == mappers && answers[i].error().empty())
        out.emplace_back(i, answers[i].value);
    }
  };
  take(false);
  if (!out.empty()) return out;
  take(true);
  // Mappers only: an edge that is connected to one sees the other mappers.
  if (out.empty()) return out;
  for (const auto& other : out.front().second.value("others", nlohmann::json::array())) {
    const Answer more = ask_all({Place(here[out.front().first].path, text_at(other, "name"))}, question)[0];
    if (!more.error().empty()) continue;
    out.emplace_back(out.front().first, more.value);
    break;
  }
  return out;
}

}  // namespace

std::vector<Known> with_others(std::vector<Known> here, const Seen& seen) {
  if (seen.empty()) return here;
  const Known& asked = here[seen.front().first];
  const std::string path = asked.path;
  const std::string through = asked.name;
  std::set<std::string> names;
  for (const auto& [index, answer] : seen) {
    const auto others = answer.find("others");
    if (others == answer.end() || !others->is_array()) continue;
    for (const auto& other : *others) {
      if (other.is_object()) names.insert(text_at(other, "name"));
    }
  }
  std::vector<Known> out;
  for (std::size_t i = 0; i < here.size(); ++i) {
    const Known& one = here[i];
    std::error_code failure;
    const bool is_here = std::filesystem::exists(one.path, failure);
    if (is_here) out.push_back(one);
    const bool last = i + 1 == here.size() || here[i + 1].section != one.section;
    if (!last) continue;
    bool found = is_here;
    for (const std::string& name : names) {
      const bool known = std::any_of(here.begin(), here.end(), [&](const Known& k) {
        return k.name == name && std::filesystem::exists(k.path, failure);
      });
      if (known || !belongs(name, one.section)) continue;
      out.push_back({name, one.section, one.role, path, through});
      found = true;
    }
    if (!found)
      out.push_back({one.name, one.section, one.role, path, through});  // who is asked says what is wrong
  }
  return out;
}

std::vector<Known> known_processes(const service::Config& config) {
  std::vector<Known> here = processes_here(config);
  const bool other_hosts = std::any_of(
      config.mappers.begin(), config.mappers.end(),
      [](const service::MapperConfig& mapper) { return !service::stays_on_host(mapper.connect); });
  return other_hosts ? with_others(here, ask_others(here)) : here;
}

Result<std::vector<Known>> named(const std::vector<Known>& known, std::string_view name) {
  std::vector<Known> out;
  std::vector<std::string> names;
  for (const Known& one : known) {
    if (one.name == name || one.section == name) out.push_back(one);
    names.push_back(one.name);
  }
  if (!out.empty()) return out;
  return error(fmt::format("there is no process \"{}\"; there are: {}", service::printable(name, 60),
                           fmt::join(names, ", ")));
}

std::vector<Place> paths_of(const std::vector<Known>& known) {
  std::vector<Place> out;
  for (const Known& one : known) out.push_back(one.place());
  return out;
}

const char* program_of(service::Role role) {
  switch (role) {
    case service::Role::kMapper:
      return "stox-mapper";
    case service::Role::kSipFront:
      return "stox-sip-front";
    default:
      return "stox-xmpp-worker";
  }
}

std::string units(const service::Config& config) {
  std::string out;
  const auto add = [&](service::Role role, const auto& sections) {
    for (const auto& section : sections)
      out += fmt::format("{}@{}.service\n", program_of(role), section.name);
  };
  add(service::Role::kMapper, config.mappers);
  add(service::Role::kSipFront, config.sip_fronts);
  add(service::Role::kXmppWorker, config.xmpp_workers);
  return out;
}

}  // namespace stox::ctl
