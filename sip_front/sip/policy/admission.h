// How many connections peers may have: all of them together, each source by itself (an IPv6 network of /64 is
// one), and strangers, who are few, of whom each source has very few, and who do not come quickly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "sip_front/sip/message/flow.h"
#include "sip_front/sip/policy/rate_limit.h"

namespace stox::sip {

class Admission {
 public:
  struct Limits {
    std::size_t per_source, strangers, strangers_per_source;
    uint32_t strangers_per_second;
  };
  explicit Admission(Limits limits)
      : limits_(limits), new_strangers_(bucket_of(limits.strangers_per_second)) {}

  // For one that comes now.
  bool has_room(const Endpoint&, bool stranger, Time now);
  void add(const Endpoint&, bool stranger);
  void remove(const Endpoint&, bool stranger);
  // One that was counted as the other.
  void change(const Endpoint&, bool stranger);

 private:
  struct Count {
    std::size_t all = 0, strangers = 0;
  };
  Limits limits_;
  std::size_t strangers_ = 0;
  Bucket new_strangers_;
  std::unordered_map<uint64_t, Count> sources_;
};

}  // namespace stox::sip
