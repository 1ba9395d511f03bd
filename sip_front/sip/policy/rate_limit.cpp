#include "sip_front/sip/policy/rate_limit.h"

#include <algorithm>
#include <cstring>

#include "common/base/hash.h"

namespace stox::sip {

uint64_t source_of(const Endpoint& endpoint) {
  uint64_t out = 0;
  std::memcpy(&out, endpoint.ip.data(), endpoint.v6 ? 8 : 4);
  return out;
}

void Bucket::fill(uint32_t per_second, Time now) {
  const double seconds = std::chrono::duration<double>(now - filled).count();
  tokens = std::min(2.0 * per_second, tokens + seconds * per_second);
  filled = now;
}

bool Bucket::take(uint32_t per_second, Time now) {
  fill(per_second, now);
  if (tokens < 1) return false;
  tokens -= 1;
  return true;
}

bool RateLimit::take(std::string_view sender, uint32_t per_second, Time now) {
  if (per_second == 0) return true;
  if (buckets_.empty()) buckets_.resize(kSets * kWays);
  const uint64_t hash = hash64(sender, seed_) | 1;  // 0 is a free place
  Entry* const set = &buckets_[(hash >> 32) % kSets * kWays];
  Entry* chosen = nullptr;
  for (Entry* entry = set; entry != set + kWays; ++entry) {
    if (entry->hash == hash) return entry->bucket.take(per_second, now);
    if (entry->hash != 0) entry->bucket.fill(per_second, now);
    const bool better =
        chosen == nullptr ||
        (chosen->hash != 0 && (entry->hash == 0 || entry->bucket.tokens > chosen->bucket.tokens));
    if (better) chosen = entry;
  }
  *chosen = {hash, {2.0 * per_second, now}};
  return chosen->bucket.take(per_second, now);
}

bool RateLimit::take(const Endpoint& source, uint32_t per_second, Time now) {
  const uint64_t sender = source_of(source);
  return take({reinterpret_cast<const char*>(&sender), sizeof sender}, per_second, now);
}

}  // namespace stox::sip
