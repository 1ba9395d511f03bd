#include "ctl/doctor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string_view>

#include "common/base/text.h"
#include "common/service/config_file.h"
#include "common/service/file_access.h"
#include "common/service/probe.h"
#include "ctl/control_client.h"
#include "ctl/doctor_loop.h"
#include "ctl/output.h"
#include "ctl/processes.h"
#include "ctl/site.h"
#include "ctl/status.h"
#include "ctl/text_table.h"

namespace stox::ctl {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr rlim_t kManyDescriptors = 8192;
constexpr int64_t kGoodReceiveBuffer = 4 * 1024 * 1024;  // as the SIP front asks for
constexpr uint64_t kLittleRoom = 50 * 1024 * 1024;
constexpr std::string_view kIpc = "ipc://";
constexpr int64_t kThisSoftware = 1'760'000'000;  // no clock that is right is before this

class Doctor {
 public:
  Doctor(const Options& options, const std::string& to) : config_(options.config), to_(to) {}

  json run() {
    folders();
    machine();
    secrets();
    programs();
    processes();
    all_metrics();
    loop();
    return std::move(rows_);
  }

  void note(const std::string& name, const char* kind, const std::string& what,
            const std::string& remedy = "") {
    rows_.push_back({{"name", name}, {"kind", kind}, {"what", what}, {"remedy", remedy}});
  }

 private:
  void folder(const char* key, const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) {
      const std::string parent = fs::path(path).parent_path();
      if (access(parent.c_str(), W_OK) == 0)
        return note(key, "ok", path + " is not there yet and can be made");
      return note(
          key, "failure",
          fmt::format("{} is not there and cannot be made in {}: {}", path, parent, std::strerror(errno)),
          fmt::format("mkdir {0} && chown stox: {0}", path));
    }
    if (!S_ISDIR(info.st_mode)) return note(key, "failure", path + " is no directory", "remove it");
    if (access(path.c_str(), W_OK | X_OK) != 0)
      return note(key, "failure", fmt::format("{} cannot be written: {}", path, std::strerror(errno)),
                  fmt::format("chown stox: {}", path));
    struct statvfs room {};
    const bool known = statvfs(path.c_str(), &room) == 0;
    if (known && static_cast<uint64_t>(room.f_bavail) * room.f_frsize < kLittleRoom)
      return note(key, "warning", path + " has less than 50 MB of room",
                  "make room on this disk: journals need it");
    note(key, "ok", path + " can be written");
  }

  void folders() {
    folder("runtime.directory", config_.runtime.directory);
    const bool journals = std::any_of(config_.xmpp_workers.begin(), config_.xmpp_workers.end(),
                                      [](const auto& worker) { return worker.journal; });
    if (journals) folder("runtime.state_directory", config_.runtime.state_directory);
    for (const auto& mapper : config_.mappers) {
      if (!mapper.bind.starts_with(kIpc)) continue;
      const std::string parent = fs::path(mapper.bind.substr(kIpc.size())).parent_path();
      if (parent != config_.runtime.directory) folder(mapper.name.c_str(), parent);
    }
  }

