// What of the requests that were refused lately an operator must know: that the SIP proxy is refused, or that
// no message gets in at all. Refused strangers beside messages that get in are none of these.
#pragma once

#include <string>
#include <vector>

#include "common/base/clock.h"
#include "sip_front/sip/message/flow.h"
#include "sip_front/sip/policy/request_check.h"

namespace stox {

class Refusals {
 public:
  static constexpr Duration kNobodyGotIn = std::chrono::minutes(1);
  static constexpr Duration kProxyRefused = std::chrono::minutes(10);

  void let_in(const sip::Endpoint& source, Time now);
  // `hint`: what would let it in, in words.
  void refused(const sip::Endpoint& source, sip::Refused why, bool is_message, std::string hint, Time now);
  // The configuration has changed: what was refused may be let in now.
  void clear() { *this = {}; }

  bool has_untrusted() const { return !untrusted_.empty(); }
  // In words; empty: there is none. `proxy`: addresses of outbound_proxy, ports do not count.
  std::string trouble(const std::vector<sip::Endpoint>& proxy, Time now) const;

 private:
  static constexpr std::size_t kMaxUntrusted = 16;
  struct Untrusted {
    sip::Endpoint source;
    Time at;
  };
  std::vector<Untrusted> untrusted_;  // of different addresses, the latest last
  std::string hint_;                  // of the last message that was refused
  Time message_refused_ = kNever, let_in_ = kNever;
};

}  // namespace stox
