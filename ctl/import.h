// `stoxctl import`: stox.toml from the configuration of an OpenSER, Kamailio or OpenSIPS with its xmpp
// module.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ctl/exit_code.h"
#include "ctl/openser_config.h"

namespace stox::ctl {

struct Imported {
  struct Note {
    std::string where;  // "FILE:LINE", or empty
    std::string what, why;
  };
  std::string toml;
  std::vector<Note> not_carried;  // stands there and has no place here, or another meaning
  std::vector<Note> missing;      // must be said before stox.toml is of use
  std::vector<Note> proxy;        // what to change in the configuration of the proxy
};

Imported import_openser(const OpenserConfig&, const std::string& path);
std::string report_text(const Imported&);
nlohmann::json import_json(const Imported&);

// stox.toml to standard output, the report to standard error; both in one object as JSON. kTrouble: something
// is missing; kUsage: the file cannot be read, or has no xmpp module.
ExitCode import_file(const std::string& path, bool json);

}  // namespace stox::ctl
