#include "sip_front/sip/message/random.h"

#include <sys/random.h>

namespace stox::sip {

void append_hex(std::string& out, uint64_t value, int digits) {
  std::array<char, 16> text{};
  for (auto at = text.rbegin(); at != text.rend(); ++at, value >>= 4) *at = "0123456789abcdef"[value & 15];
  out.append(text.end() - digits, text.end());
}

uint64_t Random::next() {
  if (used_ == pool_.size()) {
    auto* bytes = reinterpret_cast<char*>(pool_.data());
    for (std::size_t done = 0; done < sizeof pool_;) {
      const auto count = getrandom(bytes + done, sizeof pool_ - done, 0);
      if (count > 0) done += static_cast<std::size_t>(count);
    }
    used_ = 0;
  }
  return pool_[used_++];
}

uint32_t Random::between(uint32_t low, uint32_t high) {
  return low + static_cast<uint32_t>(next() % (high - low + 1));
}

std::string Random::id() {
  const std::array<uint64_t, 2> halves = {next(), next()};
  return std::string(reinterpret_cast<const char*>(halves.data()), sizeof halves);
}

std::string Random::hex() {
  std::string out;
  append_hex(out, next(), 16);
  return out;
}

}  // namespace stox::sip
