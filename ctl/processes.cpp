#include "ctl/processes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "common/service/control_socket.h"
#include "common/service/log.h"

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

}  // namespace

std::vector<Known> known_processes(const service::Config& config) {
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
        out.push_back({name, section.name, role, service::control_path(config.runtime, name)});
    }
  };
  add(service::Role::kSipFront, config.sip_fronts);
  add(service::Role::kMapper, config.mappers);
  add(service::Role::kXmppWorker, config.xmpp_workers);
  return out;
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

std::vector<std::string> paths_of(const std::vector<Known>& known) {
  std::vector<std::string> out;
  for (const Known& one : known) out.push_back(one.path);
  return out;
}

}  // namespace stox::ctl
