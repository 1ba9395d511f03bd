#include "ctl/keys.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "common/bus/zmq/curve.h"
#include "common/service/config.h"
#include "common/service/config_values.h"

namespace stox::ctl {
namespace {

namespace fs = std::filesystem;

struct Made {
  std::string name, file, public_key;
  bool is_new = false;
};

ExitCode failed(const std::string& why) {
  fmt::print(stderr, "{}\n", why);
  return kTrouble;
}

Error because(const std::string& what) { return Error{fmt::format("{}: {}", what, std::strerror(errno))}; }

// The processes' group, where root can give what it makes to it.
std::optional<gid_t> group_of(const std::string& name) {
  const group* found = geteuid() == 0 ? getgrnam(name.c_str()) : nullptr;
  return found != nullptr ? std::optional(found->gr_gid) : std::nullopt;
}

// For the owner alone, or for the group to read as well.
Result<void> give(int descriptor, const std::string& path, std::optional<gid_t> group, mode_t mode) {
  if (group && fchown(descriptor, static_cast<uid_t>(-1), *group) != 0)
    return tl::make_unexpected(because("cannot give " + path + " to its group"));
  if (fchmod(descriptor, group ? mode : mode & ~0077U) != 0)
    return tl::make_unexpected(because("cannot set the mode of " + path));
  return {};
}

Result<void> make_directory(const std::string& path, std::optional<gid_t> group) {
  std::error_code failure;
  if (!fs::create_directories(path, failure)) {
    if (failure) return error(fmt::format("cannot make {}: {}", path, failure.message()));
    return {};  // somebody's: it stays as it is
  }
  const int descriptor = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return tl::make_unexpected(because("cannot open " + path));
  auto given = give(descriptor, path, group, 0750);
  close(descriptor);
  return given;
}

Result<std::string> make_key(const std::string& file, std::optional<gid_t> group) {
  const int descriptor = open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return tl::make_unexpected(because("cannot write " + file));
  const bus::CurvePair pair = bus::make_curve_pair();
  const std::string line = pair.secret_key + "\n";
  Result<void> done = give(descriptor, file, group, 0640);
  if (done && (write(descriptor, line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
               fsync(descriptor) != 0))
    done = tl::make_unexpected(because("cannot write " + file));
  close(descriptor);
  if (done) return pair.public_key;
  unlink(file.c_str());
  return tl::make_unexpected(done.error());
}

Result<std::string> public_key_in(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line)) return tl::make_unexpected(because("cannot read " + file));
  const auto key = bus::public_key_of(line);
  if (!key) return error(fmt::format("{} {}; remove it to have a new one made", file, key.error().text));
  return *key;
}

Result<Made> key_of(const std::string& name, const std::string& directory, std::optional<gid_t> group) {
  Made made{name, (fs::path(directory) / (name + ".key")).string(), {}, false};
  std::error_code failure;
  made.is_new = !fs::exists(made.file, failure);
  auto key = failure       ? error(fmt::format("cannot look at {}: {}", made.file, failure.message()))
             : made.is_new ? make_key(made.file, group)
                           : public_key_in(made.file);
  if (!key) return tl::make_unexpected(key.error());
  made.public_key = std::move(*key);
  return made;
}

void print_files(const std::vector<Made>& all, const std::string& directory, const KeysOptions& options,
                 std::optional<gid_t> group) {
  std::string paths;
  for (const Made& one : all) {
    fmt::print("{}: {}, secret key of {}\n", one.file, one.is_new ? "new" : "was there",
               one.name == "mapper" ? "the mappers" : one.name);
    if (one.name != "mapper") paths += " " + one.file;
  }
  fmt::print(
      "\nEach host needs the files of what runs there, and no others, at the same place, readable by\n"
      "the user of stox");
  if (group)
    fmt::print(", as they are here: group {0}, mode 0640. On another host:\n", options.group);
  else
    fmt::print(" (there is no group {0} here for which they could be made readable):\n", options.group);
  fmt::print("    chown root:{0} {1} {1}/*.key && chmod 0750 {1} && chmod 0640 {1}/*.key\n", options.group,
             directory);
}

// Dots would mean tables within tables.
std::string key_in_toml(const std::string& name) {
  return name.find('.') == std::string::npos ? name : '"' + name + '"';
}

}  // namespace

ExitCode keys(const KeysOptions& options) {
  std::error_code failure;
  const std::string directory = fs::absolute(options.directory, failure).lexically_normal().string();
  std::vector<std::string> names = options.names;
  if (names.empty()) {
    const auto sections = service::edge_sections(options.file);
    if (!sections)
      return failed(
          sections.error().text +
          "\nThe names of its [[sip_front]] and [[xmpp_worker]] are needed: each gets a key. Or give "
          "names: stoxctl keys mapper sip-1 component-1");
    names = *sections;
    names.insert(names.begin(), "mapper");
  }
  for (const std::string& name : names) {
    if (const auto wrong = service::check_name(name)) return failed(fmt::format("\"{}\" {}", name, *wrong));
  }
  if (std::count(names.begin(), names.end(), "mapper") > 1)
    return failed("a front or worker cannot be called mapper: mapper.key is that of the mappers");
  const auto group = group_of(options.group);
  if (const auto made = make_directory(directory, group); !made) return failed(made.error().text);
  std::vector<Made> all;
  for (const std::string& name : names) {
    const auto made = key_of(name, directory, group);
    if (!made) return failed(made.error().text);
    all.push_back(*made);
  }
  print_files(all, directory, options, group);
  std::string mapper, sections;
  for (const Made& one : all) {
    if (one.name == "mapper") {
      mapper = fmt::format(
          "[bus.curve]\n"
          "mapper_public_key = \"{0}\"\n"
          "mapper_key_file   = \"{1}/mapper.key\"\n"
          "edge_key_file     = \"{1}/{{section}}.key\"\n\n",
          one.public_key, directory);
    } else {
      sections += fmt::format("{} = \"{}\"\n", key_in_toml(one.name), one.public_key);
    }
  }
  if (mapper.empty()) {
    fmt::print("\nOn every host, in [bus.curve.keys] of the configuration; then send the mappers HUP:\n\n{}",
               sections);
  } else {
    fmt::print(
        "\nOn every host, in the configuration, instead of any [bus.curve] there; then send the mappers "
        "HUP:\n\n{}[bus.curve.keys]\n{}",
        mapper, sections);
  }
  return kFine;
}

}  // namespace stox::ctl
