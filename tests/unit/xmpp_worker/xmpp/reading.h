// A stanza from its text.
#pragma once

#include <string>

#include "xmpp_worker/xmpp/stanza/stanza.h"
#include "xmpp_worker/xmpp/stream/xml_stream.h"

namespace stox::xmpp {

// Reads one stanza; what was read lives as long as this.
class Reading : public XmlStreamUser {
 public:
  explicit Reading(const std::string& xml, const std::string& content_ns = "jabber:component:accept") {
    const std::string header =
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='" + content_ns + "'>";
    stream_.feed(header + xml);
  }
  void stream_opened(const Element&) override {}
  void stream_element(const Element& element) override { element_ = element; }
  void stream_oversized(const Element&) override {}
  void stream_closed() override {}
  void stream_failed(const StreamError&) override {}

  const Element& element() const { return element_; }
  Stanza stanza() const { return read_stanza(element_).value(); }

 private:
  XmlStream stream_{{}, *this};
  Element element_;
};

}  // namespace stox::xmpp
