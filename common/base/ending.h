// How a message ended, as its sender was told: what `stoxctl messages` and `failed` sort by.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stox {

enum class Ending : uint8_t {
  kOpen,         // not yet
  kDelivered,    // proved
  kPassedOn,     // accepted by the other side, and nothing more is known
  kRefused,      // the other side said no
  kRefusedHere,  // by a rule, a bound or an address: it did not leave the gateway
  kGivenUp,      // the gateway took it and could not bring it there
};
constexpr std::size_t kEndings = 6;

// In JSON; empty while open.
constexpr const char* name_of(Ending ending) {
  switch (ending) {
    case Ending::kDelivered:
      return "delivered";
    case Ending::kPassedOn:
      return "passed_on";
    case Ending::kRefused:
      return "refused";
    case Ending::kRefusedHere:
      return "refused_here";
    case Ending::kGivenUp:
      return "given_up";
    case Ending::kOpen:
      break;
  }
  return "";
}
constexpr bool is_failure(Ending ending) { return ending >= Ending::kRefused; }

}  // namespace stox
