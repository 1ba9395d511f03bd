// How much of what we have other servers may take: connections, of which those that have not proved who they
// are are few, questions of dialback, and bytes that we hold for them. Counted all together, by source (an
// IPv4 address, the /64 of an IPv6 one) and by the network around it (/24, /48), so that nobody shuts out the
// others. It only counts; who has to go for another is the owner's to find.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/base/bucket.h"
#include "common/base/clock.h"
#include "common/base/shares.h"

namespace stox::xmpp {

class S2sAdmission {
 public:
  struct Limits {
    std::size_t connections = 10'000;
    std::size_t unproved = 1'000;
    std::size_t of_source = 200, unproved_of_source = 64;
    double per_second = 20;           // connections and questions of one source, each, behind a burst
    double burst = 200;               // of these
    std::size_t bytes = 67'108'864;   // held for all of them
    std::size_t small_bytes = 4'096;  // that each may hold in any case
  };

  // A connection, as long as it is there.
  struct Place {
    std::string source, network;
    Shares::Claim connection, unproved;
    bool is_unproved = true;
    std::size_t bytes = 0;
  };
  // Among whom one must go before there is a place: the oldest of those that have proved nothing, or, unless
  // they alone are too many, the idlest.
  struct Verdict {
    enum class Among { kNobody, kSource, kNetwork, kAll } among = Among::kNobody;
    bool unproved_only = true;
  };

  explicit S2sAdmission(Limits);

  Place place_of(std::string_view ip) const;
  // For one that comes now.
  Verdict judge(const Place&, Time now);
  // Whether another from there is not too soon. Once for each connection, before judge().
  bool comes_in_time(const Place&, Time now);
  bool asks_in_time(const Place&, Time now);  // the same for a question
  void take(const Place&);
  void prove(Place&);  // it has
  void release(const Place&);
  // False: it holds too much, while others need it. `network` and connections are not looked at.
  bool hold(Place&, std::size_t bytes, Time now);

  void forget_sources(Time now);  // of which nothing is known but that they are not here; from time to time
  const Limits& limits() const { return limits_; }
  std::size_t bytes() const { return bytes_; }
  std::size_t unproved() const { return unproved_count_; }

 private:
  struct Source {
    Bucket comes, asks;
    std::size_t all = 0, unproved = 0, bytes = 0;
  };
  Source& source(const std::string& name, Time now);

  const Limits limits_;
  Shares connections_, unproved_;
  std::size_t count_ = 0, unproved_count_ = 0, bytes_ = 0;
  std::unordered_map<std::string, Source> sources_;
};

}  // namespace stox::xmpp
