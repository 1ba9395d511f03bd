// Reads the configuration of an OpenSER, Kamailio or OpenSIPS as far as a gateway needs it: what the modules
// were set to, where it listens, and the lines of the route that hand messages to the module. It does not run
// the route.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace stox::ctl {

struct OpenserParam {
  std::string module, name, value;
  std::string file;
  int line = 0;
};

struct OpenserCall {
  std::string function;
  std::vector<std::string> arguments;  // as written, strings without quotes
  std::string file;
  int line = 0;
};

struct OpenserConfig {
  std::vector<OpenserParam> params;    // modparam(), in order
  std::vector<OpenserParam> settings;  // NAME=VALUE outside of routes: listen, alias, port; no module
  std::vector<std::string> modules;    // loadmodule, without folder and .so
  std::vector<OpenserCall> calls;      // of functions, in routes
  std::vector<std::pair<std::string, int>> size_limits;  // msg:len >= N, and its line
  std::vector<std::string> problems;                     // what could not be read, for people

  // The last value; nothing if it was not set.
  std::optional<std::string> param(std::string_view module, std::string_view name) const;
};

// `read`: the content of a file, named as in include_file; the first is `path`.
Result<OpenserConfig> read_openser_config(const std::string& path,
                                          const std::function<Result<std::string>(const std::string&)>& read);

}  // namespace stox::ctl
