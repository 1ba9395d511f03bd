#include "common/base/hash.h"

#include <cstring>

namespace stox {
namespace {

uint64_t mix(uint64_t x) {  // the finaliser of splitmix64
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

uint64_t hash64(std::string_view bytes, uint64_t seed) {
  uint64_t h = mix(seed ^ (0x9e3779b97f4a7c15ULL * (bytes.size() + 1)));
  while (bytes.size() >= 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), 8);
    h = mix(h ^ word) + 0x9e3779b97f4a7c15ULL;
    bytes.remove_prefix(8);
  }
  uint64_t tail = 0;
  if (!bytes.empty()) std::memcpy(&tail, bytes.data(), bytes.size());
  return mix(h ^ tail);
}

}  // namespace stox
