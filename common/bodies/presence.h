// What travels about presence, whichever way and on whichever side of a mapper.
#pragma once

#include "proto/envelope.pb.h"
#include "proto/presence.pb.h"

namespace stox {

// Travels in sip_state and xmpp_state, where only the newest counts; all else in sip_presence and
// xmpp_presence.
inline bool is_of_device(pb::Presence::Kind kind) {
  return kind == pb::Presence::STATE || kind == pb::Presence::PROBE;
}

// Of an envelope that has it.
inline const pb::Presence& presence_in(const pb::Envelope& envelope) {
  if (envelope.has_sip_state()) return envelope.sip_state();
  if (envelope.has_xmpp_state()) return envelope.xmpp_state();
  return envelope.has_sip_presence() ? envelope.sip_presence() : envelope.xmpp_presence();
}

}  // namespace stox
