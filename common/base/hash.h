// 64-bit hashes that all processes compute alike (not std::hash, which may differ between builds), and
// rendezvous hashing on them. Not for secrets: whoever sees a hash can compute the seed.
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

// Of the candidates that accepts(candidate) lets take part the one that serves the key, as a pointer into
// them; null if there is none. name_of(candidate) is what it is called.
template <class Candidates, class Accepts, class NameOf>
auto rendezvous_choice(const Candidates& candidates, std::string_view key, Accepts accepts, NameOf name_of) {
  decltype(&*candidates.begin()) best = nullptr;
  uint64_t best_weight = 0;
  for (const auto& each : candidates) {
    if (!accepts(each)) continue;
    const uint64_t weight = rendezvous_weight(key, name_of(each));
    if (best != nullptr && weight <= best_weight) continue;
    best = &each;
    best_weight = weight;
  }
  return best;
}

}  // namespace stox
