#include "common/service/file_access.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace stox::service {
namespace {

bool others_may(const std::string& path, mode_t what) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && (info.st_mode & what) != 0;
}

std::string user_name(uid_t user) {
  const passwd* found = getpwuid(user);
  return found != nullptr ? found->pw_name : std::to_string(user);
}

}  // namespace

bool everybody_reads(const std::string& path) {
  std::error_code failure;
  const std::filesystem::path whole = std::filesystem::canonical(path, failure);
  if (failure || !others_may(whole.string(), S_IROTH)) return false;
  for (auto folder = whole.parent_path(); folder != folder.root_path(); folder = folder.parent_path()) {
    if (!others_may(folder.string(), S_IXOTH)) return false;
  }
  return true;
}

std::string who_else_writes(const std::string& directory) {
  struct stat info {};
  if (stat(directory.c_str(), &info) != 0) return {};
  if (info.st_uid != geteuid() && info.st_uid != 0)
    return fmt::format("{} belongs to the user {}, who can put sockets of his own there; chown {} {}",
                       directory, user_name(info.st_uid), user_name(geteuid()), directory);
  if ((info.st_mode & S_IWOTH) != 0)
    return fmt::format("everybody on this host can put sockets of his own into {}; chmod o-w {}", directory,
                       directory);
  return {};
}

}  // namespace stox::service
