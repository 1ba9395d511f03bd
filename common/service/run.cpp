#include "common/service/run.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>

#include "common/base/clock.h"
#include "common/net/expiry.h"
#include "common/service/config_file.h"
#include "common/service/control_socket.h"
#include "common/service/file_access.h"
#include "common/service/last_words.h"
#include "common/service/process.h"
#include "common/service/skeleton.h"

namespace stox::service {
namespace {

constexpr int kUsage = 2;
constexpr int kBadConfiguration = 78;  // EX_CONFIG of sysexits.h: a supervisor need not try again

struct Options {
  std::string file = "/etc/stox/stox.toml";
  std::string name;
  bool check = false;
  std::string user;
  bool online = false, json = false;
  bool print = false;
};

struct Program {
  const char* name;
  const char* does;
};

Program program_of(Role role) {
  switch (role) {
    case Role::kMapper:
      return {"stox-mapper", "translates and routes between SIP fronts and XMPP workers"};
    case Role::kSipFront:
      return {"stox-sip-front", "speaks SIP"};
    case Role::kXmppWorker:
      return {"stox-xmpp-worker", "speaks XMPP"};
    case Role::kCtl:
      break;
  }
  return {"stox", ""};
}

// Fills the options, or says with which code to exit.
std::optional<int> parse_options(int argc, char** argv, Role role, Options* options) {
  const Program program = program_of(role);
  CLI::App app(fmt::format("{}: {}", program.name, program.does), program.name);
  app.set_help_flag("-h,--help", "print this and exit");
  app.set_version_flag("-v,--version", fmt::format("{} {}", program.name, STOX_VERSION), "print it and exit");
  app.add_option("-f,--config", options->file, "the site's configuration")->capture_default_str();
  app.add_option("-n,--name", options->name,
                 fmt::format("SECTION[@INSTANCE]: which [[{}]] this is; needed when there are several",
                             role_name(role)));
  app.add_flag("-t,--check", options->check, "check the configuration and exit: 0 fine, 78 not");
  app.add_option(
      "--user", options->user,
      "with --check as root: whom it must be readable for (default: stox, if there is such a user)");
  CLI::Option* check = app.get_option("--check");
  app.add_flag("--online", options->online,
               "with --check: tries its addresses and asks its peers, too; exit 1: something is wrong there")
      ->needs(check);
  app.add_flag("--json", options->json, "with --check: each finding as a JSON object of one line")
      ->needs(check);
  app.add_flag("--print-config", options->print,
               "print the effective configuration, secrets masked, and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kUsage;
  }
  return std::nullopt;
}

void print_problems(const std::string& text) {
  const std::string_view priority = is_journal(2) ? journal_priority(Level::kError) : "";
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    fmt::print(stderr, "{}{}\n", priority, printable(line, 2000));
}

// What its TLS files are not good for. A process that starts says so, too, and is started again until they
// are; so they are no part of the configuration.
std::string bad_files(const Config& config, const Identity& identity, std::vector<std::string>* warnings) {
  std::string out;
  const auto look = [&](const auto& sections) {
    for (const auto& section : sections) {
      if (section.name != identity.section) continue;
      const auto of_section = [&](const std::string& what) {
        return fmt::format("{}: {} {}: {}", config.file, role_name(identity.role), section.name, what);
      };
      const auto bad = [&](const std::string& why) { out += of_section(why) + "\n"; };
      bool readable = true;
      for (const auto& [key, file] : {std::pair("certificate", section.tls.certificate),
                                      std::pair("key", section.tls.key), std::pair("ca", section.tls.ca)}) {
        if (file.empty()) continue;
        const auto text = read_file(file);
        readable = readable && text;
        if (!text) bad(fmt::format("tls.{} \"{}\" cannot be read: {}", key, file, text.error().text));
      }
      if (!readable) continue;
      const auto tls = net::TlsContext::create({section.tls.certificate, section.tls.key, section.tls.ca});
      if (!tls)
        bad("tls: " + tls.error().text);
      else if (tls->has_certificate() && tls->certificate().has_expired(std::time(nullptr)))
        bad(fmt::format("tls.certificate \"{}\" has expired", section.tls.certificate));
      else if (tls->has_certificate()) {
        if (const std::string expiry = net::expiry_trouble(tls->certificate(), std::time(nullptr));
            !expiry.empty())
          warnings->push_back(
              of_section(fmt::format("tls.certificate \"{}\" {}", section.tls.certificate, expiry)));
      }
      if (all_can_read(section.tls.key))
        warnings->push_back(of_section(fmt::format(
            "everybody on this host can read the secret key {0}; chmod o= {0}", section.tls.key)));
    }
  };
  if (identity.role == Role::kSipFront) look(config.sip_fronts);
  if (identity.role == Role::kXmppWorker) look(config.xmpp_workers);
  return out;
}

std::vector<std::string> sections_of(const Config& config, Role role) {
  std::vector<std::string> out;
  const auto take = [&](const auto& sections) {
    for (const auto& section : sections) out.push_back(section.name);
  };
  if (role == Role::kMapper) take(config.mappers);
  if (role == Role::kSipFront) take(config.sip_fronts);
  if (role == Role::kXmppWorker) take(config.xmpp_workers);
  return out;
}

bool runs_now(const Config& config, const std::string& full_name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  control_path(config.runtime, full_name).copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool runs = connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(descriptor);
  return runs;
}

// `--check`: says what it finds, and remembers what that means for the exit code.
class Check {
 public:
  Check(const Options& options, Role role, const MoreChecks& more)
      : options_(options), role_(role), more_(more) {}

