// The headers of RFC 6665: Event, Subscription-State, and the numbers beside them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sip_front/sip/message/message.h"

namespace stox::sip {

// Event (8.4, RFC 6665 8.2.1). Slices of the header.
struct Event {
  std::string_view package;  // "presence"; as written, which is compared as it is
  std::string_view id;       // empty: none
};
std::optional<Event> event_of(const Message&);  // nothing: no Event header, or none that can be read

struct SubscriptionState {  // RFC 6665 8.2.3
  enum class State : uint8_t { kActive, kPending, kTerminated, kOther };
  enum class Reason : uint8_t {  // 4.1.3
    kNone,
    kDeactivated,
    kProbation,
    kRejected,
    kTimeout,
    kGiveup,
    kNoresource,
    kInvariant,
    kOther,
  };
  State state = State::kOther;
  Reason reason = Reason::kNone;
  std::optional<uint32_t> expires_s, retry_after_s;
};
std::optional<SubscriptionState> subscription_state_of(const Message&);
std::string_view name_of(SubscriptionState::State);
std::string_view name_of(SubscriptionState::Reason);  // empty for kNone

std::optional<uint32_t> expires_of(const Message&);      // Expires, in seconds
std::optional<uint32_t> min_expires_of(const Message&);  // of a 423
// Whether Accept lets this type come: there is none, it is named, or a wildcard stands for it (20.1).
bool accepts(const Message&, std::string_view type);

}  // namespace stox::sip
