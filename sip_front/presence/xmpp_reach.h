// What a front can know of the way to an XMPP domain: whether there is a worker that would take something for
// it, and whether, since it last looked, one has come or has got a new stream, so that what users said
// meanwhile may have been lost.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "proto/control.pb.h"

namespace stox {

struct XmppReach {
  bool there = false;
  std::vector<uint64_t> streams;  // what tells them apart, sorted

  // Whether it has a stream that `before` had not.
  bool has_more_than(const XmppReach& before) const;
};

// Of a domain as in a JID; empty: it is not known, and any worker may be the one.
XmppReach reach_of(std::string_view domain, const std::vector<pb::Member>&);

}  // namespace stox