  int run() {
    std::vector<std::string> names = {options_.name};
    if (const auto loaded = load_config(options_.file, Role::kCtl, "", read_environment());
        loaded && options_.name.empty()) {
      if (auto sections = sections_of(loaded->config, role_); !sections.empty()) names = std::move(sections);
    }
    if (!options_.user.empty() && !is_user(options_.user))
      problem(options_.name, fmt::format("--user {}: there is no such user\n", options_.user));
    for (const std::string& name : names) check(name);
    if (bad_configuration_) return kBadConfiguration;
    if (!options_.json) fmt::print("{}: the configuration is fine\n", options_.file);
    for (const auto& [name, finding] : online_) say(name, finding);
    return failed_online_ ? 1 : 0;
  }

 private:
  void check(const std::string& name) {
    const auto loaded = load_config(options_.file, role_, name, read_environment());
    if (!loaded) return problem(name, loaded.error().text);
    const Identity& identity = loaded->identity;
    for (const std::string& warning : loaded->warnings) warn(identity.full, warning);
    std::vector<std::string> of_files;
    const std::string bad = bad_files(loaded->config, identity, &of_files);
    for (const std::string& warning : of_files) warn(identity.full, warning);
    const std::string user = options_.user.empty() && is_user("stox") ? "stox" : options_.user;
    const std::string unreadable = unreadable_for(user, files_read_by(loaded->config, identity));
    if (!unreadable.empty() && said_.insert(unreadable).second)
      problem(identity.full, unreadable + "let its group read it, or say with --user as whom stox runs\n");
    if (!bad.empty()) return problem(identity.full, bad);
    if (more_.files) {
      for (const std::string& warning : more_.files(loaded->config, identity))
        warn(identity.full,
             fmt::format("{}: {} {}: {}", options_.file, role_name(role_), identity.section, warning));
    }
    if (options_.json) say(identity.full, {Finding::Kind::kOk, "the configuration is fine"});
    if (!options_.online || !more_.online) return;
    for (Finding& finding : more_.online(loaded->config, identity, runs_now(loaded->config, identity.full))) {
      failed_online_ = failed_online_ || finding.kind == Finding::Kind::kFailure;
      online_.emplace_back(identity.full, std::move(finding));
    }
  }

  void warn(const std::string& name, const std::string& text) {
    if (!said_.insert(text).second) return;
    options_.json ? say(name, {Finding::Kind::kWarning, text}) : print_problems(text);
  }

  void problem(const std::string& name, const std::string& lines) {
    bad_configuration_ = true;
    if (!said_.insert(lines).second) return;
    options_.json ? say(name, {Finding::Kind::kFailure, lines.substr(0, lines.find_last_not_of('\n') + 1)})
                  : print_problems(lines);
  }

  void say(const std::string& name, const Finding& finding) const {
    static constexpr const char* kKinds[] = {"ok", "warning", "failure"};
    const char* const kind = kKinds[static_cast<int>(finding.kind)];
    if (options_.json) {
      const nlohmann::json row = {
          {"name", name}, {"kind", kind}, {"what", finding.what}, {"remedy", finding.remedy}};
      return fmt::print("{}\n", row.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
    }
    fmt::print("{}: {}: {}{}{}\n", name, kind, printable(finding.what, 2000),
               finding.remedy.empty() ? "" : "; ", printable(finding.remedy, 500));
  }

  const Options& options_;
  Role role_;
  const MoreChecks& more_;
  std::set<std::string> said_;
  std::vector<std::pair<std::string, Finding>> online_;
  bool bad_configuration_ = false, failed_online_ = false;
};

}  // namespace

nlohmann::json Process::failed() const { return nlohmann::json::array(); }
Result<std::string> Process::retry(const std::string& id, bool /*again*/) {
  return error(id + " is no message that was given up here");
}
nlohmann::json Process::known_peers() const { return nlohmann::json::array(); }
nlohmann::json Process::presence(const std::vector<std::string>&) const { return nlohmann::json::array(); }
nlohmann::json Process::rooms(const std::vector<std::string>&) const { return nlohmann::json::array(); }
nlohmann::json Process::streams() const { return nlohmann::json::array(); }

namespace {

// For `stoxctl status`: a configuration that this process cannot use may be fine for stoxctl (a secret that
// cannot be read).
void keep_last_words_of(const Options& options, Role role, const std::string& problems) {
  const auto loaded = load_config(options.file, Role::kCtl, "", read_environment());
  if (!loaded) return;
  std::string name = options.name;
  if (name.empty()) {
    const std::vector<std::string> sections = sections_of(loaded->config, role);
    if (sections.size() != 1) return;
    name = sections.front();
  }
  if (name.find('/') != std::string::npos) return;
  const int64_t now_us = SystemClock().wall_us();
  keep_last_words(loaded->config.runtime, name, {problems.substr(0, problems.find('\n')), now_us});
}

}  // namespace

int run(int argc, char** argv, Role role, const MakeProcess& make) { return run(argc, argv, role, make, {}); }

int run(int argc, char** argv, Role role, const MakeProcess& make, const MoreChecks& more_checks) {
  Options options;
  if (const auto code = parse_options(argc, argv, role, &options)) return *code;
  if (options.check) return Check(options, role, more_checks).run();
  const auto read = [&] { return load_config(options.file, role, options.name, read_environment()); };
  auto loaded = read();
  if (!loaded) {
    print_problems(loaded.error().text);
    if (!options.print) keep_last_words_of(options, role, loaded.error().text);
    return kBadConfiguration;
  }
  if (options.print) {
    fmt::print("{}", print_config(loaded->config));
    return 0;
  }
  return Skeleton(std::move(*loaded), read).run(make);
}

}  // namespace stox::service
