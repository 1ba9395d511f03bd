// Writes down what an XML stream shows, one event a line, so that tests compare text.
#pragma once

#include <string>

#include "xmpp_worker/xmpp/stream/xml_stream.h"

namespace stox::xmpp {

// {ns}name @attribute=value [children] "text"
inline std::string show(const Element& element) {
  std::string out = "{" + std::string(element.ns()) + "}" + std::string(element.name());
  if (!element.attribute("to").empty()) out += " to=" + std::string(element.attribute("to"));
  if (!element.text().empty()) out += " \"" + std::string(element.text()) + "\"";
  for (Element child = element.first_child(); child; child = child.next()) out += " [" + show(child) + "]";
  return out;
}

class XmlLog : public XmlStreamUser {
 public:
  void stream_opened(const Element& header) override {
    log += "opened id=" + std::string(header.attribute("id")) +
           " xmlns=" + std::string(header.attribute("xmlns", "http://www.w3.org/2000/xmlns/")) + "\n";
  }
  void stream_element(const Element& element) override {
    log += show(element) + "\n";
    ++elements;
    if (stream && element.name() == "restart") stream->restart({});
    if (stream && element.name() == "stop") stream->stop();
  }
  void stream_oversized(const Element& element) override { log += "oversized " + show(element) + "\n"; }
  void stream_closed() override { log += "closed\n"; }
  void stream_failed(const StreamError& error) override { log += "failed " + error.condition + "\n"; }

  std::string log;
  int elements = 0;
  XmlStream* stream = nullptr;
};

}  // namespace stox::xmpp
