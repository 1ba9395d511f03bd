// How many requests a second are taken from each of very many senders: a token bucket for each, in a table
// that never grows. Where a set of the table is full, the bucket that is used least gives way, so a flood of
// senders that come once costs those that stay nothing.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/base/bucket.h"
#include "common/base/clock.h"
#include "sip_front/sip/message/flow.h"

namespace stox::sip {

// The part of an address that one sender cannot choose freely: IPv4 whole, IPv6 its /64.
uint64_t source_of(const Endpoint&);

// Two seconds' worth at once.
inline Bucket bucket_of(uint32_t per_second, Time now = {}) {
  return {2.0 * per_second, double(per_second), now};
}

class RateLimit {
 public:
  // `seed` for hashes of what peers choose.
  explicit RateLimit(uint64_t seed) : seed_(seed) {}

  // False: this one had its share. 0 a second is no limit.
  bool take(std::string_view sender, uint32_t per_second, Time now);
  bool take(const Endpoint& source, uint32_t per_second, Time now);  // an IPv6 network of /64 is one sender

  std::size_t size() const { return buckets_.size(); }  // places, used or not

 private:
  static constexpr std::size_t kSets = 2048, kWays = 4;
  struct Entry {
    uint64_t hash = 0;
    Bucket bucket = bucket_of(0);
  };
  uint64_t seed_;
  std::vector<Entry> buckets_;  // made when the first limit is asked for
};

}  // namespace stox::sip
