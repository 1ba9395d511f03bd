#include "sip_front/sip/policy/rate_limit.h"

#include <cstring>

#include "common/base/hash.h"

namespace stox::sip {

uint64_t source_of(const Endpoint& endpoint) {
  uint64_t out = 0;
  std::memcpy(&out, endpoint.ip.data(), endpoint.v6 ? 8 : 4);
  return out;
}

bool RateLimit::take(std::string_view sender, uint32_t per_second, Time now) {
  if (per_second == 0) return true;
  if (buckets_.empty()) buckets_.resize(kSets * kWays);
  const uint64_t hash = hash64(sender, seed_) | 1;  // 0 is a free place
  Entry* const set = &buckets_[(hash >> 32) % kSets * kWays];
  Entry* chosen = nullptr;
  for (Entry* entry = set; entry != set + kWays; ++entry) {
    entry->bucket.set_rate(2.0 * per_second, per_second);
    if (entry->hash == hash) return entry->bucket.take(now);
    const bool better =
        chosen == nullptr ||
        (chosen->hash != 0 && (entry->hash == 0 || entry->bucket.tokens(now) > chosen->bucket.tokens(now)));
    if (better) chosen = entry;
  }
  *chosen = {hash, bucket_of(per_second, now)};
  return chosen->bucket.take(now);
}

bool RateLimit::take(const Endpoint& source, uint32_t per_second, Time now) {
  const uint64_t sender = source_of(source);
  return take({reinterpret_cast<const char*>(&sender), sizeof sender}, per_second, now);
}

}  // namespace stox::sip
