#include "xmpp_worker/page/kept_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace stox::worker {
namespace {

constexpr std::size_t kMaxSize = 4096;

tl::unexpected<Error> failure(const char* what, const std::string& path) {
  const std::string why = std::strerror(errno);
  return error(std::string("cannot ").append(what).append(" ").append(path).append(": ").append(why));
}

}  // namespace

Result<std::string> kept_file(const std::string& path, const std::string& if_new) {
  if (access(path.c_str(), F_OK) != 0) {
    std::error_code exists;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), exists);
    // It appears under its name only when it is whole.
    const std::string draft = path + "." + std::to_string(getpid());
    const int file = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return failure("make", draft);
    const bool written =
        write(file, if_new.data(), if_new.size()) == static_cast<ssize_t>(if_new.size()) && fsync(file) == 0;
    if (!written) errno = errno == 0 ? ENOSPC : errno;
    const bool made = written && (link(draft.c_str(), path.c_str()) == 0 || errno == EEXIST);
    const auto failed = failure("write", path);
    close(file);
    unlink(draft.c_str());
    if (!made) return failed;
  }
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string out(kMaxSize, '\0');
  const ssize_t size = file < 0 ? -1 : read(file, out.data(), out.size());
  const auto failed = failure("read", path);
  if (file >= 0) close(file);
  if (size < 0) return failed;
  if (size == 0) return error(path + " is empty; remove it, and a new one is made");
  out.resize(static_cast<std::size_t>(size));
  return out;
}

}  // namespace stox::worker
