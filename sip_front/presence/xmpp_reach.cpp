#include "sip_front/presence/xmpp_reach.h"

#include <algorithm>

#include "common/base/addressing.h"
#include "common/base/hash.h"

namespace stox {
namespace {

// Whether it takes this domain among others: one that names none takes all.
bool claims(const pb::Member& member, std::string_view domain) {
  const auto& claimed = member.serving().domains();
  return claimed.empty() || domain.empty() ||
         std::any_of(claimed.begin(), claimed.end(),
                     [&](const std::string& pattern) { return domain_matches(pattern, domain); });
}

// Streams between servers come and go all the time, one for each domain, and lose nothing that would not be
// said again.
uint64_t mark_of(const pb::Member& member) {
  const uint64_t process = hash64(member.name(), member.process_epoch());
  if (member.serving().backend() == pb::SERVER) return process;
  return hash64(member.name(),
                hash64(member.name(), process ^ member.serving().connection()) ^ member.serving().broken());
}

}  // namespace

bool XmppReach::has_more_than(const XmppReach& before) const {
  return !std::includes(before.streams.begin(), before.streams.end(), streams.begin(), streams.end());
}

XmppReach reach_of(std::string_view domain, const std::vector<pb::Member>& members) {
  XmppReach out;
  for (const pb::Member& member : members) {
    const pb::Serving& serving = member.serving();
    if (member.role() != pb::WORKER || serving.holds_nothing() || !claims(member, domain)) continue;
    out.there = true;
    if (serving.state() == pb::READY) out.streams.push_back(mark_of(member));
  }
  std::sort(out.streams.begin(), out.streams.end());
  return out;
}

}  // namespace stox
