#include "common/service/running_config.h"

#include <filesystem>
#include <fstream>
#include <regex>

#include "common/base/text.h"
#include "common/service/kept_text.h"

namespace stox::service {
namespace {

constexpr const char* kEnding = ".config";

// Of a file that may be no TOML.
std::string run_directory_in(const std::string& broken_file) {
  static const std::regex kKey(R"(\s*directory\s*=\s*["']([^"']+)["'].*)");
  std::ifstream file(broken_file);
  bool in_runtime = false;
  for (std::string line; std::getline(file, line);) {
    if (line.size() > 4096) continue;
    const std::string_view text = trim(line);
    if (text.starts_with("[")) in_runtime = text.starts_with("[runtime]");
    std::smatch match;
    if (in_runtime && std::regex_match(line, match, kKey)) return match[1];
  }
  return RuntimeConfig().directory;
}

}  // namespace

void keep_running_config(const Config& config, const std::string& full_name) {
  keep_text(config.runtime.directory + "/" + full_name + kEnding, print_config(config));
}

Result<Config> read_running_config(const std::string& broken_file, const Environment& environment) {
  const auto named = environment.find("STOX_RUNTIME_DIRECTORY");
  const std::string directory = named != environment.end() ? named->second : run_directory_in(broken_file);
  std::filesystem::path latest;
  std::filesystem::file_time_type latest_at;
  std::error_code failure;
  for (std::filesystem::directory_iterator at(directory, failure), end; !failure && at != end;
       at.increment(failure)) {
    if (at->path().extension() != kEnding) continue;
    std::error_code gone;
    const auto written = std::filesystem::last_write_time(at->path(), gone);
    if (gone || (!latest.empty() && written <= latest_at)) continue;
    latest = at->path();
    latest_at = written;
  }
  if (latest.empty()) return error("no process has kept its configuration in " + directory);
  return load_config(latest.string());
}

}  // namespace stox::service
