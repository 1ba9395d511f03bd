#include "common/service/kept_text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace stox::service {

void keep_text(const std::string& path, const std::string& text) {
  const std::string part = path + ".new";
  unlink(part.c_str());  // left by a process that was killed
  const int file = open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  if (file < 0) return;
  fchmod(file, 0640);  // whatever the umask
  const bool whole = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(file);
  if (whole)
    std::rename(part.c_str(), path.c_str());
  else
    unlink(part.c_str());
}

}  // namespace stox::service
