// Who may take the next place of a bounded table (messages in flight, connections, routes), so that nobody
// takes the places of all others. The rule: anyone may use three quarters of the bound. Then only those get a
// place who hold less than a sixteenth of it, and in the last eighth a domain on one side must hold less than
// a sixteenth, too. So many senders of one domain leave room for other domains, and a site that has only one
// domain can use seven eighths. A bound below 16 has no shares: whoever comes first has the place.
//
// It counts places by hash, in an array of fixed size: nothing is allocated for a claim. Two that share a
// slot count as one, which matters only in the last quarter and is rare: there are 8 slots for each place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/random_seed.h"

namespace stox {

class Shares {
 public:
  // Whom one place is counted for. A small value, to be kept with what holds the place.
  class Claim {
    friend class Shares;
    static constexpr uint32_t kNone = ~uint32_t{0};
    std::array<uint32_t, 2> holders_{kNone, kNone}, domains_{kNone, kNone};  // slots
  };

  // The default seed is random, so that nobody outside can choose a name that shares another's slot.
  explicit Shares(std::size_t bound, uint64_t seed = random_seed());

  // `holders`: each of them must hold less than a sixteenth: a sender, the source of a connection that is not
  // trusted (see source_network). `domains`: one that does is sufficient: the sender's and the recipient's.
  // At most two of either; empty texts do not count. The position is part of the name: a domain as sender's
  // and as recipient's is two.
  Claim claim(std::initializer_list<std::string_view> holders,
              std::initializer_list<std::string_view> domains = {}) const;
  // Whether it may have a place while so many are taken. Counts nothing.
  bool allows(const Claim&, std::size_t taken) const;
  void take(const Claim&);
  void release(const Claim&);  // what was taken by an equal claim

  std::size_t bound() const { return bound_; }
  std::size_t held_by_first(const Claim&) const;  // places of the first holder

 private:
  bool is_small(uint32_t slot) const {
    return slot == Claim::kNone || held_[slot] * std::size_t{16} < bound_;
  }
  void add(const Claim&, int32_t change);

  const std::size_t bound_;
  const uint64_t seed_;
  std::vector<uint32_t> held_;  // by slot
};

// What counts as one source of connections and datagrams: an IPv4 address (a mapped one, too), the /64 of an
// IPv6 address. A text that is neither stands for itself.
std::string source_network(std::string_view address);

}  // namespace stox
