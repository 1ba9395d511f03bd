#include "common/net/input.h"

#include <utility>

namespace stox::net {

Input::Input(Loop& loop, int descriptor, std::function<void()> ready)
    : fd_(descriptor), descriptor_(loop.io()), ready_(std::move(ready)) {}

void Input::wait() {
  if (std::exchange(waits_, true)) return;
  if (!descriptor_.is_open()) {
    descriptor_.assign(fd_);  // throws without memory for it: deaf, a process is better restarted
    wanted_ = std::make_shared<char>();
  }
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                         [this, wanted = std::weak_ptr<char>(wanted_)](const asio::error_code& failure) {
                           if (failure || wanted.expired()) return;
                           waits_ = false;
                           ready_();
                         });
}

void Input::silence() {
  waits_ = false;
  wanted_.reset();
  if (descriptor_.is_open()) descriptor_.release();
}

}  // namespace stox::net
