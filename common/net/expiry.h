// When our own certificate ends, for people.
#pragma once

#include <string>

#include "common/net/tls.h"

namespace stox::net {

constexpr int64_t kEndsSoonS = 7 * 86'400;

// "has expired", or while it ends within a week "ends in 3 days"; empty while there is time.
inline std::string expiry_trouble(const Certificate& certificate, int64_t now_s) {
  if (certificate.has_expired(now_s)) return "has expired";
  const int64_t left = certificate.not_after_s - now_s;
  if (left >= kEndsSoonS) return {};
  const int64_t days = left / 86'400, hours = left / 3600;
  if (days > 1) return "ends in " + std::to_string(days) + " days";
  return hours > 1 ? "ends in " + std::to_string(hours) + " hours" : "ends within two hours";
}

}  // namespace stox::net
