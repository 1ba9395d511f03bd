// Which of several workers an XMPP domain's messages go to. Mappers place envelopes by it, and workers that
// share something find by it which of them acts, so that both choose alike.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/addressing.h"
#include "common/base/hash.h"

namespace stox {

struct PlacedWorker {
  std::string name;
  bool server = false;              // has streams to other domains; else it is a component
  std::vector<std::string> claims;  // patterns of domains, A-labels (domain_matches()); empty = any
};

// A claim as it is told (proto Serving.domains, a name or "*.name"), in A-labels and lower case.
std::string domain_pattern(const std::string& claim);

// The one for a domain (A-labels): one that claims it, else a server, else a component that claims nothing.
// Servers share by domain, so that a domain's stream lives on one, components by conversation. `accepts`
// says who takes part; null: nobody can. `workers` holds PlacedWorkers, or what derives from that.
template <class Workers, class Accepts>
auto place(const Workers& workers, const std::string& domain, std::string_view conversation,
           Accepts accepts) {
  using Worker = typename Workers::value_type;
  const auto claims = [&domain](const Worker& worker) {
    return std::any_of(worker.claims.begin(), worker.claims.end(),
                       [&](const std::string& pattern) { return domain_matches(pattern, domain); });
  };
  const Worker* found = nullptr;
  for (const bool claimed : {true, false}) {
    for (const bool server : {true, false}) {
      if (found != nullptr) return found;
      found = rendezvous_choice(
          workers, server ? std::string_view(domain) : conversation,
          [&](const Worker& each) {
            return accepts(each) && each.server == server && (claimed ? claims(each) : each.claims.empty());
          },
          [](const Worker& each) -> std::string_view { return each.name; });
    }
  }
  return found;
}

}  // namespace stox