  void machine() {
    rlimit descriptors{};
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
      const bool few = descriptors.rlim_max < kManyDescriptors;
      note("descriptors", few ? "warning" : "ok",
           fmt::format("a process may open {} of them", descriptors.rlim_max),
           few ? "raise LimitNOFILE of the units, or the hard limit of ulimit -n" : "");
    }
    int64_t receive = 0;
    std::ifstream("/proc/sys/net/core/rmem_max") >> receive;
    if (receive > 0) {
      const bool small = receive < kGoodReceiveBuffer;
      note("socket buffers", small ? "warning" : "ok", fmt::format("net.core.rmem_max is {}", receive),
           small ? fmt::format("bursts of UDP are lost: sysctl -w net.core.rmem_max={}", kGoodReceiveBuffer)
                 : "");
    }
    timex clock{};
    const int state = adjtimex(&clock);
    if (std::time(nullptr) < kThisSoftware) {
      note("clock", "failure", "it is before this software was made: certificates and dates fail",
           "set the clock");
    } else if (state == TIME_ERROR || (clock.status & STA_UNSYNC) != 0) {
      note("clock", "warning", "nothing keeps it right", "run chrony, ntpd or systemd-timesyncd");
    } else {
      note("clock", "ok", "it is kept right");
    }
  }

  // In the configuration itself.
  void secrets() {
    if (access(config_.file.c_str(), R_OK) != 0)
      return note("configuration", "failure",
                  fmt::format("{} cannot be read: {}", config_.file, std::strerror(errno)),
                  fmt::format("chgrp stox {0} && chmod 0640 {0}", config_.file));
    if (service::holds_secret(config_) && service::everybody_reads(config_.file))
      return note("configuration", "warning",
                  config_.file + " holds secrets, and everybody on this host can read it",
                  fmt::format("chmod o= {}, or keep them in files of their own (xmpp_password_file, "
                              "password_file)",
                              config_.file));
    note("configuration", "ok", config_.file + " can be read");
  }

  void programs() {
    std::array<char, 4096> self{};
    const ssize_t size = readlink("/proc/self/exe", self.data(), self.size() - 1);
    const fs::path here =
        fs::path(std::string(self.data(), size > 0 ? static_cast<std::size_t>(size) : 0)).parent_path();
    const std::string all_can_read = "everybody on this host can read " + config_.file;  // said above
    const auto check = [&](const char* program, const std::string& name) {
      std::string printed;
      const int status = run_program(
          {(here / program).string(), "-f", config_.file, "-n", name, "--check", "--online", "--json"},
          &printed);
      const json rows = rows_of(printed, name);
      for (const json& row : rows) {
        if (!text_at(row, "what").starts_with(all_can_read)) add_row(row, &rows_);
      }
      if (rows.empty())
        note(name, "failure", fmt::format("{} cannot be run here, or ended with status {}", program, status),
             "install it beside stoxctl");
    };
    for (const auto& one : config_.mappers) check("stox-mapper", one.name);
    for (const auto& one : config_.sip_fronts) check("stox-sip-front", one.name);
    for (const auto& one : config_.xmpp_workers) check("stox-xmpp-worker", one.name);
  }

  void processes() {
    const std::vector<Known> known = known_processes(config_);
    const std::vector<Answer> answers = ask_all(paths_of(known), {{"command", "status"}});
    for (std::size_t i = 0; i < known.size(); ++i) {
      const std::string why = answers[i].error();
      const std::string state = text_at(answers[i].value, "state"),
                        reason = text_at(answers[i].value, "reason");
      // One that hangs has its addresses still.
      if (!answers[i].unreachable.starts_with("not running")) running_.insert(known[i].section);
      if (!why.empty()) {
        // A site may be looked at before it is started; what hangs or was killed has been.
        const bool never_ran = why.starts_with("not running: there is no");
        note(known[i].name, never_ran ? "warning" : "failure", why,
             "`stoxctl status` says more once it runs");
      } else if (!reason.empty()) {
        note(known[i].name, state == "ready" || state == "standby" ? "warning" : "failure",
             state + ": " + reason, "doc/operating.md has the cases");
      } else {
        note(known[i].name, "ok", "runs, and is " + state);
      }
    }
  }

  // What it printed on standard output; standard error is not looked at. Returns its exit status, -1: not
  // run.
  static int run_program(std::vector<std::string> words, std::string* printed) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return -1;
    const pid_t child = fork();
    if (child == 0) {
      dup2(ends[1], STDOUT_FILENO);
      std::vector<char*> arguments;
      for (std::string& word : words) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      execv(arguments[0], arguments.data());
      _exit(127);
    }
    close(ends[1]);
    std::array<char, 8192> part{};
    for (ssize_t n = 0; child > 0 && (n = read(ends[0], part.data(), part.size())) > 0;)
      printed->append(part.data(), static_cast<std::size_t>(n));
    close(ends[0]);
    int status = -1;
    if (child > 0) waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  // Of those that do not run; a process that cannot have its address for metrics does not start.
  void metrics(const std::string& name, const std::string& address) {
    if (address.empty() || running_.contains(name)) return;
    const std::size_t colon = address.rfind(':');
    std::string host = address.substr(0, colon);
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    const auto port = static_cast<uint16_t>(parse_number(address.substr(colon + 1), 0, 65'535).value_or(0));
    if (const auto free = service::try_bind(host, port, false); !free)
      note(name, "failure", "cannot answer with metrics: " + free.error().text,
           "end what uses it, or choose another address");
  }

  void all_metrics() {
    for (const auto& one : config_.mappers) metrics(one.name, one.metrics);
    for (const auto& one : config_.sip_fronts) metrics(one.name, one.metrics);
    for (const auto& one : config_.xmpp_workers) metrics(one.name, one.metrics);
  }

  // Only where the gateway runs: else there is nothing that could take it.
  void loop() {
    if (!all_ready(find_status(config_).value)) return;
    if (json row = try_loop(config_, to_); row.is_object()) rows_.push_back(std::move(row));
  }

  const service::Config& config_;
  const std::string& to_;
  std::set<std::string> running_;  // sections
  json rows_ = json::array();
};

// Gives up root's rights for those of `user`: what root can read says nothing.
std::string become(const std::string& user) {
  if (geteuid() != 0 || user.empty()) return {};
  const passwd* entry = getpwnam(user.c_str());
  if (entry == nullptr)
    return fmt::format("there is no user {} here: rights are looked at as root's, who may all", user);
  if (initgroups(user.c_str(), entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 ||
      setuid(entry->pw_uid) != 0)
    return fmt::format("cannot become {}: {}", user, std::strerror(errno));
  return {};
}

}  // namespace

void add_row(const json& row, json* rows) {
  for (json& before : *rows) {
    json renamed = row;
    renamed["name"] = before["name"];
    if (renamed != before || text_at(row, "kind") == "ok") continue;
    before["name"] = text_at(before, "name") + ", " + text_at(row, "name");
    return;
  }
  rows->push_back(row);
}

json rows_of(const std::string& printed, const std::string& name) {
  json rows = json::array();
  std::istringstream lines(printed);
  for (std::string line; std::getline(lines, line);) {
    const json row = json::parse(line, nullptr, false);
    if (!row.is_object()) continue;
    rows.push_back({{"name", text_at(row, "name").empty() ? name : text_at(row, "name")},
                    {"kind", text_at(row, "kind")},
                    {"what", text_at(row, "what")},
                    {"remedy", text_at(row, "remedy")}});
  }
  return rows;
}

std::string doctor_text(const json& rows) {
  std::string out;
  for (const json& row : rows) {
    const std::string kind = text_at(row, "kind");
    out += fmt::format("{:<8} {}: {}\n", kind == "failure" ? "FAILURE" : kind, text_at(row, "name"),
                       text_at(row, "what"));
    if (const std::string remedy = text_at(row, "remedy"); !remedy.empty())
      out += fmt::format("{:<8}   {}\n", "", remedy);
  }
  return out;
}

ExitCode doctor(const Options& options, const std::string& user, const std::string& to) {
  const std::string not_become = become(user);
  Doctor doctor(options, to);
  if (!not_become.empty())
    doctor.note("user", "warning", not_become, "--user names the user of the processes");
  const json rows = doctor.run();
  const auto count = [&](const char* kind) {
    return std::count_if(rows.begin(), rows.end(),
                         [&](const json& row) { return text_at(row, "kind") == kind; });
  };
  if (options.json) {
    print_json({{"checks", rows}});
  } else {
    print_text(doctor_text(rows));
    print_text(
        fmt::format("\n{} ok, {} warnings, {} failures\n", count("ok"), count("warning"), count("failure")));
  }
  return count("failure") > 0 ? kTrouble : kFine;
}

}  // namespace stox::ctl
