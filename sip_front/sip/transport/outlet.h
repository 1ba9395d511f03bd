// Where what is written goes out, as those see it who write requests and responses: Transports.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "sip_front/sip/message/flow.h"
#include "sip_front/sip/message/message.h"

namespace stox::sip {

class FlowSender {
 public:
  virtual ~FlowSender() = default;
  // Leaves at the end of this turn. Responses whose connection is gone go by a new one (18.2.2). The bytes
  // live during the call.
  virtual void send(const Flow&, std::string_view bytes) = 0;
};

class Outlet : public FlowSender {
 public:
  // The way to a peer: a socket of its address family (of several: that of the interface which leads there),
  // or a connection, opened if there is none. An Error when there is no way.
  virtual Result<Flow> flow_to(const Hop&) = 0;
  virtual SentBy sent_by(const Flow&) const = 0;
  // What a peer finds us by later: the URI of the listener that sent_by() names, with its transport.
  virtual std::string contact(const Flow&) const = 0;
};

}  // namespace stox::sip
