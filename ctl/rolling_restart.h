// `stoxctl rolling-restart`: one process after another is restarted, and the next only when all are ready
// again. Each drains before it ends, so nothing is lost. On this host the supervisor's command does it, where
// there is one; all others are asked to drain and to end by themselves, so that the supervisor of their host
// starts them again.
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "ctl/processes.h"

namespace stox::ctl {

// The command with {name}, {section}, {instance} and {program} filled in.
std::string restart_command(const std::string& form, const Known&);

// What a rolling restart needs of the world.
struct RestartWorld {
  std::function<nlohmann::json()> status;                       // as status_json()
  std::function<Result<void>(const std::string& command)> run;  // waits for its end
  std::function<Result<void>(const Known&)> ask;                // the process to restart
  std::function<void()> pause;                                  // between two looks
  std::function<std::chrono::milliseconds()> now;
  std::function<void(const std::string& line)> show;  // progress, a line at a time
};

// {"restarted":[{"name","ms"}],"error":text}; the error is empty if all went well, else it says at which
// process it stopped, and why. `command`: may be empty. `timeout`: for one process, from the command's begin
// until all are ready.
nlohmann::json restart_all(const std::vector<Known>&, const std::string& command,
                           std::chrono::milliseconds timeout, const RestartWorld&);

}  // namespace stox::ctl
