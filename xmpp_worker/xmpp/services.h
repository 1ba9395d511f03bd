// What the gateway answers for itself and for the SIP users behind it: ping, disco, version, presence that
// asks. Whatever is asked and not known gets its error; what is no question gets nothing, so nothing loops.
#pragma once

#include <string>
#include <string_view>

#include "xmpp_worker/xmpp/stanza.h"
#include "xmpp_worker/xmpp/xml_writer.h"

namespace stox::xmpp {

struct ServiceInfo {
  std::string version;
  std::string name = "SIP gateway (stox)";
};

// Writes the answer to an IQ or presence stanza, if it is owed one. False: nothing was written.
bool answer(const Stanza&, const ServiceInfo&, XmlWriter&);

}  // namespace stox::xmpp
