#include "sip_front/sip/random.h"

#include <sys/random.h>

#include <cstdio>
#include <cstdlib>

namespace stox::sip {

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

std::string Random::hex() {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(next()));
  return text.data();
}

}  // namespace stox::sip
