#include "sip_front/sip/subscription/event_header.h"

#include <array>

#include "common/base/text.h"
#include "sip_front/sip/message/grammar.h"
#include "sip_front/sip/message/header_value.h"

namespace stox::sip {
namespace {

constexpr std::array<std::string_view, 3> kStates = {"active", "pending", "terminated"};
constexpr std::array<std::string_view, 8> kReasons = {"",        "deactivated", "probation",  "rejected",
                                                      "timeout", "giveup",      "noresource", "invariant"};

template <class Enum, std::size_t n>
Enum value_of(const std::array<std::string_view, n>& names, std::string_view text, Enum other) {
  for (std::size_t i = 0; i < n; ++i) {
    if (!names[i].empty() && ascii_iequal(names[i], text)) return static_cast<Enum>(i);
  }
  return other;
}

// "text/plain" of an Accept value without its parameters.
bool covers(std::string_view range, std::string_view type) {
  range = strip(range.substr(0, range.find(';')));
  if (range == "*/*") return true;
  if (range.ends_with("/*"))
    return ascii_iequal(range.substr(0, range.size() - 1), type.substr(0, type.find('/') + 1));
  return ascii_iequal(range, type);
}

}  // namespace

std::optional<Event> event_of(const Message& message) {
  Event event;
  Cursor cursor(message.value(HeaderName::kEvent));
  event.package = cursor.run(kToken);
  if (event.package.empty()) return std::nullopt;
  const bool good = read_params(cursor, [&](std::string_view name, std::string_view value, bool) {
    if (ascii_iequal(name, "id")) event.id = value;
  });
  if (!good) return std::nullopt;
  return event;
}

std::optional<SubscriptionState> subscription_state_of(const Message& message) {
  SubscriptionState out;
  Cursor cursor(message.value(HeaderName::kSubscriptionState));
  const std::string_view state = cursor.run(kToken);
  if (state.empty()) return std::nullopt;
  out.state = value_of(kStates, state, SubscriptionState::State::kOther);
  const bool good = read_params(cursor, [&](std::string_view name, std::string_view value, bool) {
    if (ascii_iequal(name, "reason"))
      out.reason = value_of(kReasons, value, SubscriptionState::Reason::kOther);
    if (ascii_iequal(name, "expires")) out.expires_s = parse_delta_seconds(value);
    if (ascii_iequal(name, "retry-after")) out.retry_after_s = parse_delta_seconds(value);
  });
  if (!good) return std::nullopt;
  return out;
}

std::string_view name_of(SubscriptionState::State state) {
  return state == SubscriptionState::State::kOther ? "other" : kStates[static_cast<std::size_t>(state)];
}

std::string_view name_of(SubscriptionState::Reason reason) {
  return reason == SubscriptionState::Reason::kOther ? "other" : kReasons[static_cast<std::size_t>(reason)];
}

std::optional<uint32_t> expires_of(const Message& message) {
  return parse_delta_seconds(message.value(HeaderName::kExpires));
}

std::optional<uint32_t> min_expires_of(const Message& message) {
  return parse_delta_seconds(message.value(HeaderName::kMinExpires));
}

bool accepts(const Message& message, std::string_view type) {
  if (!message.has(HeaderName::kAccept)) return true;
  bool found = false;
  message.each_value(HeaderName::kAccept, [&](std::string_view range) {
    found = covers(range, type);
    return !found;
  });
  return found;
}

}  // namespace stox::sip
