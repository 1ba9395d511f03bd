#include "sip_front/request/refusals.h"

#include <algorithm>

namespace stox {
namespace {

bool is_same_host(const sip::Endpoint& a, const sip::Endpoint& b) { return a.v6 == b.v6 && a.ip == b.ip; }

bool is_within(Time at, Duration ago, Time now) { return at != kNever && now - at < ago; }

// Whether it is for the operator to change something.
bool tells_of_configuration(sip::Refused why) {
  switch (why) {
    case sip::Refused::kUnavailable:
    case sip::Refused::kRate:
    case sip::Refused::kShare:
    case sip::Refused::kMerged:
    case sip::Refused::kExpired:
      return false;
    default:
      return true;
  }
}

}  // namespace

void Refusals::let_in(const sip::Endpoint& source, Time now) {
  let_in_ = now;
  if (!untrusted_.empty())
    std::erase_if(untrusted_, [&](const Untrusted& one) { return is_same_host(one.source, source); });
}

void Refusals::refused(const sip::Endpoint& source, sip::Refused why, bool is_message, std::string hint,
                       Time now) {
  if (is_message && tells_of_configuration(why)) {
    message_refused_ = now;
    hint_ = std::move(hint);
  }
  if (why != sip::Refused::kUntrusted) return;
  std::erase_if(untrusted_, [&](const Untrusted& one) { return is_same_host(one.source, source); });
  if (untrusted_.size() >= kMaxUntrusted) untrusted_.erase(untrusted_.begin());
  untrusted_.push_back({source, now});
}

std::string Refusals::trouble(const std::vector<sip::Endpoint>& proxy, Time now) const {
  for (const Untrusted& one : untrusted_) {
    const auto same = [&](const sip::Endpoint& address) { return is_same_host(address, one.source); };
    if (!is_within(one.at, kProxyRefused, now) || std::none_of(proxy.begin(), proxy.end(), same)) continue;
    std::string address;
    one.source.append_ip(address);
    return "requests of outbound_proxy are refused: add " + address + " to `trusted`";
  }
  if (is_within(message_refused_, kNobodyGotIn, now) && !is_within(let_in_, kNobodyGotIn, now))
    return "every message of the last minute was refused: " + hint_;
  return {};
}

}  // namespace stox
