// How many connections peers may have: all of them together, each source by itself (an IPv6 network of /64 is
// one), and strangers, who are few and of whom each source has very few.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "sip_front/sip/flow.h"

namespace stox::sip {

// The part of an address that one sender cannot choose freely: IPv4 whole, IPv6 its /64.
uint64_t source_of(const Endpoint&);

class Admission {
 public:
  struct Limits {
    std::size_t per_source, strangers, strangers_per_source;
  };
  explicit Admission(Limits limits) : limits_(limits) {}

  bool has_room(const Endpoint&, bool stranger) const;
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
  std::unordered_map<uint64_t, Count> sources_;
};

}  // namespace stox::sip
