#include "common/bodies/bodies.h"

namespace stox {

using pb::Envelope;

bus::BodyKinds bodies() {
  return {
      // page: a single message, a receipt or a typing notice. It must not be shown twice.
      {.field = Envelope::kSipMessageFieldNumber},
      {.field = Envelope::kXmppMessageFieldNumber},
  };
}

}  // namespace stox
