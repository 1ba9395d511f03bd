// The processes of a site as the configuration has them, with the instances that run on this host.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/service/config.h"

namespace stox::ctl {

struct Known {
  std::string name;  // SECTION or SECTION@INSTANCE
  std::string section;
  service::Role role;
  std::string path;  // control socket
};

// In the order a message from SIP passes them. An instance is found by its socket; a section of which only
// instances have sockets is not listed by itself.
std::vector<Known> known_processes(const service::Config&);

// Those that an operator's NAME means: one process, or all instances of a section. An error lists the names.
Result<std::vector<Known>> named(const std::vector<Known>&, std::string_view name);

std::vector<std::string> paths_of(const std::vector<Known>&);

}  // namespace stox::ctl
