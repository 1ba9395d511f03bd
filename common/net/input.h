// Tells when a descriptor can be read. Asio lets whatever arrives wake the process, waited for or not; what
// is silent here does not.
#pragma once

#include <asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>

#include "common/net/loop.h"

namespace stox::net {

class Input {
 public:
  // The descriptor stays its owner's, who closes it after this has gone. The loop must outlive it.
  Input(Loop& loop, int descriptor, std::function<void()> ready);
  ~Input() { silence(); }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  // ready() will be called once, as soon as there is something to read. Not to be destroyed from inside it.
  void wait();
  void silence();

 private:
  int fd_;
  asio::posix::stream_descriptor descriptor_;  // open while not silent
  std::function<void()> ready_;
  bool waits_ = false;
  // What is ready already cannot be cancelled: it asks this whether it is still waited for.
  std::shared_ptr<char> wanted_;
};

}  // namespace stox::net
