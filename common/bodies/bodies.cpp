#include "common/bodies/bodies.h"

namespace stox {

using pb::Envelope;

namespace {
constexpr Duration kWhileAnEdgeRestarts = std::chrono::seconds(60);
}

bus::BodyKinds bodies() {
  return {
      // page: a single message, a receipt or a typing notice. It must not be shown twice.
      {.field = Envelope::kSipMessageFieldNumber},
      {.field = Envelope::kXmppMessageFieldNumber},
      // presence, which is said again by the next process: what a user asks, grants or refuses, of which a
      // second time does no harm, ...
      {.field = Envelope::kSipPresenceFieldNumber,
       .repeat_in_doubt = true,
       .fleeting = true,
       .patience = kWhileAnEdgeRestarts},
      {.field = Envelope::kXmppPresenceFieldNumber,
       .repeat_in_doubt = true,
       .fleeting = true,
       .patience = kWhileAnEdgeRestarts},
      // ... and the state of one device, of which only the newest counts.
      {.field = Envelope::kSipStateFieldNumber,
       .repeat_in_doubt = true,
       .newest_wins = true,
       .fleeting = true,
       .patience = kWhileAnEdgeRestarts},
      {.field = Envelope::kXmppStateFieldNumber,
       .repeat_in_doubt = true,
       .newest_wins = true,
       .fleeting = true,
       .patience = kWhileAnEdgeRestarts},
  };
}

}  // namespace stox
