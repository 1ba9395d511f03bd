#include "common/service/process.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>

#include "common/net/tls.h"
#include "common/service/config_file.h"
#include "common/service/skeleton.h"

namespace stox::service {
namespace {

constexpr int kUsage = 2;
constexpr int kBadConfiguration = 78;  // EX_CONFIG of sysexits.h: a supervisor need not try again

struct Options {
  std::string file = "/etc/stox/stox.toml";
  std::string name;
  bool check = false;
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
std::string bad_files(const Config& config, const Identity& identity) {
  std::string out;
  const auto look = [&](const auto& sections) {
    for (const auto& section : sections) {
      if (section.name != identity.section) continue;
      const auto bad = [&](const std::string& why) {
        out += fmt::format("{}: {} {}: {}\n", config.file, role_name(identity.role), section.name, why);
      };
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
    }
  };
  if (identity.role == Role::kSipFront) look(config.sip_fronts);
  if (identity.role == Role::kXmppWorker) look(config.xmpp_workers);
  return out;
}

// Without a name, all sections of the role are checked.
int check(const Options& options, Role role) {
  std::vector<std::string> names = {options.name};
  if (const auto loaded = load_config(options.file, Role::kCtl, "", read_environment());
      loaded && options.name.empty()) {
    const Config& config = loaded->config;
    const auto take = [&](const auto& sections) {
      if (!sections.empty()) names.clear();
      for (const auto& section : sections) names.push_back(section.name);
    };
    if (role == Role::kMapper) take(config.mappers);
    if (role == Role::kSipFront) take(config.sip_fronts);
    if (role == Role::kXmppWorker) take(config.xmpp_workers);
  }
  std::string problems;
  std::set<std::string> said;
  for (const std::string& name : names) {
    const auto loaded = load_config(options.file, role, name, read_environment());
    if (loaded) {
      for (const std::string& warning : loaded->warnings) {
        if (said.insert(warning).second) print_problems(warning);
      }
      problems += bad_files(loaded->config, loaded->identity);
    } else if (said.insert(loaded.error().text).second) {
      problems += loaded.error().text + "\n";
    }
  }
  print_problems(problems);
  if (!problems.empty()) return kBadConfiguration;
  fmt::print("{}: the configuration is fine\n", options.file);
  return 0;
}

}  // namespace

nlohmann::json Process::failed() const { return nlohmann::json::array(); }
Result<std::string> Process::retry(const std::string& id) {
  return error(id + " is no message that was given up here");
}
nlohmann::json Process::known_peers() const { return nlohmann::json::array(); }
nlohmann::json Process::streams() const { return nlohmann::json::array(); }

int run(int argc, char** argv, Role role, const MakeProcess& make) {
  Options options;
  if (const auto code = parse_options(argc, argv, role, &options)) return *code;
  if (options.check) return check(options, role);
  const auto read = [&] { return load_config(options.file, role, options.name, read_environment()); };
  auto loaded = read();
  if (!loaded) {
    print_problems(loaded.error().text);
    return kBadConfiguration;
  }
  if (options.print) {
    fmt::print("{}", print_config(loaded->config));
    return 0;
  }
  return Skeleton(std::move(*loaded), read).run(make);
}

}  // namespace stox::service
