#include "common/service/line_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace stox::service {

// O_NONBLOCK set on standard error itself would reach every process that shares it, the operator's shell too;
// a socket (journald) can be asked per call, a pipe or terminal opened once more, a file never blocks.
LineWriter::LineWriter(int descriptor) : given_(descriptor) {
  struct stat info {};
  if (fstat(descriptor, &info) != 0) return;
  file_ = S_ISREG(info.st_mode);
  socket_ = S_ISSOCK(info.st_mode);
  if (!file_ && !socket_) {
    own_ = open(fmt::format("/proc/self/fd/{}", descriptor).c_str(),
                O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  }
}

LineWriter::~LineWriter() {
  if (own_ >= 0) close(own_);
}

bool LineWriter::has_room(int wait_ms) const {
  pollfd one{own_ >= 0 ? own_ : given_, POLLOUT, 0};
  return poll(&one, 1, wait_ms) == 1;
}

bool LineWriter::put(std::string_view bytes) {
  // Not to be had without blocking (another user's pipe): a pipe with any room takes a line of usual length.
  if (!file_ && !socket_ && own_ < 0 && !has_room(0)) return false;
  ssize_t n = 0;
  do {
    n = socket_ ? send(given_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                : ::write(own_ >= 0 ? own_ : given_, bytes.data(), bytes.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0) return false;
  rest_.assign(bytes.substr(static_cast<std::size_t>(n)));
  return true;
}

bool LineWriter::write(std::string_view line) {
  const auto try_write = [&] {
    if (!rest_.empty() && (!put(std::string(rest_)) || !rest_.empty())) return false;
    return put(line);
  };
  if (!try_write()) {
    if (stalled_ || !has_room(100) || !try_write()) {
      stalled_ = true;
      return false;
    }
  }
  stalled_ = false;
  return true;
}

}  // namespace stox::service
