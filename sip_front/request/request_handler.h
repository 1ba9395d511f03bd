// Whoever takes the requests of a method, or of a method and an event package: a row in the table of
// Reception (reception.h).
#pragma once

#include "sip_front/sip/message/flow.h"
#include "sip_front/sip/message/message.h"

namespace stox {

// A request that may pass: its peer is trusted, what holds for all requests has been checked
// (sip::check_request), and it is no copy of another. Valid during the call.
struct ReceivedRequest {
  const sip::Message& message;
  const sip::Flow& flow;
  sip::NameAddr sender;  // who sent it: as sip::sender_of() gives it, not always From
};

class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  // Is to answer it: now, by Reception's refuse() or answer(), or with a transaction by its open() now and
  // its respond() then or later.
  virtual void take(const ReceivedRequest&) = 0;
};

}  // namespace stox
