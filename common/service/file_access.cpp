#include "common/service/file_access.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
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

// Is another user as long as it lives.
class As {
 public:
  explicit As(const passwd& user) {
    became_ =
        initgroups(user.pw_name, user.pw_gid) == 0 && setegid(user.pw_gid) == 0 && seteuid(user.pw_uid) == 0;
  }
  ~As() {
    if (seteuid(0) != 0 || setegid(0) != 0) std::abort();
    initgroups("root", 0);
  }
  As(const As&) = delete;
  As& operator=(const As&) = delete;
  bool became() const { return became_; }

 private:
  bool became_ = false;
};

}  // namespace

bool is_user(const std::string& name) { return getpwnam(name.c_str()) != nullptr; }

std::string unreadable_for(const std::string& user, const std::vector<std::string>& files) {
  const passwd* found = getpwnam(user.c_str());
  if (geteuid() != 0 || found == nullptr) return {};
  std::string out;
  const As as(*found);
  for (const std::string& file : files) {
    const int descriptor = as.became() ? open(file.c_str(), O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor < 0)
      out += fmt::format("the user {} cannot read {}: {}\n", user, file, std::strerror(errno));
    else
      close(descriptor);
  }
  return out;
}

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
