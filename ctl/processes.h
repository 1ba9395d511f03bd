// The processes of a site as the configuration has them, with their instances: those on this host by their
// control sockets, those on others as processes here see them over the bus.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/service/config.h"
#include "ctl/control_client.h"

namespace stox::ctl {

struct Known {
  std::string name;  // SECTION or SECTION@INSTANCE
  std::string section;
  service::Role role;
  std::string path;          // control socket
  std::string through = {};  // a process on this host by whose control socket it is asked; empty: by its own

  Place place() const { return through.empty() ? Place(path) : Place(path, name); }
};

// In the order a message from SIP passes them. An instance is found by its socket or by the bus; a section of
// which only instances are found is not listed by itself. Asks processes here if there are other hosts.
std::vector<Known> known_processes(const service::Config&);

// `here` with those that processes here see elsewhere. `seen`: of each process here that could be
// asked, its index in `here` and its answer to "others".
std::vector<Known> with_others(std::vector<Known> here,
                               const std::vector<std::pair<std::size_t, nlohmann::json>>& seen);

// Those that an operator's NAME means: one process, or all instances of a section. An error lists the names.
Result<std::vector<Known>> named(const std::vector<Known>&, std::string_view name);

std::vector<Place> paths_of(const std::vector<Known>&);

const char* program_of(service::Role);

// The systemd units of the sections that the configuration names, a line each.
std::string units(const service::Config&);

}  // namespace stox::ctl
