// What a stream error (RFC 6120 4.9.3) with which another server ends a stream of ours means: what an
// operator can do, whether and when the server is asked again, and what those are told whose stanzas cannot
// leave.
#pragma once

#include <string>

#include "xmpp_worker/xmpp/s2s/s2s_stream.h"
#include "xmpp_worker/xmpp/stream/errors.h"

namespace stox::xmpp {

struct StreamOf {
  std::string peer;  // for people
  std::string from, to;
  bool was_up = false;
  bool is_proved = false;  // by a certificate: it is the server of `to`
};

StreamEnd end_by(const StreamError&, const StreamOf&);

}  // namespace stox::xmpp
