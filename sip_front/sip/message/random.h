// Numbers that nobody can guess: branches, tags, Call-IDs, trace ids.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace stox::sip {

void append_hex(std::string& out, uint64_t value, int digits);  // the last 1 to 16

class Random {
 public:
  uint64_t next();
  uint32_t between(uint32_t low, uint32_t high);  // both included; of a small range
  std::string hex();                              // 16 digits
  std::string id();                               // 16 raw bytes

 private:
  std::array<uint64_t, 256> pool_;
  std::size_t used_ = 256;  // of the pool
};

}  // namespace stox::sip
