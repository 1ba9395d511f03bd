// A number that nobody outside can guess, from the system: for tables whose keys others choose.
#pragma once

#include <cstdint>
#include <random>

namespace stox {

inline uint64_t random_seed() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

}  // namespace stox
