#include "ctl/keys.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/bus/curve.h"
#include "common/service/config_values.h"

namespace stox::ctl {
namespace {

std::string path_of(const std::string& directory, const std::string& name) {
  return (std::filesystem::path(directory) / (name + ".key")).string();
}

ExitCode failed(const Error& problem) {
  fmt::print(stderr, "{}\n", problem.text);
  return kTrouble;
}

ExitCode more_edges(const std::string& directory, const std::vector<std::string>& names) {
  std::string lines;
  for (const std::string& name : names) {
    if (const auto wrong = service::check_name(name)) return failed({fmt::format("\"{}\" {}", name, *wrong)});
    const std::string file = path_of(directory, name);
    const auto key = write_new_key(file);
    if (!key) return failed(key.error());
    lines += fmt::format("  \"{}\",  # {}\n", *key, name);
    fmt::print(
        "{}: a secret key. Move it to the fronts or workers that are to have it; there:\n"
        "    [bus.curve] edge_key_file = \"PATH\", or STOX_BUS_CURVE_EDGE_KEY_FILE=PATH\n",
        file);
  }
  fmt::print(
      "\nOn hosts with mappers, add to edge_public_keys of [bus.curve], and send the mappers HUP:\n\n{}",
      lines);
  return kFine;
}

}  // namespace

Result<std::string> write_new_key(const std::string& file) {
  const int descriptor = open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0 && errno == EEXIST)
    return error(fmt::format("{} is there already and stays as it is; remove it to make a new key", file));
  if (descriptor < 0) return error(fmt::format("cannot write {}: {}", file, std::strerror(errno)));
  const bus::CurvePair pair = bus::make_curve_pair();
  const std::string line = pair.secret_key + "\n";
  const bool written = write(descriptor, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
                       fsync(descriptor) == 0;
  const int failure = errno;
  close(descriptor);
  if (written) return pair.public_key;
  unlink(file.c_str());
  return error(fmt::format("cannot write {}: {}", file, std::strerror(failure)));
}

std::string keys_text(const std::string& directory, const std::string& mapper_public_key,
                      const std::vector<std::string>& edge_public_keys) {
  const std::string mapper = path_of(directory, "mapper");
  const std::string edge = path_of(directory, "edge");
  return fmt::format(
      "{0}: secret key of the mappers. Only hosts with a stox-mapper need it.\n"
      "{1}: secret key of the fronts and workers. Only hosts with these need it.\n\n"
      "Copy them there under the same names, owned by the user of stox, mode 0600:\n"
      "    chown stox: {0} {1}\n\n"
      "The same on every host, in the configuration:\n\n"
      "[bus.curve]\n"
      "mapper_public_key = \"{2}\"\n"
      "edge_public_keys  = [\"{3}\"]\n"
      "mapper_key_file   = \"{0}\"\n"
      "edge_key_file     = \"{1}\"\n",
      mapper, edge, mapper_public_key, fmt::join(edge_public_keys, "\", \""));
}

ExitCode keys(const std::string& directory, const std::vector<std::string>& names) {
  std::error_code failure;
  const std::string absolute = std::filesystem::absolute(directory, failure).lexically_normal().string();
  if (std::filesystem::create_directories(absolute, failure))
    std::filesystem::permissions(absolute, std::filesystem::perms(0750), failure);
  if (failure) return failed({fmt::format("cannot make {}: {}", absolute, failure.message())});
  if (!names.empty()) return more_edges(absolute, names);
  for (const char* name : {"mapper", "edge"}) {  // both, or none
    if (std::filesystem::exists(path_of(absolute, name), failure))
      return failed({fmt::format("{} is there already and stays as it is; remove it to make new keys",
                                 path_of(absolute, name))});
  }
  const auto mapper = write_new_key(path_of(absolute, "mapper"));
  if (!mapper) return failed(mapper.error());
  const auto edge = write_new_key(path_of(absolute, "edge"));
  if (!edge) return failed(edge.error());
  fmt::print("{}", keys_text(absolute, *mapper, {*edge}));
  return kFine;
}

}  // namespace stox::ctl
