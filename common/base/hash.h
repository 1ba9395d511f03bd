// 64-bit hashes that all processes compute alike (not std::hash, which may differ between builds), and
// rendezvous hashing on them. Not for secrets: whoever sees a
// hash can compute the seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace stox {

uint64_t hash64(std::string_view bytes, uint64_t seed = 0);

// Rendezvous hashing: of several candidates the one with the highest weight for the key serves it. When one
// goes, only its keys move.
inline uint64_t rendezvous_weight(std::string_view key, std::string_view candidate) {
  return hash64(key, hash64(candidate));
}

}  // namespace stox
