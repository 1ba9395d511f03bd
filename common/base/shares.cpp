#include "common/base/shares.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "common/base/hash.h"

namespace stox {

Shares::Shares(std::size_t bound, uint64_t seed)
    : bound_(bound), seed_(seed), held_(bound < 16 ? 0 : std::min<std::size_t>(8 * bound, 1 << 20)) {}

Shares::Claim Shares::claim(std::initializer_list<std::string_view> holders,
                            std::initializer_list<std::string_view> domains) const {
  Claim out;
  if (held_.empty()) return out;
  uint64_t position = seed_;
  const auto fill = [&](const auto& names, auto& slots) {
    for (std::size_t i = 0; i < slots.size(); ++i, ++position) {
      if (i >= names.size() || names.begin()[i].empty()) continue;
      slots[i] = static_cast<uint32_t>(hash64(names.begin()[i], position) % held_.size());
    }
  };
  fill(holders, out.holders_);
  fill(domains, out.domains_);
  return out;
}

bool Shares::allows(const Claim& claim, std::size_t taken) const {
  if (taken >= bound_) return false;
  if (held_.empty() || taken * 4 < bound_ * 3) return true;
  const auto is_small_one = [this](uint32_t slot) { return is_small(slot); };
  if (!std::all_of(claim.holders_.begin(), claim.holders_.end(), is_small_one)) return false;
  if (taken * 8 < bound_ * 7) return true;
  bool has_domain = false;
  for (const uint32_t slot : claim.domains_) {
    if (slot == Claim::kNone) continue;
    if (is_small(slot)) return true;
    has_domain = true;
  }
  return !has_domain;
}

void Shares::add(const Claim& claim, int32_t change) {
  for (const auto* slots : {&claim.holders_, &claim.domains_}) {
    for (const uint32_t slot : *slots) {
      if (slot != Claim::kNone) held_[slot] += static_cast<uint32_t>(change);
    }
  }
}

void Shares::take(const Claim& claim) { add(claim, 1); }
void Shares::release(const Claim& claim) { add(claim, -1); }

std::size_t Shares::held_by_first(const Claim& claim) const {
  return claim.holders_[0] == Claim::kNone ? 0 : held_[claim.holders_[0]];
}

std::string source_network(std::string_view address) {
  std::string text(address.substr(0, address.find('%')));  // a zone is of no interest
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return text;
  std::array<char, INET6_ADDRSTRLEN> out{};
  constexpr std::array<unsigned char, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin()))
    return inet_ntop(AF_INET, bytes.data() + kMapped.size(), out.data(), out.size());
  std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
  return std::string(inet_ntop(AF_INET6, bytes.data(), out.data(), out.size())) + "/64";
}

}  // namespace stox
