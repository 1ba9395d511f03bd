// Connections to a mapper's TCP address of which nothing has been heard but their handshake. ZeroMQ takes in
// what they send, up to the largest message, and waits for them for half a minute; here they are few, and
// what each may send is little.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>

#include "common/base/clock.h"

namespace stox::bus {

class Unproved {
 public:
  static constexpr std::size_t kMost = 64;       // the oldest gives way
  static constexpr uint64_t kBytes = 64 * 1024;  // a handshake is less than one
  static constexpr Duration kLook = std::chrono::milliseconds(50);

  void accepted(int descriptor);
  void settled(int descriptor);  // it has proved who it is, or is gone
  // Breaks off those that sent too much. True: some are left, look again after kLook.
  bool look();

 private:
  struct One {
    int descriptor;
    std::string peer;  // the descriptor may be another connection's before we hear of it
  };
  static void break_off(const One&);

  std::list<One> all_;  // oldest first
};

}  // namespace stox::bus
