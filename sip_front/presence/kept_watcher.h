// A subscription of a SIP user to an XMPP user as it stands in a file, so that the next process goes on with
// it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "sip_front/sip/subscription/notifier.h"

namespace stox {

struct KeptWatcher {
  sip::Subscription subscription;   // without its resource
  std::string watcher, presentity;  // addr-specs
};

// Of one that has expired, a refresh may be on its way that came to nobody while the process was away.
constexpr Duration kRefreshComes = std::chrono::seconds(40);

std::string write_kept(const KeptWatcher&, const Clock&);
// Nothing: it has expired, or is none.
std::optional<KeptWatcher> read_kept(std::string_view record, const Clock&);

}  // namespace stox
