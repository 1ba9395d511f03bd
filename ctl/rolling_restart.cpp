#include "ctl/rolling_restart.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "ctl/commands.h"
#include "ctl/control_client.h"
#include "ctl/output.h"
#include "ctl/status.h"
#include "ctl/text_table.h"

namespace stox::ctl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kMoment{5000};  // that one may be too busy to answer, or only just be back

const json* find(const json& status, const std::string& name) {
  for (const json& one : status["processes"]) {
    if (text_at(one, "name") == name) return &one;
  }
  return nullptr;
}

// The first that is not ready, and why; empty if all are.
std::string not_ready(const json& status) {
  for (const json& one : status["processes"]) {
    const std::string state = text_at(one, "state");
    if (state != "ready" && state != "standby")
      return fmt::format("{} is {}: {}", text_at(one, "name"), state, text_at(one, "reason"));
  }
  return {};
}

Result<void> run_in_shell(const std::string& command) {
  const int status = std::system(command.c_str());
  if (status == -1) return error("the shell could not be started");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFEXITED(status)) return error(fmt::format("it ended with status {}", WEXITSTATUS(status)));
  return error(fmt::format("it was ended by signal {}", WTERMSIG(status)));
}

Result<void> ask_to_restart(const Known& process) {
  const std::string why = ask_all({process.place()}, {{"command", "restart"}}).front().error();
  if (!why.empty()) return error(why);
  return {};
}

}  // namespace

std::string restart_command(const std::string& form, const Known& process) {
  const std::size_t at = process.name.find('@');
  const std::pair<const char*, std::string> places[] = {
      {"{name}", process.name},
      {"{section}", process.section},
      {"{instance}", at == std::string::npos ? "" : process.name.substr(at + 1)},
      {"{program}", program_of(process.role)}};
  std::string out = form;
  for (const auto& [place, value] : places) {
    for (std::size_t found = out.find(place); found != std::string::npos; found = out.find(place))
      out.replace(found, std::string_view(place).size(), value);
  }
  return out;
}

json restart_all(const std::vector<Known>& processes, const std::string& form, milliseconds timeout,
                 const RestartWorld& world) {
  json restarted = json::array();
  const auto stopped = [&](const std::string& why) { return json{{"restarted", restarted}, {"error", why}}; };
  json before = world.status();
  for (const milliseconds begun = world.now(); !not_ready(before).empty();) {
    if (world.now() - begun >= kMoment)
      return stopped("nothing was restarted, because not all are ready: " + not_ready(before));
    world.pause();
    before = world.status();
  }
  for (std::size_t i = 0; i < processes.size(); ++i) {
    const std::string& name = processes[i].name;
    const std::string command = processes[i].through.empty() ? restart_command(form, processes[i]) : "";
    world.show(fmt::format("[{}/{}] {}: {}", i + 1, processes.size(), name,
                           command.empty() ? "asked to end, for its supervisor to start it again" : command));
    const milliseconds begun = world.now();
    const json* old = find(before, name);
    const json old_pid = old == nullptr ? json() : (*old)["pid"];
    if (!command.empty()) {
      if (const auto done = world.run(command); !done)
        return stopped(fmt::format("stopped at {}: \"{}\" failed: {}", name, command, done.error().text));
    } else if (const auto asked = world.ask(processes[i]); !asked) {
      return stopped(fmt::format("stopped at {}: {}", name, asked.error().text));
    }
    for (;;) {
      const milliseconds since = world.now() - begun;
      before = world.status();
      const json* now = find(before, name);
      // In a container every process has the same pid.
      const bool fresh = now != nullptr && (*now)["pid"].is_number() &&
                         ((*now)["pid"] != old_pid || number_at(*now, "uptime_ms") < since.count());
      const std::string why = not_ready(before);
      if (fresh && why.empty()) break;
      if (world.now() - begun >= timeout) {
        return stopped(fmt::format(
            "stopped at {}: {} after {} s{}", name, fresh ? why : "no new process has taken its place",
            std::chrono::duration_cast<std::chrono::seconds>(timeout).count(),
            fresh || !command.empty()
                ? ""
                : "; start it, and see that its supervisor does so after exit status 75"));
      }
      world.pause();
    }
    const milliseconds took = world.now() - begun;
    world.show(
        fmt::format("      {}: ready again after {:.1f} s", name, static_cast<double>(took.count()) / 1000));
    restarted.push_back({{"name", name}, {"ms", took.count()}});
  }
  return stopped("");
}

ExitCode rolling_restart(const Options& options, milliseconds timeout) {
  const auto& runtime = options.config.runtime;
  const std::vector<Known> known = known_processes(options.config);
  for (const Known& one : known) {
    // Instances are known by files in the runtime directory, and go into a shell.
    if (std::all_of(one.name.begin(), one.name.end(), [](unsigned char c) {
          return std::isalnum(c) != 0 ||
                 std::string_view("-_.@").find(static_cast<char>(c)) != std::string_view::npos;
        }))
      continue;
    complain(fmt::format("{} is no name of a process", one.name));
    return kTrouble;
  }
  const RestartWorld world{
      [&] {
        return status_json(known, ask_all(paths_of(known), {{"command", "status"}}));
      },
      run_in_shell,
      ask_to_restart,
      [] { std::this_thread::sleep_for(milliseconds(100)); },
      [] {
        return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now().time_since_epoch());
      },
      [](const std::string& line) { complain(line); }};
  const json done = restart_all(known, runtime.restart_command,
                                timeout + std::chrono::seconds(runtime.drain_seconds), world);
  const std::string why = text_at(done, "error");
  if (options.json) {
    print_json(done);
  } else if (why.empty()) {
    print_text(fmt::format("all {} processes were restarted\n", known.size()));
  } else {
    complain(why);
  }
  return why.empty() ? kFine : kTrouble;
}

}  // namespace stox::ctl
